import type { TenantKey } from '@org/core'
import type { PlacedTenancy } from './placed-tenancy.ts'

/** Options of {@link createFleet}. */
export interface FleetOptions<T extends PlacedTenancy = PlacedTenancy> {
  /** The clusters by name, each a tenancy over its own pools: `{ eu: createTenancy({ … }), us: … }`. */
  readonly placements: Readonly<Record<string, T>>
  /**
   * Where new tenants go unless `provision` says so (default: there is none, and it must).
   */
  readonly defaultPlacement?: string | undefined
  /** How many tenants' places are remembered, 1 to 1,000,000 (default 10,000), and of how many that there are none. */
  readonly remember?: number | undefined
  /** Milliseconds it is remembered that no cluster has a tenant (default 1,000; 0 to 60,000). */
  readonly rememberMissing?: number | undefined
  /**
   * Milliseconds a cluster gets to say whether it holds a tenant whose place is not remembered (default 2,000; 1 to 60,000). One
   * that hangs keeps nobody waiting who is found elsewhere.
   */
  readonly answerWithin?: number | undefined
  /**
   * Where a tenant is, if you know it: a table, the key itself. Then one cluster is asked instead of all; where it does not
   * have the tenant, all are (default: none).
   */
  readonly directory?: ((key: TenantKey) => Promise<string | undefined>) | undefined
  /** Milliseconds a call waits for a tenant that is being moved (default 5,000; 0 to 60,000); then SERVICE_UNAVAILABLE. */
  readonly waitForMove?: number | undefined
}
