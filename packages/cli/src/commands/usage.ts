import { randomBytes } from 'node:crypto'
import type { UsageLog } from '@org/governance/usage'
import { usage as wrong } from '../cli-error.ts'
import { actionOf, type CommandModule, DRY_RUN, type Invocation, requireNoTenant } from '../command.ts'
import { levelOptions } from '../config/governance.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { type Places, wherever, withPlaces } from './places.ts'
import { requireKnown, requireTenant } from './require-tenant.ts'
import { names, whole } from './values.ts'

interface Options {
  readonly period?: 'day' | 'month'
  readonly action?: string
  readonly from?: string
  readonly to?: string
  readonly limit?: number
  readonly cursor?: string
  readonly set?: Readonly<Record<string, number | null>>
  readonly reader?: string[]
  readonly manager?: string[]
  readonly application?: string
  readonly dryRun?: boolean
}

const ACTIONS = ['install', 'list', 'limits', 'roll-up'] as const

export const usage: CommandModule<Options> = {
  arguments: [
    ['<action>', ACTIONS.join(', ')],
    ['[key]', 'the tenant, with list and limits'],
  ],
  words: ACTIONS,
  options: [
    { flags: '--period <period>', text: 'with list: day or month (default)', choices: ['day', 'month'] },
    { flags: '--action <action>', text: 'with list: only this action' },
    { flags: '--from <date>', text: 'with list: periods from there on, ISO 8601 (default: a year ago)' },
    { flags: '--to <date>', text: 'with list: periods before it' },
    {
      flags: '--limit <number>',
      text: 'with list: at most so many (default 100)',
      parse: whole('--limit', 1, 1_000),
    },
    { flags: '--cursor <cursor>', text: 'with list: the next page' },
    { flags: '--set <limits>', text: 'with limits: users=10,storage_gb=none', parse: limitsOf },
    { flags: '--reader <roles>', text: 'with install: who may read, separated by commas', parse: names },
    {
      flags: '--manager <roles>',
      text: 'with install: who may set limits, separated by commas',
      parse: names,
    },
    { flags: '--application <role>', text: 'with install: the application, at levels schema and row' },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant usage install --manager hub', 'makes the tables, or brings them up to date'],
    ['pg-tenant usage list acme --period day', 'what it used, by action and day'],
    ['pg-tenant usage limits acme --set users=10', 'a plan’s limits; none: no limit'],
    ['pg-tenant usage roll-up', 'adds up what was counted since; every minute, say'],
  ],
  exits: 'install and roll-up at level database: in each tenant’s; 1 when one could not be reached.',
  afterStop: 'Run it again: it goes on where it was.',
  async run(invocation, args, options) {
    const action = actionOf('usage', args, ACTIONS)
    const [, key] = args
    const whose = action === 'list' || action === 'limits'
    if (!whose) requireNoTenant('usage', action, args)
    else if (typeof key !== 'string') throw wrong(`usage ${action} takes a tenant.`)
    return await withPlaces(invocation, async (places) => {
      if (action === 'install') return await install(invocation, places, options)
      const { usage: make } = await import('@org/governance/usage')
      // Places are taken and given back by the application, which has the key to their names.
      const log = make({ key: randomBytes(32), controlSchema: places.controlSchema })
      if (action === 'roll-up') return await rollUp(invocation, places, log, options)
      await (action === 'list' ? requireKnown : requireTenant)(places.tenancy, String(key))
      const run = action === 'list' ? list : limits
      return await run(invocation, places, log, String(key), options)
    })
  },
}

/** @throws CliError USAGE */
function limitsOf(text: string): Record<string, number | null> {
  const limits = names(text).map((pair) => {
    const [, name = '', value = ''] = /^([^=]+)=(none|\d+(?:\.\d+)?)$/.exec(pair) ?? []
    if (name === '') throw wrong('--set takes limits such as users=10,storage_gb=none.')
    return [name, value === 'none' ? null : Number(value)] as const
  })
  if (limits.length === 0) throw wrong('--set takes limits such as users=10,storage_gb=none.')
  return Object.fromEntries(limits)
}

async function install(
  invocation: Invocation,
  places: Places,
  { reader: readers, manager: managers, application, dryRun = false }: Options,
): Promise<ExitCode> {
  const { installUsage } = await import('@org/governance/usage')
  const { settings, controlSchema } = places
  const options = { ...levelOptions(settings, application), readers, managers, controlSchema }
  return await wherever(invocation, places, {
    dryRun,
    work: async (admin) => {
      await installUsage(admin, options)
      return { installed: true }
    },
    done: 'The tables of usage are installed.',
    would: 'The tables of usage would be installed.',
  })
}

async function list(
  { output }: Invocation,
  places: Places,
  log: UsageLog,
  key: string,
  { period, action, from, to, limit, cursor }: Options,
): Promise<ExitCode> {
  const page = await log.list(await places.of(key), key, { period, action, from, to, limit, cursor })
  output.document(page)
  if (page.data.length === 0) output.note('Nothing was counted; roll-up adds up what is new.')
  else {
    output.table(
      [{ title: 'from' }, { title: 'action' }, { title: 'count', right: true }],
      page.data.map((one) => [one.periodStart.slice(0, 10), one.action, String(one.count)]),
    )
  }
  if (page.meta.nextCursor !== null) output.note(`More: --cursor ${page.meta.nextCursor}`)
  return EXIT.ok
}

async function limits(
  { output }: Invocation,
  places: Places,
  log: UsageLog,
  key: string,
  { set, dryRun = false }: Options,
): Promise<ExitCode> {
  const control = await places.of(key)
  if (set !== undefined && !dryRun) await log.setLimits(control, key, set)
  const resources = await log.resources(control, key)
  output.document({ tenant: key, resources, ...(set && { set, dryRun }) })
  if (set && dryRun) output.say(`Limits of ${Object.keys(set).join(', ')} would be set.`)
  if (resources.length === 0) output.note('It has no limits, and uses nothing that could have some.')
  else {
    output.table(
      [{ title: 'resource' }, { title: 'used', right: true }, { title: 'limit', right: true }],
      resources.map(({ resource, used, limit }) => [
        resource,
        String(used),
        limit === null ? 'none' : String(limit),
      ]),
    )
  }
  return EXIT.ok
}

async function rollUp(
  invocation: Invocation,
  places: Places,
  log: UsageLog,
  { dryRun = false }: Options,
): Promise<ExitCode> {
  if (dryRun) throw wrong('roll-up only adds up what was counted: it has no dry run.')
  let counts = 0
  return await wherever(invocation, places, {
    dryRun,
    work: async (admin) => {
      const report = await log.rollUp(admin)
      counts += report.counts
      return { ...report }
    },
    done: () => `${plural(counts, 'count')} added to.`,
  })
}
