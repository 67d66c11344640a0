import { readConfig } from './config.ts'
import { openHub } from './hub/open-hub.ts'
import { inviteOperator } from './hub/platform.ts'
import { createLog } from './log.ts'

// Once, for a new hub: prints the invitation of the first operator (OPERATOR_EMAIL), where nothing keeps it.

const page = `${process.env.HUB_PAGE ?? '(the hub)'}/admin`
const hub = await openHub(readConfig(process.env), createLog('warn'))
try {
  const invitation = await inviteOperator(hub)
  process.stdout.write(
    invitation
      ? `\nChoose the operator's password at ${page}#invitation=${invitation.token} before ${invitation.expiresAt.toISOString()}.\n\n`
      : 'OPERATOR_EMAIL has a password already, or is no operator. Another operator can invite them.\n',
  )
} finally {
  await hub.close()
}
