import { resolve } from 'node:path'
import type { Removed, Retention, TenantsRemoved } from '@org/governance/retention'
import { usage } from '../cli-error.ts'
import { actionOf, type CommandModule, DRY_RUN, type Invocation, requireNoTenant } from '../command.ts'
import { auditKeysOf } from '../config/audit-keys.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import type { Output } from '../output/output.ts'
import { shown } from '../output/report-error.ts'
import { type Places, withPlaces } from './places.ts'
import { allTenants, requireTenant } from './require-tenant.ts'
import { names } from './values.ts'

interface Options {
  readonly reason?: string
  readonly manager?: string[]
  readonly dryRun?: boolean
}

const ACTIONS = ['install', 'run', 'check', 'enrol', 'holds', 'hold', 'release'] as const
type Action = (typeof ACTIONS)[number]
const OF_A_TENANT: readonly Action[] = ['hold', 'release']

export const retention: CommandModule<Options> = {
  arguments: [
    ['<action>', ACTIONS.join(', ')],
    ['[key]', 'the tenant, with hold and release; with enrol: only this one'],
  ],
  words: ACTIONS,
  options: [
    { flags: '--reason <text>', text: 'with hold: why nothing of it is removed' },
    {
      flags: '--manager <roles>',
      text: 'with install: who may place holds, separated by commas',
      parse: names,
    },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant retention run --dry-run', 'what is past keeping, and would go'],
    ['pg-tenant retention run', 'makes partitions ahead, archives, removes; once a day, say'],
    ['pg-tenant retention enrol', 'lets every tenant’s own tables take part'],
    ['pg-tenant retention hold acme --reason case-7', 'nothing of acme is removed until it is released'],
  ],
  exits:
    'run: 1 when something could not be done; its turn stays. check: 1 when there is a finding. How long what is kept:\n' +
    'governance.retention in the configuration. With AUDIT_KEYS what leaves the audit log is signed for.',
  afterStop: 'Run it again: it goes on where it was.',
  async run(invocation, args, options) {
    const action = actionOf('retention', args, ACTIONS)
    const [, given] = args
    const key = typeof given === 'string' ? given : undefined
    if (!OF_A_TENANT.includes(action) && action !== 'enrol') requireNoTenant('retention', action, args)
    if (OF_A_TENANT.includes(action) && key === undefined) throw usage(`retention ${action} takes a tenant.`)
    if (action === 'hold' && options.reason === undefined) throw usage('hold why? Say --reason <text>.')
    return await withPlaces(invocation, async (places) => {
      if (action === 'install') return await install(invocation, places, options)
      const keeping = await keepingOf(invocation, places)
      return await RUN[action](invocation, places, keeping, { ...options, key })
    })
  },
}

type Run = (
  invocation: Invocation,
  places: Places,
  keeping: Retention,
  options: Options & { readonly key: string | undefined },
) => Promise<ExitCode>

async function keepingOf(invocation: Invocation, { config, controlSchema }: Places): Promise<Retention> {
  const [{ auditLog }, { archiveTo, retention: make }] = await Promise.all([
    import('@org/governance/audit'),
    import('@org/governance/retention'),
  ])
  const { archive, ...kept } = config.governance?.retention ?? {}
  const keys = auditKeysOf(invocation.env)
  const { folder } = await invocation.settings()
  return make({
    ...kept,
    controlSchema,
    audit: keys && auditLog({ keys, controlSchema }),
    archive: typeof archive === 'string' ? archiveTo(resolve(folder, archive)) : archive,
  })
}

async function install(
  { output }: Invocation,
  { adminPool, controlSchema }: Places,
  { manager, dryRun = false }: Options,
): Promise<ExitCode> {
  const { installRetention } = await import('@org/governance/retention')
  if (!dryRun) await installRetention(adminPool, { managers: manager, controlSchema })
  output.document({ installed: !dryRun, managers: manager ?? [], dryRun })
  output.say(
    dryRun ? 'The tables of retention would be installed.' : 'The tables of retention are installed.',
  )
  return EXIT.ok
}

/** Where something failed, the rest is done all the same. */
interface Failure {
  /** `null`: the tables that tenants share. */
  readonly tenant: string | null
  readonly code: string
  readonly message?: string
}

