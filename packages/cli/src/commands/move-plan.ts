import type { FleetStats, MoveOptions } from '@org/pg-tenant'
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
    async ([placement, { tenancy }]) => [placement, await tenancy.stats()] as const,
  )
  return Object.fromEntries(await Promise.all(all))
}

/** Who should go where, by the thresholds of the configuration. @throws TenancyError INVALID_OPTION */
export async function planOf(
  stats: Readonly<Record<string, FleetStats>>,
  { config }: Pick<ConnectedFleet, 'config'>,
  { limit, storage }: PlanOptions,
): Promise<MovePlan> {
  const { proposeMoves } = await import('@org/pg-tenant/admin')
  const thresholds = { ...config.thresholds, ...(storage !== undefined && { storageBytes: storage }) }
  const own = Object.entries(config.placements ?? {}).map(([name, one]) => [name, one.thresholds ?? {}])
  return proposeMoves(stats, { thresholds, placements: Object.fromEntries(own), limit })
}

/** Prints a plan as sentences. */
export function showPlan({ moves, crowded }: MovePlan, output: Output): void {
  for (const one of moves) output.data(sentence(one))
  for (const { placement, why, measured, threshold } of crowded) {
    const [has, bound] = why === 'storage' ? [bytes(measured), bytes(threshold)] : [measured, threshold]
    output.data(
      `${placement} stays too full (${why}: ${has} of ${bound}): no other placement has room, or --limit.`,
    )
  }
  if (moves.length === 0 && crowded.length === 0) output.note('No placement is too full: nothing to move.')
}

const sentence = ({ tenant, from, to, why, bytes: size }: MoveProposal): string =>
  `${tenant}  ${from} → ${to}  (${size === null ? '' : `${bytes(size)}, `}${from} has too ${why === 'storage' ? 'much storage' : `many ${why}`} in use)`

/** Moves those that should go, one after the other; one that cannot stays where it is. */
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
    return EXIT.ok
  }
  const of = new Map(plan.moves.map((one) => [String(one.tenant), one]))
  const tally = await eachTenant(invocation, [...of.keys()], async (tenant) => {
    const one = of.get(tenant)
    if (!one) throw new CliError('USAGE', 'No such move.')
    const { from, to, rows, gapMs } = await connected.fleet.move(tenant, one.to, {
      ...moving,
      from: one.from,
    })
    return { from, to, rows, gapMs }
  })
  showPlan({ moves: [], crowded: plan.crowded }, output)
  output.say(`${plural(tally.done - tally.failed, 'tenant')} moved, ${tally.failed} failed.`)
  if (tally.stopped) return EXIT.interrupted
  return tally.failed > 0 ? EXIT.failed : EXIT.ok
}
