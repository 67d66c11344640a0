import type { Queryable } from './queryable.ts'
import type { TenantKey } from './tenant-key.ts'

/**
 * Where a {@link TenancyCheck} looks: runs statements as the administrator, in a transaction that cannot change anything, with
 * the catalogue alone in its path. Tables that tenants own may be anything by now: ask the catalogue about them, and do not
 * read them.
 */
export interface CheckPlace extends Queryable {
  /** In a tenant's own database: whose it is. In the registry's: `undefined`. */
  readonly tenant: TenantKey | undefined
  /** Schemas in this database that hold tables of tenants in service. */
  schemas(): Promise<readonly string[]>
}

/** Something that is not as it should be. */
export interface CheckFinding {
  /** In capitals, with the package's word in front: `AUDIT_UNSEALED`. */
  readonly code: Uppercase<string>
  /** `error`: something does not work, or must not be so. `warning`: it may come to that. */
  readonly severity: 'error' | 'warning' | 'notice'
  /** What it is about: the name of a table, a tenant, a job, … */
  readonly subject: string
  /** A sentence. Names and numbers only, never data. */
  readonly message: string
  /** What to do: a call that mends it. */
  readonly fix: string
}

/** Something that is measured, and to be done about before it hurts. */
export interface CheckMeasure extends CheckFinding {
  readonly measured: number
  readonly threshold: number
}

/**
 * What a package knows that can be wrong with tenants: for `createTenancy({ checks })`. Where its tables are not there, it
 * finds nothing.
 */
export interface TenancyCheck {
  /** Said when it cannot be carried out. */
  readonly name: string
  /** For `doctor`: in the registry's database, and in each tenant's own where there are such. */
  examine?(place: CheckPlace): Promise<readonly CheckFinding[]>
  /** For `stats` and `advise`, in the registry's database: a few quick queries; only what has passed its threshold. */
  measure?(place: CheckPlace): Promise<readonly CheckMeasure[]>
}