const run: Run = async (invocation, places, keeping, { dryRun = false }) => {
  const { output, signal } = invocation
  const shared: (Removed & { readonly tenant?: string })[] = []
  const failed: Failure[] = []
  const { adminPool, tenancy } = places
  const keepShared = async (tenant: string | null, removed: () => Promise<readonly Removed[]>) => {
    try {
      shared.push(...(await removed()).map((one) => ({ ...(tenant !== null && { tenant }), ...one })))
    } catch (error) {
      const { code, message } = shown(error, output)
      failed.push({ tenant, code, message })
    }
  }
  if (!places.ownDatabase) await keepShared(null, () => keeping.runShared(adminPool, { dryRun }))
  else {
    for await (const { key } of allTenants(tenancy)) {
      if (signal.aborted) break
      await keepShared(key, async () =>
        keeping.runShared(await places.of(key), { control: adminPool, dryRun }),
      )
    }
  }
  const tenants: TenantsRemoved = signal.aborted
    ? { tenants: 0, rows: 0, failed: [] }
    : await keeping.runTenants(adminPool, tenancy, { dryRun })
  failed.push(...tenants.failed)
  output.document({ shared, tenants, failed, dryRun, stopped: signal.aborted })
  tell(output, shared, tenants, dryRun)
  for (const { tenant, code, message } of failed)
    output.complain(`${tenant ?? 'shared tables'}: ${code}${message === undefined ? '' : `: ${message}`}`)
  if (signal.aborted) return EXIT.interrupted
  return failed.length > 0 ? EXIT.failed : EXIT.ok
}

function tell(
  output: Output,
  shared: readonly (Removed & { readonly tenant?: string })[],
  { tenants, rows }: TenantsRemoved,
  dryRun: boolean,
): void {
  const goes = dryRun ? 'would go' : 'gone'
  for (const { tenant, table, partitions, rows: single, kept } of shared) {
    const whose = tenant === undefined ? table : `${tenant}: ${table}`
    const named = partitions.length > 0 ? ` (${partitions.join(', ')})` : ''
    output.say(
      `${whose}: ${plural(partitions.length, 'partition')}${named} and ${plural(single, 'row')} ${goes}`,
    )
    for (const { partition, reason } of kept) output.say(`  ${partition} stays: ${reason}`)
  }
  output.say(`tenants’ own tables: ${plural(rows, 'row')} ${goes}, of ${plural(tenants, 'tenant')}`)
}

const check: Run = async ({ output }, places, keeping) => {
  const findings = [...(await keeping.check(places.adminPool))].map((one) => ({
    tenant: null as string | null,
    ...one,
  }))
  if (places.ownDatabase) {
    for await (const { key } of allTenants(places.tenancy)) {
      const own = await keeping.check(await places.of(key))
      findings.push(...own.map((one) => ({ tenant: key, ...one })))
    }
  }
  output.document({ findings })
  for (const { tenant, severity, code, object } of findings)
    output.data(`${severity.padEnd(7)} ${code}  ${tenant === null ? '' : `${tenant}: `}${object}`)
  if (findings.length === 0) output.note('Nothing is wrong.')
  return findings.length > 0 ? EXIT.failed : EXIT.ok
}

const enrol: Run = async ({ output }, { tenancy, adminPool }, keeping, { key, dryRun = false }) => {
  const tenants: string[] = []
  if (key !== undefined) tenants.push((await requireTenant(tenancy, key)).key)
  else for await (const one of allTenants(tenancy, ['active', 'suspended'])) tenants.push(one.key)
  for (let from = 0; !dryRun && from < tenants.length; from += AT_ONCE)
    await keeping.enrol(adminPool, tenants.slice(from, from + AT_ONCE))
  output.document({ enrolled: tenants.length, dryRun })
  const take = dryRun ? 'would take' : tenants.length === 1 ? 'takes' : 'take'
  output.say(`${plural(tenants.length, 'tenant')} ${take} part.`)
  return EXIT.ok
}

const AT_ONCE = 1_000

const holds: Run = async ({ output }, { adminPool }, keeping) => {
  const all = await keeping.holds(adminPool)
  output.document({ holds: all })
  if (all.length === 0) output.note('Nobody is under a hold.')
  else {
    output.table(
      ['tenant', 'since', 'reason'].map((title) => ({ title })),
      all.map(({ tenant, since, reason }) => [tenant, since, reason]),
    )
  }
  return EXIT.ok
}

const hold: Run = async (
  { output },
  { tenancy, adminPool },
  keeping,
  { key = '', reason = '', dryRun = false },
) => {
  await requireTenant(tenancy, key)
  const placed = dryRun ? true : await keeping.hold(adminPool, key, reason)
  output.document({ tenant: key, held: true, changed: placed, dryRun })
  output.say(
    dryRun
      ? `${key} would be under a hold.`
      : placed
        ? `Nothing of ${key} is removed until it is released.`
        : `${key} was under a hold already.`,
  )
  return EXIT.ok
}

const release: Run = async ({ output }, { adminPool }, keeping, { key = '', dryRun = false }) => {
  const held = (await keeping.holds(adminPool)).some(({ tenant }) => tenant === key)
  if (held && !dryRun) await keeping.release(adminPool, key)
  output.document({ tenant: key, held: false, changed: held, dryRun })
  output.say(held ? `${key} ${dryRun ? 'would be' : 'is'} released.` : `${key} was under no hold.`)
  return EXIT.ok
}

const RUN: Readonly<Record<Exclude<Action, 'install'>, Run>> = { run, check, enrol, holds, hold, release }
