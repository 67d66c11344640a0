import type { AuditLog, AuditPageOptions, AuditRecord } from '@org/governance/audit'
import { usage } from '../cli-error.ts'
import { actionOf, type CommandModule, DRY_RUN, type Invocation, requireNoTenant } from '../command.ts'
import { requireAuditKeys } from '../config/audit-keys.ts'
import { levelOptions } from '../config/governance.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { writeWhole } from '../output/whole-file.ts'
import { type Places, wherever, withPlaces } from './places.ts'
import { requireKnown } from './require-tenant.ts'
import { names, whole } from './values.ts'

interface Options {
  readonly reader?: string[]
  readonly application?: string
  readonly actor?: string
  readonly action?: string
  readonly from?: string
  readonly before?: string
  readonly limit?: number
  readonly cursor?: string
  readonly to?: string
  readonly format?: 'jsonl' | 'csv'
  readonly dryRun?: boolean
}

const ACTIONS = ['install', 'list', 'seal', 'verify', 'export'] as const
type Action = (typeof ACTIONS)[number]
/** Entries of a page, at most. */
const PAGE = 200
const OF_ALL: readonly Action[] = ['install', 'seal']

export const audit: CommandModule<Options> = {
  arguments: [
    ['<action>', ACTIONS.join(', ')],
    ['[key]', 'the tenant, with list, verify and export'],
  ],
  words: ACTIONS,
  options: [
    { flags: '--reader <roles>', text: 'with install: who may read, separated by commas', parse: names },
    { flags: '--application <role>', text: 'with install: the application, at levels schema and row' },
    { flags: '--actor <id>', text: 'only what this actor did' },
    { flags: '--action <action>', text: 'only this action' },
    { flags: '--from <moment>', text: 'only from then on, ISO 8601' },
    { flags: '--before <moment>', text: 'only before it' },
    {
      flags: '--limit <number>',
      text: 'with list: at most so many (default 50)',
      parse: whole('--limit', 1, PAGE),
    },
    { flags: '--cursor <cursor>', text: 'with list: the next page' },
    { flags: '--to <file>', text: 'with export: the file to be made, or - for stdout' },
    { flags: '--format <format>', text: 'with export: jsonl (default) or csv', choices: ['jsonl', 'csv'] },
    { ...DRY_RUN, text: 'with install: only say what would be done' },
  ],
  examples: [
    ['pg-tenant audit install --reader hub', 'makes the tables, or brings them up to date'],
    ['pg-tenant audit list acme --actor u1', 'what somebody did, newest first'],
    ['pg-tenant audit seal', 'seals what is not sealed yet; every minute, say'],
    ['pg-tenant audit verify acme', 'whether it is as it was written'],
    ['pg-tenant audit export acme --from 2026-01-01 --to acme.jsonl', 'all of it, newest first'],
  ],
  exits:
    'verify: 1 when something was changed, removed or forged. Keys: AUDIT_KEYS, e.g. k2=<base64>,k1=<base64>.',
  afterStop: 'Run it again: a file is there whole or not at all.',
  async run(invocation, args, options) {
    const action = actionOf('audit', args, ACTIONS)
    if (options.dryRun && action !== 'install') throw usage(`audit ${action} has no dry run.`)
    const [, key] = args
    if (OF_ALL.includes(action)) requireNoTenant('audit', action, args)
    else if (typeof key !== 'string') throw usage(`audit ${action} takes a tenant.`)
    if (action === 'export') requireTarget(invocation, options)
    return await withPlaces(invocation, async (places) => {
      if (action === 'install') return await install(invocation, places, options)
      const { auditLog } = await import('@org/governance/audit')
      const { controlSchema } = places
      const log = auditLog({ keys: requireAuditKeys(invocation.env), controlSchema })
      if (action === 'seal') return await seal(invocation, places, log)
      const tenant = String(key)
      await requireKnown(places.tenancy, tenant)
      return await RUN[action](invocation, { log, tenant, control: await places.of(tenant) }, options)
    })
  },
}

type Control = Parameters<AuditLog['list']>[0]

/** The log of one tenant. */
interface Of {
  readonly log: AuditLog
  readonly control: Control
  readonly tenant: string
}

