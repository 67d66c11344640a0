import { TenancyError } from '@org/core'
import type { ProvisionOptions, ProvisionResult } from '@org/pg-tenant'
import { argument, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type EnvFile, reserveEnvFile } from '../output/env-file.ts'
import { plural } from '../output/format.ts'
import { showConnection } from '../output/show-connection.ts'
import { seedOf } from './seed-of.ts'

interface Options {
  readonly plan?: string
  readonly writeEnv?: string
  readonly reuseDeletedKey?: boolean
  readonly seed?: boolean
  readonly fromReady?: boolean
  readonly dryRun?: boolean
}

export const create: CommandModule<Options> = {
  arguments: [['<key>', 'the new tenant: 1 to 63 of a-z, 0-9, "-" and "_"']],
  options: [
    { flags: '--plan <name>', text: 'kept in the registry' },
    {
      flags: '--write-env <file>',
      text: 'write its own connection there, readable by you only (levels login and database)',
    },
    { flags: '--seed', text: 'run the seed of the configuration afterwards' },
    { flags: '--from-ready', text: 'give it one that was made ahead, if there is one (pg-tenant ready)' },
    { flags: '--reuse-deleted-key', text: 'the key may be that of a tenant that was dropped' },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant create acme', 'role, schema, privileges, migrations'],
    ['pg-tenant create acme --write-env acme.env', 'with a login of its own'],
    ['pg-tenant create acme --plan pro --seed', 'and its first rows'],
    ['pg-tenant create acme --from-ready', 'in milliseconds'],
  ],
  afterStop: 'Run it again: it completes what is missing.',
  async run(invocation, args, options) {
    const key = argument(args, 0)
    const { config } = await invocation.settings()
    // Before anything is made, not after.
    if (options.seed) seedOf(config)
    if (options.dryRun) return await plan(invocation, key)
    const { io, connect, output } = invocation
    const { tenancy, pool, settings } = await connect()
    const file = options.writeEnv === undefined ? undefined : await reserveEnvFile(io.cwd, options.writeEnv)
    try {
      const provisioned = await tenancy.provision(key, optionsOf(options, settings.placement))
      const shown = await report(invocation, key, provisioned, file)
      if (options.fromReady && provisioned.created && !provisioned.claimed)
        output.note(
          'There was none made ahead to give out, so it was made now. pg-tenant ready fill <number>',
        )
      const seeded = options.seed
        ? await attempt(() => tenancy.withTenant(key, (db) => seedOf(config)(db, key, { tenancy, pool })))
        : undefined
      const { created, migrations } = provisioned
      // Also when the seed failed: the document may hold the password, which nobody is shown again.
      const claimed = options.fromReady ? { claimed: provisioned.claimed === true } : {}
      output.document({ tenant: key, created, migrations, seeded: seeded?.ok === true, ...claimed, ...shown })
      if (seeded?.ok === false) throw seeded.error
      return EXIT.ok
    } finally {
      await file?.close()
    }
  },
}

async function attempt(
  work: () => Promise<unknown>,
): Promise<{ readonly ok: true } | { readonly ok: false; readonly error: unknown }> {
  try {
    await work()
    return { ok: true }
  } catch (error) {
    return { ok: false, error }
  }
}

function optionsOf(
  { plan, reuseDeletedKey, fromReady }: Options,
  placement: string | undefined,
): ProvisionOptions {
  return { plan, placement, reuseDeletedKey, fromReady }
}

async function report(
  { output }: Invocation,
  key: string,
  { created, migrations, connection, claimed }: ProvisionResult,
  file: EnvFile | undefined,
): Promise<object> {
  const all = migrations.length > 0 ? `, ${plural(migrations.length, 'migration')} applied` : ''
  const applied = claimed ? ', one that was made ahead' : all
  output.say(
    created ? `${key} is there${applied}.` : `${key} was there already${applied || ', nothing to do'}.`,
  )
  if (connection) return await showConnection(connection, file, output)
  if (file) {
    output.note(
      `No password was set now, so ${file.path} is not made. A new one: pg-tenant env ${key} --rotate --write-env <file>`,
    )
  }
  return {}
}

/** What would be made; checks the key and asks the registry. */
async function plan({ connect, output, global }: Invocation, key: string): Promise<ExitCode> {
  const { tenancy, migrations, config } = await connect()
  const found = await tenancy.find(key)
  if (found?.status === 'deleted') {
    throw new TenancyError('CONFLICT', 'A tenant of that key was dropped: see --reuse-deleted-key.', {
      details: { tenant: key },
    })
  }
  const { schemaPrefix = 'c_', rolePrefix = 'c_' } = config
  const created = found === undefined
  const level = tenancy.isolation
  const makes = {
    ...(level !== 'row' && level !== 'database' && { schema: schemaPrefix + key }),
    ...(level !== 'schema' && level !== 'row' && { role: rolePrefix + key }),
    ...(level === 'database' && { database: rolePrefix + key }),
  }
  const ids = migrations.map(({ id }) => id)
  output.document({
    tenant: key,
    created,
    dryRun: true,
    isolation: level,
    placement: global.placement ?? 'default',
    ...makes,
    migrations: ids,
  })
  output.say(
    created ? `${key} would be made at level ${level}:` : `${key} is there already and would be completed:`,
  )
  for (const [kind, name] of Object.entries(makes)) output.say(`  ${kind} ${name}`)
  output.say(ids.length > 0 ? `  migrations ${ids.join(', ')}` : '  no migrations')
  return EXIT.ok
}
