import {
  integerOption,
  invalidOption,
  type OptionNames,
  requireKnownOptions,
  type TenantKey,
} from '@org/core'
import { traitsOf } from '../isolation/traits.ts'
import type { FleetStats, TenantStats } from './stats.ts'
import { type AdviceThresholds, thresholdsOf } from './thresholds.ts'

/** What a cluster can have too much of and a tenant takes along. */
export type MoveReason = 'tenants' | 'storage' | 'relations'

/** Options of {@link proposeMoves}. */
export interface ProposeMovesOptions {
  /** When a cluster is too full: `tenants`, `storageBytes`, `storage` and `relations` (defaults as of {@link advise}). */
  readonly thresholds?: AdviceThresholds | undefined
  /** The same for single placements, where they differ. */
  readonly placements?: Readonly<Record<string, AdviceThresholds>> | undefined
  /** At most so many moves, 1 to 10,000 (default 100). */
  readonly limit?: number | undefined
}

/** One tenant, for `fleet.move(tenant, to, { from })`. */
export interface MoveProposal {
  readonly tenant: TenantKey
  readonly from: string
  readonly to: string
  readonly why: MoveReason
  readonly bytes: number | null
}

/** What to move, and what moves do not mend. */
export interface MovePlan {
  readonly moves: readonly MoveProposal[]
  /** Clusters that are still too full when all of it is done: nobody has room, or `limit` was reached. */
  readonly crowded: readonly {
    readonly placement: string
    readonly why: MoveReason
    readonly measured: number
    readonly threshold: number
  }[]
}

const REASONS = ['tenants', 'storage', 'relations'] as const
/** How full a cluster is left, and filled: at the threshold itself the next tenant would be too many. */
const FILL = 0.9
const MOST = 100

type Weights = Readonly<Record<MoveReason, number>>
interface Cluster {
  readonly name: string
  readonly level: FleetStats['level']
  readonly limits: Weights
  readonly load: Record<MoveReason, number>
  /** Those that can move and were not proposed yet. */
  readonly tenants: Set<TenantStats>
}

/**
 * Which tenants to move where, when a cluster passes its thresholds: as few as will do, never to a cluster that would become too full
 * itself or has another isolation level. Sizes are as of the last VACUUM or ANALYZE.
 *
 * @param stats what each placement's `tenancy.stats()` says
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { proposeMoves } from '@org/pg-tenant/admin'
 *
 * const eu = await tenancy.stats()
 * const us = { ...eu, tenants: [], totals: { ...eu.totals, tenants: 0 } }
 * const { moves } = proposeMoves({ eu, us }, { placements: { eu: { tenants: 1 } } })
 * moves[0]?.to // → 'us'
 * ```
 */
export function proposeMoves(
  stats: Readonly<Record<string, FleetStats>>,
  options: ProposeMovesOptions = {},
): MovePlan {
  requireKnownOptions(options, PROPOSE_MOVES_OPTIONS)
  const { limit = MOST, thresholds = {}, placements = {} } = options
  integerOption('limit', limit, 1, 10_000)
  const stranger = Object.keys(placements).find((name) => !Object.hasOwn(stats, name))
  if (stranger !== undefined) throw invalidOption('placements', `names of ${Object.keys(stats).join(', ')}`)
  const clusters = Object.entries(stats).map(([name, of]) =>
    clusterOf(name, of, { ...thresholds, ...placements[name] }),
  )
  const moves: MoveProposal[] = []
  // Where one cluster got lighter there may be room for what had none before.
  for (let before = -1; before < moves.length; ) {
    before = moves.length
    for (const from of clusters) lighten(from, clusters, moves, limit)
  }
  const crowded = clusters.flatMap(({ name, load, limits }) =>
    REASONS.filter((why) => load[why] >= limits[why]).map((why) => ({
      placement: name,
      why,
      measured: load[why],
      threshold: limits[why],
    })),
  )
  return { moves, crowded }
}

/** Adds what has to go from a cluster that is too full, as far as others have room. */
function lighten(from: Cluster, clusters: readonly Cluster[], moves: MoveProposal[], limit: number): void {
  for (const why of REASONS) {
    if (from.load[why] < from.limits[why]) continue
    const waiting = byWeight(from, why)
    while (moves.length < limit && from.load[why] >= from.limits[why] * FILL) {
      const move = next(from, why, waiting, clusters)
      if (!move) break
      moves.push(move)
    }
  }
}

const PROPOSE_MOVES_OPTIONS: OptionNames<ProposeMovesOptions> = {
  thresholds: true,
  placements: true,
  limit: true,
}

function clusterOf(name: string, stats: FleetStats, given: AdviceThresholds): Cluster {
  const at = thresholdsOf(given)
  const { cluster, level, totals } = stats
  const tenants = new Set(stats.tenants.filter(({ status }) => status === 'active' || status === 'suspended'))
  return {
    name,
    level,
    tenants,
    limits: {
      // Where tenants share tables, their number is no burden.
      tenants: traitsOf(level).shared ? Number.POSITIVE_INFINITY : at.tenants,
      storage: at.storageBytes * at.storage,
      relations: at.relations,
    },
    load: { tenants: totals.tenants, storage: cluster.clusterBytes, relations: cluster.relations },
  }
}

/** Those whose move lightens it, lightest first; where the number counts, the smallest. */
function byWeight({ tenants }: Cluster, why: MoveReason): TenantStats[] {
  const weight = (one: TenantStats) => weightsOf(one)[why === 'tenants' ? 'storage' : why]
  const those = [...tenants].filter((one) => why === 'tenants' || weight(one) > 0)
  return those.sort((a, b) => weight(a) - weight(b))
}

/** Takes the next tenant out of a cluster and puts it where there is most room. */
function next(
  from: Cluster,
  why: MoveReason,
  waiting: TenantStats[],
  clusters: readonly Cluster[],
): MoveProposal | undefined {
  const excess = from.load[why] - from.limits[why] * FILL
  for (const tenant of inTurn(waiting, why, excess)) {
    const weights = weightsOf(tenant)
    const to = roomiest(from, weights, clusters)
    if (!to) continue
    waiting.splice(waiting.indexOf(tenant), 1)
    from.tenants.delete(tenant)
    for (const reason of REASONS) {
      from.load[reason] -= weights[reason]
      to.load[reason] += weights[reason]
    }
    return { tenant: tenant.key, from: from.name, to: to.name, why, bytes: tenant.bytes }
  }
  return undefined
}

/** The lightest that is enough, heavier ones, then the heaviest of those that are not: as few as will do. */
function* inTurn(waiting: readonly TenantStats[], why: MoveReason, excess: number): Generator<TenantStats> {
  const first = waiting.findIndex((one) => weightsOf(one)[why] >= excess)
  const enough = first === -1 ? waiting.length : first
  if (why === 'tenants') yield* waiting
  else yield* [...waiting.slice(enough), ...waiting.slice(0, enough).reverse()]
}

const weightsOf = ({ bytes, relations }: TenantStats): Weights => ({
  tenants: 1,
  storage: bytes ?? 0,
  relations: relations ?? 0,
})

/** The cluster that is least full with it, of those that stay below their thresholds. */
function roomiest(from: Cluster, weights: Weights, clusters: readonly Cluster[]): Cluster | undefined {
  const fullness = ({ load, limits }: Cluster) =>
    Math.max(...REASONS.map((reason) => (load[reason] + weights[reason]) / limits[reason]))
  return clusters
    .filter((one) => one !== from && one.level === from.level && fullness(one) <= FILL)
    .sort((a, b) => fullness(a) - fullness(b))[0]
}
