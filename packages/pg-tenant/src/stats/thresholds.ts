import { invalidOption } from '@org/core'

/** When `advise` speaks up. */
export interface AdviceThresholds {
  /** Share of `max_connections` in use, 0 to 1 (default 0.8). */
  readonly connections?: number | undefined
  /** Bytes of storage there are: PostgreSQL cannot know (default: not advised on). */
  readonly storageBytes?: number | undefined
  /** Share of `storageBytes` in use, 0 to 1 (default 0.8). */
  readonly storage?: number | undefined
  /** Share of blocks found in shared buffers below which memory is short, 0 to 1 (default 0.95). */
  readonly cacheHits?: number | undefined
  /** Tenants in one cluster (default 10,000: Citus recommends 1,000 to 10,000 schemas in a cluster). */
  readonly tenants?: number | undefined
  /** Tables, indexes and so on in one database (default 1,000,000). */
  readonly relations?: number | undefined
  /** Share of the lock table that one tenant's schema may need, 0 to 1 (default 0.5). */
  readonly locks?: number | undefined
  /** Tables autovacuum is late for (default 100). */
  readonly overdueTables?: number | undefined
  /** Transactions not frozen yet (default 500 million; writing stops at about 2 billion). */
  readonly transactionAge?: number | undefined
}

const DEFAULTS = {
  connections: 0.8,
  storageBytes: Number.POSITIVE_INFINITY,
  storage: 0.8,
  cacheHits: 0.95,
  tenants: 10_000,
  relations: 1_000_000,
  locks: 0.5,
  overdueTables: 100,
  transactionAge: 500_000_000,
}
const SHARES = ['connections', 'storage', 'cacheHits', 'locks'] as const

export type Thresholds = typeof DEFAULTS

/** With the defaults. @throws TenancyError INVALID_OPTION */
export function thresholdsOf(thresholds: AdviceThresholds): Thresholds {
  if (typeof thresholds !== 'object' || thresholds === null) throw invalidOption('thresholds', 'an object')
  const given = Object.entries(thresholds).filter(([, value]) => value !== undefined)
  for (const [name, value] of given) {
    if (!Object.hasOwn(DEFAULTS, name)) throw invalidOption(name, 'a threshold there is')
    if (typeof value !== 'number' || !(value > 0)) throw invalidOption(name, 'a number above 0')
    if (SHARES.some((share) => share === name) && value > 1) throw invalidOption(name, 'a share from 0 to 1')
  }
  return { ...DEFAULTS, ...Object.fromEntries(given) }
}
