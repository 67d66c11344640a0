import { CliError, usage } from '../cli-error.ts'
import { argument, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { reserveEnvFile } from '../output/env-file.ts'
import { showConnection } from '../output/show-connection.ts'
import { requireTenant } from './require-tenant.ts'

interface Options {
  readonly rotate?: boolean
  readonly writeEnv?: string
  readonly dryRun?: boolean
}

export const env: CommandModule<Options> = {
  arguments: [['<key>', 'the tenant']],
  options: [
    {
      flags: '--rotate',
      text: 'give its login a new password and show it, this once (levels login and database)',
    },
    { flags: '--write-env <file>', text: 'write the new connection there, readable by you only' },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant env acme', 'its schema, role, host …; never a password'],
    ['pg-tenant env acme --rotate --write-env acme.env', 'a new password, into a file'],
  ],
  afterStop: 'Look with pg-tenant env, then rotate again.',
  async run(invocation, args, { rotate = false, writeEnv, dryRun = false }) {
    const key = argument(args, 0)
    if (writeEnv !== undefined && !rotate)
      throw usage('--write-env goes with --rotate: passwords are kept nowhere in clear.')
    if (rotate && !dryRun) return await rotated(invocation, key, writeEnv)
    const variables = await settingsOf(invocation, key)
    const { output } = invocation
    output.document({ tenant: key, variables, ...(rotate && { dryRun }) })
    for (const [name, value] of Object.entries(variables)) output.data(`${name}=${value}`)
    if (rotate) output.say(`${key} would get a new password.`)
    return EXIT.ok
  },
}

async function rotated(invocation: Invocation, key: string, writeEnv: string | undefined) {
  const { io, connect, output } = invocation
  const { tenancy } = await connect()
  if (tenancy.isolation !== 'login' && tenancy.isolation !== 'database') throw noLogins(tenancy.isolation)
  await requireTenant(tenancy, key)
  const file = writeEnv === undefined ? undefined : await reserveEnvFile(io.cwd, writeEnv)
  try {
    const connection = await tenancy.rotateCredentials(key)
    output.say(`${key} has a new password; connections that are open stay.`)
    output.document({ tenant: key, rotated: true, ...(await showConnection(connection, file, output)) })
    return EXIT.ok
  } finally {
    await file?.close()
  }
}

function noLogins(level: string): CliError {
  return new CliError(
    'NOT_AVAILABLE',
    `At level ${level} tenants do not log in: the application does, as DATABASE_URL says. Nothing was done.`,
  )
}

interface Place {
  readonly schema: string
  readonly role: string
  readonly database: string
}

const PLACE = `select pg_catalog.current_schema() as schema, current_user as role, pg_catalog.current_database() as database`

/** What it takes to work as the tenant, without secrets. */
async function settingsOf({ connect }: Invocation, key: string): Promise<Record<string, string>> {
  const { tenancy, settings, config } = await connect()
  await requireTenant(tenancy, key)
  const { row } = config
  const level = tenancy.isolation
  const { hostname, port, pathname } = new URL(settings.databaseUrl)
  const database = decodeURIComponent(pathname.slice(1))
  const own = level === 'login' || level === 'database'
  // Asked in a scope: where it was adopted its key does not say it. So one that is suspended is refused, not guessed.
  const { rows } = await tenancy.query<Place>(key, PLACE)
  const place = rows[0] as Place
  return {
    TENANT_KEY: key,
    TENANT_ISOLATION: level,
    ...(level !== 'database' && {
      TENANT_SCHEMA: level === 'row' ? (row?.schema ?? 'app') : place.schema,
    }),
    ...((level === 'role' || own) && { TENANT_ROLE: place.role }),
    PGHOST: decodeURIComponent(hostname) || 'localhost',
    PGPORT: port || '5432',
    PGDATABASE: level === 'database' ? place.database : database,
    ...(own && { PGUSER: place.role }),
  }
}
