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

/** How a scope learns that its tenant has other names than this process knew. */
export interface Renewal {
  /** What to ask on the session that failed, outside any transaction; `undefined` where its role may not ask. */
  readonly question: string | undefined
  /** @returns what opens the tenant now, if that is something else than what was tried */
  answered(row: readonly (string | null)[] | undefined): Promise<Entrance | undefined>
}

/** The SQL around a scope. */
export interface Entrance {
  /** Whose leftovers may be on a connection after this scope: no two tenants have the same. */
  readonly place: string
  readonly gate: Gate
  /**
   * A statement that raises unless the tenant's schema is there and usable (hazard b), and keeps it from being dropped
   * under the scope until the transaction ends. Left out where that is a row of the gate.
   */
  readonly pin: string | undefined
  /** Whether the pin is executed; else it is parsed and bound, which is all it takes there (`pinOf`). */
  readonly pinRuns: boolean
  /** For a scope that found nothing of its tenant: its names may have changed. Left out where there are none. */
  readonly renewal?: () => Renewal
}
