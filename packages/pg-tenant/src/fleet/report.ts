import type { TenancyError, TenantKey } from '@org/core'

/**
 * What became of one tenant. `migrated`: has everything asked for now. `current`: another migrator was faster. `planned`:
 * a dry run. `failed`: see `error`; it has what `applied` says and nothing half of the rest.
 */
export type TenantMigrationState = 'migrated' | 'current' | 'planned' | 'failed'

/** One line of the report. */
export interface TenantMigration {
  readonly tenant: TenantKey
  readonly state: TenantMigrationState
  /** Ids of the migrations applied now; in a dry run those that would be. */
  readonly applied: readonly string[]
  /** Milliseconds of all tries, waiting between them not included. */
  readonly ms: number
  readonly attempts: number
  /** Without values; `details` has `migration`, `line` and `sqlState` where they are known. */
  readonly error?: TenancyError
  /** What would run, in a dry run. */
  readonly sql?: string
}

/** How far it is. */
export interface MigrateProgress {
  readonly done: number
  readonly failed: number
  readonly total: number
  /** Tenants a second so far. */
  readonly rate: number
  /** Milliseconds to go at this rate. */
  readonly remainingMs: number
}

/** What {@link Tenancy.migrate} resolves with. */
export interface MigrateReport {
  /** Whether every tenant that was behind has what was asked for. */
  readonly ok: boolean
  /** Tenants that were behind and selected. */
  readonly behind: number
  readonly migrated: number
  readonly failed: number
  /** Behind and not touched, because it was stopped. Run it again to go on. */
  readonly untouched: number
  /** Why it ended before its end. */
  readonly stopped: 'canary' | 'failures' | 'aborted' | null
  readonly ms: number
  /** In the order they ended. */
  readonly tenants: readonly TenantMigration[]
}
