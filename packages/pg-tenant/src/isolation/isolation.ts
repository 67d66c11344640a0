import type { TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'

/**
 * How tenants are kept apart: by search path alone (`schema`), by a role each that scopes take (`role`), by a login
 * role and connections each (`login`), by row-level security in shared tables (`row`), by a database each (`database`).
 */
export type IsolationLevel = 'schema' | 'role' | 'login' | 'row' | 'database'

/**
 * The seam between a scope and how tenants are kept apart. A scope knows only this: which pool to take, what to
 * send before the first statement, and what must still hold before COMMIT.
 */
export interface Isolation {
  readonly level: IsolationLevel
  /** Where this tenant's connections come from. */
  poolOf(tenant: TenantKey): PoolLike
  /** What opens and closes a scope of this tenant. Cheap: it is called for each scope and nothing is kept. */
  entranceOf(tenant: TenantKey): Entrance
}

/** The SQL around a scope. */
export interface Entrance {
  /** Names whose leftovers may be on a connection after this scope: tenants with different names share nothing. */
  readonly place: string
  readonly gate: Gate
  /**
   * A statement that raises unless the tenant's schema is there and usable (hazard b), and keeps it from being dropped
   * under the scope until the transaction ends.
   */
  readonly pin: string
}

/**
 * A query of two rows, bound to a portal when the scope opens. Its first row is fetched at once: fetching it sets
 * path, role and limits. Its second row is fetched right before COMMIT: fetching it raises unless everything still is
 * as the first row set it.
 *
 * A portal cannot outlive its transaction (manual 54.2.3), so after a smuggled COMMIT, ROLLBACK or AND CHAIN the
 * second fetch fails by itself: the portal is the scope's nonce (hazard f).
 */
export interface Gate {
  /** Under this name it is prepared on direct connections. */
  readonly name: string
  readonly text: string
  /**
   * Whether the pin refuses what another statement under this name would let through. If not, the gate is parsed anew
   * whenever somebody else had the session: hostile SQL can put a statement of its own in its place.
   */
  readonly failsSafe: boolean
  /** `$1`, `$2`, … before the three limits that every gate takes last: statement, lock and idle timeout (ms). */
  readonly values: readonly string[]
}
