import type { CheckMeasure } from '@org/core'
import { traitsOf } from '../isolation/traits.ts'
import type { FleetStats } from './stats.ts'
import { type AdviceThresholds, type Thresholds, thresholdsOf } from './thresholds.ts'

export type AdviceId =
  | 'connections'
  | 'storage'
  | 'memory'
  | 'tenants'
  | 'relations'
  | 'locks'
  | 'autovacuum'
  | 'wraparound'
  | 'idle_in_transaction'
  | 'behind'

/** Something to do before it hurts. */
export interface Advice {
  /** Of what checks of other packages measured: their code in lower case. */
  readonly id: AdviceId | Lowercase<string>
  readonly severity: 'notice' | 'warning' | 'critical'
  readonly measured: number
  readonly threshold: number
  /** What is so. */
  readonly message: string
  /** What to do about it. */
  readonly action: string
}

/** Too few blocks say nothing about a cache. */
const ENOUGH_BLOCKS = 100_000
const CRITICAL_AGE = 1_500_000_000

/**
 * Compares statistics with thresholds; critical advice first.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { advise } from '@org/pg-tenant/admin'
 *
 * const stats = await tenancy.stats()
 * const ids = advise(stats, { tenants: 1 }).map(({ id }) => id)
 * ids.includes('tenants') // → true
 * ```
 */
export function advise(stats: FleetStats, thresholds: AdviceThresholds = {}): Advice[] {
  const at = thresholdsOf(thresholds)
  const found = [
    connections(stats, at),
    storage(stats, at),
    memory(stats, at),
    tenants(stats, at),
    relations(stats, at),
    locks(stats, at),
    autovacuum(stats, at),
    wraparound(stats, at),
    idleInTransaction(stats),
    behind(stats),
    ...(stats.measures ?? []).map(brought),
  ].filter((one) => one !== undefined)
  const order = ['critical', 'warning', 'notice']
  return found.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
}

type Found = Advice | undefined

function connections({ cluster }: FleetStats, at: Thresholds): Found {
  const room = cluster.maxConnections - cluster.reservedConnections
  const share = cluster.connections / room
  if (share < at.connections) return undefined
  return {
    id: 'connections',
    severity: share >= 0.95 ? 'critical' : 'warning',
    measured: cluster.connections,
    threshold: Math.floor(room * at.connections),
    message: `${cluster.connections} of ${room} connections are in use.`,
    action:
      'Lower the max of the pools and tenantPools.maxConnections, put PgBouncer (transaction mode) in between, or raise ' +
      'max_connections (each costs some MB of memory; needs a restart).',
  }
}

function storage({ cluster }: FleetStats, at: Thresholds): Found {
  const threshold = at.storageBytes * at.storage
  if (cluster.clusterBytes < threshold) return undefined
  return {
    id: 'storage',
    severity: cluster.clusterBytes >= at.storageBytes * 0.95 ? 'critical' : 'warning',
    measured: cluster.clusterBytes,
    threshold,
    message: `${bytes(cluster.clusterBytes)} of ${bytes(at.storageBytes)} storage are in use, without WAL.`,
    action:
      'Enlarge the volume, place new tenants on another cluster, or move the largest tenants (proposeMoves).',
  }
}

function memory({ cluster }: FleetStats, at: Thresholds): Found {
  const { blocksHit, blocksRead, databaseBytes, sharedBuffersBytes } = cluster
  const asked = blocksHit + blocksRead
  if (asked < ENOUGH_BLOCKS || databaseBytes <= sharedBuffersBytes) return undefined
  const share = blocksHit / asked
  if (share >= at.cacheHits) return undefined
  return {
    id: 'memory',
    severity: 'warning',
    measured: share,
    threshold: at.cacheHits,
    message: `${(share * 100).toFixed(1)}% of blocks were found in shared_buffers (${bytes(sharedBuffersBytes)}; the database has ${bytes(databaseBytes)}).`,
    action:
      'Raise shared_buffers (a quarter of the memory is a good start: manual 19.4) or take a larger machine.',
  }
}

