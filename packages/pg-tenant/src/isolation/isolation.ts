import type { TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import type { Gate } from './gate.ts'

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
