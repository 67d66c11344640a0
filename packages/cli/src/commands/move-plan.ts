import { isTenancyError, TenancyError } from '@org/core'
import type { FleetStats, MoveOptions, Tenancy } from '@org/pg-tenant'
import type { MovePlan, MoveProposal } from '@org/pg-tenant/admin'
import { CliError } from '../cli-error.ts'
import type { Invocation } from '../command.ts'
import type { ConnectedFleet } from '../config/fleet.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { bytes, plural } from '../output/format.ts'
import type { Output } from '../output/output.ts'
import { eachTenant } from './each-tenant.ts'

/** How a plan is made. */
export interface PlanOptions {
  readonly limit?: number | undefined
  /** Bytes of storage of each cluster. */
  readonly storage?: number | undefined
}

/** What each placement says of itself. @throws CliError, TenancyError of one that does not answer: a plan needs them all */
export async function statsOfAll({
  placements,
}: Pick<ConnectedFleet, 'placements'>): Promise<Record<string, FleetStats>> {
  const all = Object.entries(placements).map(
    async ([placement, { tenancy }]) => [placement, await statsAt(placement, tenancy)] as const,
  )
  return Object.fromEntries(await Promise.all(all))
}

async function statsAt(placement: string, tenancy: Pick<Tenancy, 'stats'>): Promise<FleetStats> {
  try {
    return await tenancy.stats()
  } catch (error) {
    if (!isTenancyError(error)) throw error
    const { code, message, details, cause } = error
    throw new TenancyError(code, message, { details: { ...details, placement }, cause })
  }
}

/** A tenant whose move was cut off: out of service until it is gone on with or undone, unless it was opened there already. */
interface UnderWay {
  readonly tenant: string
  readonly from: string
  /** `null` as long as nothing of it has arrived anywhere. */
  readonly to: string | null
  readonly opened: boolean
}

/** What to move, what moves do not mend, and what an earlier run has left under way. */
export interface Plan extends MovePlan {
  readonly underWay: readonly UnderWay[]
}

/** Who should go where, by the thresholds of the configuration. @throws TenancyError INVALID_OPTION */
export async function planOf(
  stats: Readonly<Record<string, FleetStats>>,
  { config }: Pick<ConnectedFleet, 'config'>,
  { limit, storage }: PlanOptions,
): Promise<Plan> {
  const { proposeMoves } = await import('@org/pg-tenant/admin')
  const thresholds = { ...config.thresholds, ...(storage !== undefined && { storageBytes: storage }) }
  const own = Object.entries(config.placements ?? {}).map(([name, one]) => [name, one.thresholds ?? {}])
  const plan = proposeMoves(stats, { thresholds, placements: Object.fromEntries(own), limit })
  return { ...plan, underWay: underWayIn(stats) }
}

function underWayIn(stats: Readonly<Record<string, FleetStats>>): UnderWay[] {
  const all = Object.entries(stats).flatMap(([placement, { tenants }]) =>
    tenants.map(({ key, status }) => ({ key, status, placement })),
  )
  const leaving = all.filter(({ status }) => status === 'moving' || status === 'moved')
  return leaving.map(({ key, placement: from }) => {
    const there = all.find((one) => one.key === key && one.placement !== from)
    const opened = there?.status === 'active' || there?.status === 'suspended'
    return { tenant: key, from, to: there?.placement ?? null, opened }
  })
}

/** Prints a plan as sentences. */
export function showPlan(plan: Plan, output: Output): void {
  for (const one of plan.moves) output.data(sentence(one))
  showLeft(plan, output)
  if (plan.moves.length + plan.crowded.length + plan.underWay.length === 0)
    output.note('No placement is too full: nothing to move.')
}

/** What the moves of a plan do not mend. */
function showLeft({ crowded, underWay }: Omit<Plan, 'moves'>, output: Output): void {
  for (const { tenant, from, to, opened } of underWay) {
    const line = `pg-tenant move ${tenant} ${to ?? '<placement>'}`
    output.complain(
      opened
        ? `${tenant} is in ${to}, but its move was cut off before it was taken down in ${from}. ${line} goes on.`
        : `${tenant} is out of service: its move from ${from} was cut off. ${line} goes on, --undo calls it off.`,
    )
  }
  for (const { placement, why, measured, threshold } of crowded) {
    const [has, bound] = why === 'storage' ? [bytes(measured), bytes(threshold)] : [measured, threshold]
    output.data(
      `${placement} stays too full (${why}: ${has} of ${bound}): no other placement has room, or --limit.`,
    )
  }
}

const sentence = ({ tenant, from, to, why, bytes: size }: MoveProposal): string =>
  `${tenant}  ${from} → ${to}  (${size === null ? '' : `${bytes(size)}, `}${from} has too ${why === 'storage' ? 'much storage' : `many ${why}`} in use)`

/** Goes on with what was cut off, then moves those that should go, one after the other; one that cannot stays where it is. */
export async function carryOut(
  invocation: Invocation,
  connected: ConnectedFleet,
  options: PlanOptions,
  moving: MoveOptions,
): Promise<ExitCode> {
  const { output } = invocation
  const plan = await planOf(await statsOfAll(connected), connected, options)
  if (moving.dryRun) {
    output.document({ ...plan, dryRun: true })
    showPlan(plan, output)
    return plan.crowded.length > 0 ? EXIT.failed : EXIT.ok
  }
  const begun = plan.underWay.flatMap(({ tenant, from, to }) => (to === null ? [] : [{ tenant, from, to }]))
  const of = new Map([...begun, ...plan.moves].map((one) => [String(one.tenant), one]))
  const work = async (tenant: string) => {
    const one = of.get(tenant)
    if (!one) throw new CliError('USAGE', 'No such move.')
    const { from, to, rows, gapMs } = await connected.fleet.move(tenant, one.to, {
      ...moving,
      from: one.from,
      onProgress: (step) => output.note(`${tenant}: ${step}`),
    })
    return { from, to, rows, gapMs }
  }
  const lost = plan.underWay.filter(({ to }) => to === null)
  const tally = await eachTenant(invocation, [...of.keys()], work, {
    crowded: plan.crowded,
    underWay: lost,
  })
  if (of.size === 0) showPlan(plan, output)
  else showLeft({ crowded: plan.crowded, underWay: lost }, output)
  output.say(`${plural(tally.done - tally.failed, 'tenant')} moved, ${tally.failed} failed.`)
  if (tally.stopped) return EXIT.interrupted
  return tally.failed + plan.crowded.length + lost.length > 0 ? EXIT.failed : EXIT.ok
}