function tenants({ totals, level }: FleetStats, at: Thresholds): Found {
  if (totals.tenants < at.tenants || traitsOf(level).shared) return undefined
  return {
    id: 'tenants',
    severity: 'warning',
    measured: totals.tenants,
    threshold: at.tenants,
    message: `Tenants in this cluster: ${totals.tenants}.`,
    action:
      'Place new tenants on another cluster or move some (proposeMoves, docs/scale-out.md), or use level row for the smallest ones.',
  }
}

function relations({ cluster }: FleetStats, at: Thresholds): Found {
  if (cluster.relations < at.relations) return undefined
  return {
    id: 'relations',
    severity: 'warning',
    measured: cluster.relations,
    threshold: at.relations,
    message: `The catalogue of this database holds ${cluster.relations} relations.`,
    action:
      'Expect slower dumps, upgrades and autovacuum, and more memory for each connection. Place new tenants on another cluster.',
  }
}

function locks({ cluster, totals }: FleetStats, at: Thresholds): Found {
  const threshold = Math.floor(cluster.lockSlots * at.locks)
  if (totals.maxRelationsOfATenant < threshold) return undefined
  return {
    id: 'locks',
    severity: 'warning',
    measured: totals.maxRelationsOfATenant,
    threshold,
    message: `A tenant has ${totals.maxRelationsOfATenant} relations; all transactions together can hold ${cluster.lockSlots} locks.`,
    action:
      'Raise max_locks_per_transaction (needs a restart) before such a tenant is dumped with pg_dump or migrated.',
  }
}

function autovacuum({ cluster }: FleetStats, at: Thresholds): Found {
  if (cluster.autovacuum && cluster.overdueTables < at.overdueTables) return undefined
  return {
    id: 'autovacuum',
    severity: cluster.autovacuum ? 'warning' : 'critical',
    measured: cluster.overdueTables,
    threshold: at.overdueTables,
    message: cluster.autovacuum
      ? `Autovacuum is late for ${cluster.overdueTables} tables.`
      : `Autovacuum is off; ${cluster.overdueTables} tables need it.`,
    action:
      'Turn autovacuum on; with many tenants raise autovacuum_max_workers and autovacuum_vacuum_cost_limit, and look for ' +
      'transactions that stay open.',
  }
}

function wraparound({ cluster }: FleetStats, at: Thresholds): Found {
  const age = Math.max(cluster.transactionAge, cluster.multixactAge)
  const threshold = Math.max(at.transactionAge, cluster.freezeMaxAge)
  if (age < threshold) return undefined
  return {
    id: 'wraparound',
    severity: age >= CRITICAL_AGE ? 'critical' : 'warning',
    measured: age,
    threshold,
    message: `${age} transactions are not frozen yet; at about 2 billion the server stops writing (manual 25.1.5).`,
    action:
      'Run VACUUM (FREEZE) on the oldest tables, end transactions that stay open, and drop replication slots nobody uses.',
  }
}

function idleInTransaction({ connections }: FleetStats): Found {
  const idle = connections.reduce((sum, role) => sum + role.idleInTransaction, 0)
  const all = connections.reduce((sum, role) => sum + role.connections, 0)
  if (idle < 5 || idle < all / 2) return undefined
  return {
    id: 'idle_in_transaction',
    severity: 'notice',
    measured: idle,
    threshold: Math.max(5, Math.ceil(all / 2)),
    message: `${idle} of ${all} connections sit idle inside a transaction.`,
    action: 'Do slow work (HTTP, files) outside withTenant, or lower idleTimeout.',
  }
}

function behind({ versions, totals }: FleetStats): Found {
  const newest = versions.at(-1)
  const late = totals.tenants - (newest?.tenants ?? 0)
  if (late === 0) return undefined
  return {
    id: 'behind',
    severity: 'notice',
    measured: late,
    threshold: 0,
    message: `${late} of ${totals.tenants} tenants do not have the newest migration there is in the fleet (${newest?.version}).`,
    action: 'Run migrate.',
  }
}

const SEVERITY = { error: 'critical', warning: 'warning', notice: 'notice' } as const

function brought({ code, severity, measured, threshold, message, fix }: CheckMeasure): Advice {
  const id = code.toLowerCase() as Lowercase<string>
  return { id, severity: SEVERITY[severity], measured, threshold, message, action: fix }
}

function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  const power = Math.min(Math.floor(Math.log2(Math.max(size, 1)) / 10), units.length - 1)
  return `${(size / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
