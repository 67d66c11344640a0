import { createApp } from './app.ts'
import { readConfig } from './config.ts'
import { openHub } from './hub/open-hub.ts'
import { inviteOperator } from './hub/platform.ts'
import { createLog } from './log.ts'
import { serve } from './serve.ts'

// Serves the hub until it is asked to stop. With DATABASE_URL as it is told by the environment (src/config.ts says every
// variable); without one, on a throw-away PostgreSQL with throw-away keys.

const local = process.env.DATABASE_URL ? undefined : await (await import('./local.ts')).startLocally()
const config = readConfig({ ...local?.environment, ...process.env })
const log = createLog(config.LOG_LEVEL)
const hub = await openHub(config, log)
const server = await serve(createApp(hub), { host: config.HOST, port: config.PORT })
log.info(
  { host: config.HOST, port: server.port, database: local ? 'throw-away' : 'DATABASE_URL' },
  'listening',
)

// Not through the log, and not for a database that stays (src/invite-operator.ts does it there): it opens an account.
const invitation = local && (await inviteOperator(hub))
if (invitation) {
  const page = `http://127.0.0.1:${server.port}/admin`
  process.stdout.write(`\nChoose the operator's password: ${page}#invitation=${invitation.token}\n\n`)
}

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A package manager passes Ctrl-C on, so it comes twice.
    if (stopping) return
    stopping = true
    log.info({ signal }, 'finishing the requests in flight')
    void stop()
  })
}

/** Each waits for the one before: requests, scopes and connections, the database. */
async function stop(): Promise<void> {
  await server.close()
  await hub.close()
  await local?.stop()
  log.info('stopped')
}
