import type { AuditLog, AuditPageOptions, MacKeys } from '@org/governance/audit'
import { CliError, usage } from '../cli-error.ts'
import { argument, type CommandModule, type Invocation } from '../command.ts'
import type { Environment, Settings } from '../config/settings.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { names, whole } from './values.ts'

interface Options {
  readonly reader?: string[]
  readonly application?: string
  readonly actor?: string
  readonly action?: string
  readonly limit?: number
  readonly cursor?: string
}

const ACTIONS = ['install', 'list', 'seal', 'verify'] as const
type Action = (typeof ACTIONS)[number]

export const audit: CommandModule<Options> = {
  arguments: [
    ['<action>', ACTIONS.join(', ')],
    ['[key]', 'the tenant, with list and verify'],
  ],
  words: ACTIONS,
  options: [
    { flags: '--reader <roles>', text: 'with install: who may read, separated by commas', parse: names },
    { flags: '--application <role>', text: 'with install: the application, at levels schema and row' },
    { flags: '--actor <id>', text: 'with list: only what this actor did' },
    { flags: '--action <action>', text: 'with list: only this action' },
    {
      flags: '--limit <number>',
      text: 'with list: at most so many (default 50)',
      parse: whole('--limit', 1, 200),
    },
    { flags: '--cursor <cursor>', text: 'with list: the next page' },
  ],
  examples: [
    ['pg-tenant audit install --reader hub', 'makes the tables, or brings them up to date'],
    ['pg-tenant audit list acme --actor u1', 'what somebody did, newest first'],
    ['pg-tenant audit seal', 'seals what is not sealed yet; every minute, say'],
    ['pg-tenant audit verify acme', 'whether it is as it was written'],
  ],
  exits:
    'verify: 1 when something was changed, removed or forged. Keys: AUDIT_KEYS, e.g. k2=<base64>,k1=<base64>.',
  async run(invocation, args, options) {
    const action = argument(args, 0) as Action
    if (!ACTIONS.includes(action)) throw usage(`audit takes ${ACTIONS.join(', ')}.`)
    const settings = await invocation.settings()
    const { default: pg } = await import('pg')
    const pool = new pg.Pool({ connectionString: settings.adminUrl, max: 1, connectionTimeoutMillis: 10_000 })
    // The statement that uses the connection reports its loss.
    pool.on('error', () => {})
    try {
      if (action === 'install') return await install(invocation, pool, settings, options)
      const { auditLog } = await import('@org/governance/audit')
      const log = auditLog({
        keys: keysOf(invocation.env),
        controlSchema: settings.config.worker?.controlSchema,
      })
      if (action === 'seal') return await seal(invocation, log, pool)
      const [, key] = args
      if (typeof key !== 'string') throw usage(`audit ${action} takes a tenant.`)
      if (action === 'verify') return await verify(invocation, log, pool, key)
      return await list(invocation, log, pool, key, options)
    } finally {
      await pool.end()
    }
  },
}

type Control = Parameters<AuditLog['seal']>[0]

/** @throws CliError CONFIGURATION */
function keysOf({ AUDIT_KEYS = '' }: Environment): MacKeys {
  const pairs = names(AUDIT_KEYS).map((pair) => [pair.split('=')[0] ?? '', pair.slice(pair.indexOf('=') + 1)])
  if (pairs.length > 0) return Object.fromEntries(pairs) as MacKeys
  throw new CliError(
    'CONFIGURATION',
    'Set AUDIT_KEYS to the keys of the audit log, the current one first: k2=<base64>,k1=<base64>.',
  )
}

async function install(
  { output }: Invocation,
  pool: Control,
  { config }: Settings,
  { reader: readers, application }: Options,
): Promise<ExitCode> {
  const { isolation = 'role', rolePrefix, schemaPrefix } = config
  const controlSchema = config.worker?.controlSchema
  if (isolation === 'database') {
    throw usage(
      'At level database the audit log is in each tenant’s database: call installAudit where you provision.',
    )
  }
  const { installAudit } = await import('@org/governance/audit')
  await installAudit(pool, { isolation, rolePrefix, schemaPrefix, application, readers, controlSchema })
  output.document({ installed: true, readers: readers ?? [] })
  output.say('The audit log is installed.')
  return EXIT.ok
}

async function seal({ output }: Invocation, log: AuditLog, pool: Control): Promise<ExitCode> {
  const done = await log.seal(pool)
  output.document({ ...done })
  output.say(`Entries sealed: ${done.entries}.`)
  return EXIT.ok
}

async function verify({ output }: Invocation, log: AuditLog, pool: Control, key: string): Promise<ExitCode> {
  const found = await log.verify(pool, key)
  output.document({ ...found })
  const { ok, entries, unsealed, removed, faults } = found
  if (ok)
    output.say(`As it was written: ${entries} sealed, ${unsealed} not yet, ${removed} removed by retention.`)
  else
    for (const { kind, seal: number, id } of faults)
      output.say(`${kind}: seal ${number}${id ? `, entry ${id}` : ''}`)
  return ok ? EXIT.ok : EXIT.failed
}

const COLUMNS = ['at', 'actor', 'action', 'entity', 'request'].map((title) => ({ title }))

async function list(
  { output }: Invocation,
  log: AuditLog,
  pool: Control,
  key: string,
  { actor, action, limit, cursor }: Options,
): Promise<ExitCode> {
  const { data, meta } = await log.list(pool, key, {
    actor,
    action,
    limit,
    cursor,
  } satisfies AuditPageOptions)
  output.document({ data, meta })
  output.table(
    COLUMNS,
    data.map((entry) => [
      entry.createdAt.slice(0, 19),
      `${entry.actor.type} ${entry.actor.id ?? ''}`.trim(),
      entry.action,
      entry.entity ? `${entry.entity.type} ${entry.entity.id}` : '',
      entry.requestId ?? '',
    ]),
  )
  if (meta.nextCursor !== null) output.note(`More: --cursor ${meta.nextCursor}`)
  return EXIT.ok
}