function requireTarget({ output }: Invocation, { to }: Options): void {
  if (to === undefined) throw usage('export where? Say --to <file>, or --to - for stdout.')
  if (to === '-' && output.json) throw usage('--to - writes the log: leave out --json.')
}

async function install(
  invocation: Invocation,
  places: Places,
  { reader: readers, application, dryRun = false }: Options,
): Promise<ExitCode> {
  const { installAudit } = await import('@org/governance/audit')
  const { settings, controlSchema } = places
  const options = { ...levelOptions(settings, application), readers, controlSchema }
  return await wherever(invocation, places, {
    dryRun,
    work: async (admin) => {
      await installAudit(admin, options)
      return { installed: true, readers: readers ?? [] }
    },
    done: 'The audit log is installed.',
    would: 'The audit log would be installed.',
  })
}

async function seal(invocation: Invocation, places: Places, log: AuditLog): Promise<ExitCode> {
  let entries = 0
  return await wherever(invocation, places, {
    work: async (admin) => {
      const report = await log.seal(admin)
      entries += report.entries
      return { ...report }
    },
    done: () => `Entries sealed: ${entries}.`,
  })
}

async function verify({ output }: Invocation, { log, control, tenant }: Of): Promise<ExitCode> {
  const found = await log.verify(control, tenant)
  output.document({ ...found })
  const { ok, entries, unsealed, removed, faults } = found
  if (ok)
    output.say(`As it was written: ${entries} sealed, ${unsealed} not yet, ${removed} removed by retention.`)
  else
    for (const { kind, seal: number, id } of faults)
      output.say(`${kind}: seal ${number}${id ? `, entry ${id}` : ''}`)
  return ok ? EXIT.ok : EXIT.failed
}

const filterOf = ({ actor, action, from, before }: Options): AuditPageOptions => ({
  actor,
  action,
  createdAtFrom: from,
  createdAtTo: before,
})

const COLUMNS = ['at', 'actor', 'action', 'entity', 'request'].map((title) => ({ title }))

async function list(
  { output }: Invocation,
  { log, control, tenant }: Of,
  options: Options,
): Promise<ExitCode> {
  const { limit, cursor } = options
  const { data, meta } = await log.list(control, tenant, { ...filterOf(options), limit, cursor })
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

async function exportLog(invocation: Invocation, of: Of, options: Options): Promise<ExitCode> {
  const { io, output, signal } = invocation
  const { to = '', format = 'jsonl' } = options
  const written = { entries: 0 }
  const { toCsv } = await import('@org/governance/privacy')
  const textOf = (page: readonly AuditRecord[], first: boolean) =>
    format === 'csv'
      ? withoutTitles(toCsv(page.map(flat)), first)
      : page.map((one) => `${JSON.stringify(one)}\n`).join('')
  const pages = async function* () {
    let cursor: string | undefined
    do {
      signal.throwIfAborted()
      const { data, meta } = await of.log.list(of.control, of.tenant, {
        ...filterOf(options),
        limit: PAGE,
        cursor,
      })
      if (data.length > 0) yield textOf(data, written.entries === 0)
      written.entries += data.length
      cursor = meta.nextCursor ?? undefined
    } while (cursor !== undefined)
  }
  const path = await writeWhole(io, to, pages()).catch((error: unknown) => {
    if (signal.aborted) return undefined
    throw error
  })
  if (path === undefined) return EXIT.interrupted
  if (path === '-') output.note(plural(written.entries, 'entry'))
  else {
    output.document({ tenant: of.tenant, path, ...written })
    output.say(`${path}: ${plural(written.entries, 'entry')}.`)
  }
  return EXIT.ok
}

/** Every entry with the same columns, so that pages fit behind each other. */
const flat = ({ id, createdAt, actor, action, entity, requestId, changes, metadata }: AuditRecord) => ({
  id,
  created_at: createdAt,
  actor_type: actor.type,
  actor_id: actor.id,
  action,
  entity_type: entity?.type,
  entity_id: entity?.id,
  request_id: requestId,
  changes,
  metadata,
})

const withoutTitles = (csv: string, first: boolean): string =>
  first ? csv : csv.slice(csv.indexOf('\r\n') + 2)

const RUN = { list, verify, export: exportLog } as const
