import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Privacy, SubjectData } from '@org/governance/privacy'
import { CliError, usage } from '../cli-error.ts'
import { actionOf, type CommandModule, DRY_RUN, type Invocation, requireNoTenant } from '../command.ts'
import { confirmKey } from '../confirm.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { writeWhole } from '../output/whole-file.ts'
import { eachTenant } from './each-tenant.ts'
import { type Places, withPlaces } from './places.ts'
import { allTenants, requireKnown, requireTenant } from './require-tenant.ts'
import { names } from './values.ts'

interface Options {
  readonly to?: string
  readonly format?: 'json' | 'csv'
  readonly confirm?: string
  readonly manager?: string[]
  readonly dryRun?: boolean
}

const ACTIONS = ['install', 'check', 'export', 'erase', 'replay', 'ledger'] as const
type Action = (typeof ACTIONS)[number]
const OF_A_PERSON: readonly Action[] = ['export', 'erase']

export const privacy: CommandModule<Options> = {
  arguments: [
    ['<action>', ACTIONS.join(', ')],
    ['[key]', 'the tenant; with check: only this one'],
    ['[id]', 'the person, with export and erase, as the subject columns have it'],
  ],
  words: ACTIONS,
  options: [
    { flags: '--to <path>', text: 'with export: a file (csv: a folder), or - for JSON on stdout' },
    { flags: '--format <format>', text: 'with export: json (default) or csv', choices: ['json', 'csv'] },
    { flags: '--confirm <id>', text: 'with erase: the id once more' },
    { flags: '--manager <roles>', text: 'with install: who erases, separated by commas', parse: names },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant privacy check', 'columns that nobody has said anything about'],
    ['pg-tenant privacy export acme 7f3c… --to 7f3c.json', 'all there is of one person'],
    ['pg-tenant privacy erase acme 7f3c… --dry-run', 'how many rows, by table'],
    ['pg-tenant privacy replay acme', 'after a restore: erases again whoever was erased'],
  ],
  exits:
    'check: 1 when a column is unclassified, or declared and not there. erase: 2 unless the id is repeated, 1 while a worker has\n' +
    'events of the person in hand. What is personal:\n' +
    'governance.privacy in the configuration.',
  afterStop: 'Run it again: an erasure that was cut off is finished.',
  async run(invocation, args, options) {
    const action = actionOf('privacy', args, ACTIONS)
    if (options.dryRun && action === 'export') throw usage('privacy export has no dry run.')
    const [, key, id] = args.map((one) => (typeof one === 'string' ? one : undefined))
    if (action === 'install') requireNoTenant('privacy', action, args)
    if (key === undefined && action !== 'install' && action !== 'check')
      throw usage(`privacy ${action} takes a tenant.`)
    if (OF_A_PERSON.includes(action) && id === undefined)
      throw usage(`privacy ${action} takes a tenant and an id.`)
    if (action === 'export') requireTarget(invocation, options)
    if (action === 'erase' && !options.dryRun) {
      const what = 'What is personal of this person is erased, irreversibly; the id stays.'
      await confirmKey(invocation, String(id), options.confirm, what, 'id')
    }
    return await withPlaces(invocation, async (places) => {
      if (action === 'install') return await install(invocation, places, options)
      const people = await peopleOf(places)
      if (action === 'ledger') await requireKnown(places.tenancy, String(key))
      else if (action !== 'check') await requireTenant(places.tenancy, String(key))
      return await RUN[action]({ ...options, invocation, places, people, key: key ?? '', id: id ?? '' })
    })
  },
}

function requireTarget({ output }: Invocation, { to, format = 'json' }: Options): void {
  if (to === undefined) throw usage('export where? Say --to <path>, or --to - for stdout.')
  if (to === '-' && (output.json || format === 'csv'))
    throw usage('--to - writes one JSON document: leave out --json and csv.')
}

/** @throws CliError CONFIGURATION */
async function peopleOf({ config, tenancy, adminPool, controlSchema }: Places): Promise<Privacy> {
  const declared = config.governance?.privacy
  if (declared === undefined) {
    throw new CliError(
      'CONFIGURATION',
      'What is personal? Put governance: { privacy: { data: personalData({ … }) } } into the configuration.',
    )
  }
  const { privacy: make, subjectKeys } = await import('@org/governance/privacy')
  const nothing = () => ''
  // Keys are destroyed here, and neither made nor opened.
  const keys = subjectKeys({ control: adminPool, sealing: { seal: nothing, open: nothing }, controlSchema })
  const outbox = { isolation: config.isolation ?? 'role', controlSchema: controlSchema ?? 'governance' }
  return make({ ...declared, scopes: tenancy, control: adminPool, keys, controlSchema, outbox })
}

