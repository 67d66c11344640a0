import { CliError } from '../../cli-error.ts'
import type { Invocation } from '../../command.ts'
import { type AppStanding, standingOfApp, withAdmin } from '../../config/admin.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { reserveEnvFile } from '../../output/env-file.ts'
import { showConnection } from '../../output/show-connection.ts'
import { type AppOptions, allowOnly } from './options.ts'

/** What to do when the connection is known to nobody: an app's password cannot be set anew. */
const MAKE_ANEW =
  'Make room, then pg-tenant app drop <name> and pg-tenant app create <name> --write-env <file>.'

/** A database and a role of its own for an app; shows its connection, this once. */
export async function createApp(invocation: Invocation, app: string, options: AppOptions): Promise<ExitCode> {
  allowOnly('create', options, ['writeEnv', 'connectionLimit', 'template', 'host', 'port', 'dryRun'])
  const { io, output } = invocation
  const settings = await invocation.settings()
  if (options.dryRun)
    return await withAdmin(settings, async (pool) => plan(invocation, app, await standingOfApp(pool, app)))
  const file = options.writeEnv === undefined ? undefined : await reserveEnvFile(io.cwd, options.writeEnv)
  const { connectionLimit, template, host, port } = options
  try {
    const { provisionDatabase } = await import('@org/pg-tenant/admin')
    const made = await withAdmin(settings, (pool) =>
      provisionDatabase(pool, { app, connectionLimit, template, host, port }),
    )
    const { database, role, connection, alsoOpen } = made
    output.say(`${app} has database ${database} and role ${role}.`)
    const shown = await showConnection(connection, file, output, MAKE_ANEW)
    output.document({ app, database, role, alsoOpen, ...shown })
    if (alsoOpen.length > 0) {
      output.note(
        `Everybody may connect to ${alsoOpen.join(', ')}, so it can as well and sees the catalogue there. As a ` +
          'superuser: REVOKE CONNECT ON DATABASE … FROM PUBLIC.',
      )
    }
    return EXIT.ok
  } finally {
    await file?.close()
  }
}

function plan({ output }: Invocation, app: string, { name, role, database }: AppStanding): ExitCode {
  if (role || database)
    throw new CliError('REFUSED', `A database or role ${name} is there already. Nothing would be made.`)
  output.document({ app, database: name, role: name, dryRun: true })
  output.say(`Database ${name} and role ${name} would be made.`)
  return EXIT.ok
}