async function install(
  { output }: Invocation,
  { adminPool, controlSchema }: Places,
  { manager, dryRun = false }: Options,
): Promise<ExitCode> {
  const { installPrivacy } = await import('@org/governance/privacy')
  if (!dryRun) await installPrivacy(adminPool, { managers: manager, controlSchema })
  output.document({ installed: !dryRun, managers: manager ?? [], dryRun })
  output.say(`The tables of data protection ${dryRun ? 'would be' : 'are'} installed.`)
  return EXIT.ok
}

interface Given extends Options {
  readonly invocation: Invocation
  readonly places: Places
  readonly people: Privacy
  readonly key: string
  readonly id: string
}
type Run = (given: Given) => Promise<ExitCode>

const check: Run = async ({ invocation, places: { tenancy }, people, key }) => {
  const { output } = invocation
  const tenants: string[] = []
  if (key !== '') tenants.push((await requireTenant(tenancy, key)).key)
  else for await (const one of allTenants(tenancy)) tenants.push(one.key)
  let found = 0
  const { failed, stopped } = await eachTenant(invocation, tenants, async (tenant) => {
    const findings = await tenancy.withTenant(tenant, (db) => people.check(db))
    found += findings.length
    for (const { code, table, column } of findings) output.data(`${tenant}: ${code}  ${table}.${column}`)
    return { findings }
  })
  output.note(`${plural(tenants.length, 'tenant')}, ${plural(found, 'finding')}`)
  if (stopped) return EXIT.interrupted
  return found + failed > 0 ? EXIT.failed : EXIT.ok
}

const exportPerson: Run = async ({ invocation, people, key, id, to = '', format = 'json' }) => {
  const { io, output } = invocation
  const data = await people.export(key, id)
  const path =
    format === 'csv'
      ? await writeFolder(io, to, data)
      : await writeWhole(io, to, pieces(`${JSON.stringify(data, undefined, 2)}\n`))
  const rows = Object.values(data).reduce((sum, one) => sum + one.length, 0)
  const tables = Object.keys(data).length
  if (path === '-') output.note(`${plural(rows, 'row')} of ${plural(tables, 'table')}`)
  else {
    output.document({ tenant: key, path, rows, tables: Object.keys(data) })
    output.say(`${path}: ${plural(rows, 'row')} of ${plural(tables, 'table')}.`)
  }
  return EXIT.ok
}

async function* pieces(text: string): AsyncGenerator<string> {
  yield text
}

/** A file for each table, for people: formulas are neutralised. */
async function writeFolder(io: Invocation['io'], to: string, data: SubjectData): Promise<string> {
  const { toCsv } = await import('@org/governance/privacy')
  const folder = resolve(io.cwd, to)
  await mkdir(folder, { mode: 0o700 }).catch(({ code }: NodeJS.ErrnoException) => {
    throw new CliError(
      'REFUSED',
      `The folder cannot be made: ${code === 'EEXIST' ? 'it is there already' : code}.`,
    )
  })
  try {
    for (const [table, rows] of Object.entries(data))
      await writeWhole(io, join(folder, `${encodeURIComponent(table)}.csv`), pieces(toCsv(rows)))
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
  return folder
}

const erase: Run = async ({ invocation: { output }, people, key, id, dryRun = false }) => {
  const { rows, inHand } = await people.erase(key, id, { dryRun })
  output.document({ tenant: key, rows, inHand, dryRun })
  const total = Object.values(rows).reduce((sum, one) => sum + one, 0)
  output.say(`${plural(total, 'row')} ${dryRun ? 'would be ' : ''}erased in ${key}.`)
  for (const [table, n] of Object.entries(rows)) output.say(`  ${table}: ${n}`)
  if (inHand === 0) return EXIT.ok
  output.complain(
    'It is not done: workers still had events of this person in hand, and may write what they say. Run it again.',
  )
  return EXIT.failed
}

const replay: Run = async ({ invocation: { output }, people, key, dryRun = false }) => {
  const done = dryRun ? (await people.ledger(key)).length : await people.replay(key)
  output.document({ tenant: key, people: done, dryRun })
  output.say(
    `${done} ${done === 1 ? 'person' : 'people'} ${dryRun ? 'would be ' : ''}erased again in ${key}.`,
  )
  return EXIT.ok
}

const ledger: Run = async ({ invocation: { output }, people, key }) => {
  const erasures = await people.ledger(key)
  output.document({ tenant: key, erasures })
  if (erasures.length === 0) output.note('Nobody was erased.')
  else {
    output.table(
      ['requested', 'done', 'person'].map((title) => ({ title })),
      erasures.map(({ requestedAt, done, subject }) => [
        requestedAt,
        done ? 'yes' : 'no: erase again',
        subject,
      ]),
    )
  }
  return EXIT.ok
}

const RUN: Readonly<Record<Exclude<Action, 'install'>, Run>> = {
  check,
  export: exportPerson,
  erase,
  replay,
  ledger,
}
