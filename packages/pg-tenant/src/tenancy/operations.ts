import type { DiagnoseOptions } from '../doctor/diagnose.ts'
import type { Diagnosis } from '../doctor/finding.ts'
import type { MigrateOptions } from '../fleet/options.ts'
import type { MigrateReport } from '../fleet/report.ts'
import type { MigrationStatus, MigrationStatusOptions } from '../fleet/status.ts'
import type { FleetStats, StatsOptions } from '../stats/stats.ts'
import type { VerifyReport } from '../verify/report.ts'
import type { VerifyOptions } from '../verify/verify.ts'

/** What an operator does with all tenants: the part of a {@link Tenancy} that migrates, looks and counts. */
export interface TenancyOperations {
  /**
   * Brings every tenant that is behind up to date: several at once, each in one transaction, both ledgers written in it.
   * When a tenant failed or was left, it rejects with `MigrationFailed`, which has the report, once those under way are done;
   * with `throwOnFailure: false` it resolves with the report. Run it again after anything. When nobody is behind it costs one
   * query.
   *
   * Files marked no-transaction run statement by statement; cut off, they go on where they were. At level `row` one run migrates all
   * tenants. Options that a level cannot honour are refused.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY; STATEMENT_REFUSED (a migration that would break the second
   *   tenant; see `lintMigrations`); CONFLICT when a migration was edited or is unknown; in each case nothing was run
   * @throws TenancyError TENANT_NOT_FOUND for a key among the options that is no tenant's
   * @throws TenancyError MIGRATION_FAILED (`MigrationFailed`): `report` says what became of each tenant
   * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR when it could not begin
   */
  migrate(options?: MigrateOptions): Promise<MigrateReport>

  /**
   * Who is behind: for each migration how many tenants have it, and who does not. At level `row` all tenants share one
   * history: all have a migration or all lack it.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONNECTION_LOST, DATABASE_ERROR
   */
  migrationStatus(options?: MigrationStatusOptions): Promise<MigrationStatus[]>

  /**
   * Looks for what is wrong with the tenants or will be (drift, orphans, privileges, names that fall through …): a few
   * queries for the whole fleet, in one transaction that cannot change anything. Level `row`: the shared tables and whatever
   * could go past their policies; level `database`: the server, and each tenant's database on a few connections.
   *
   * @throws TenancyError INVALID_OPTION, TENANT_NOT_FOUND (no tenant `reference`), CONNECTION_LOST, POOL_EXHAUSTED,
   *   DATABASE_ERROR
   */
  doctor(options?: DiagnoseOptions): Promise<Diagnosis>

  /**
   * Enters tenants through the application's own pool, and so through its pooler, and tries what must not work; what the
   * level does not promise is said, not hidden. Nothing of it stays.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>

  /**
   * Sizes, rows, versions and connections by tenant, and of the whole server: see `advise` for what to do about it.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
   */
  stats(options?: StatsOptions): Promise<FleetStats>

  /**
   * Seals the stored passwords of tenants anew, under the key that seals now (levels `login` and `database`, where
   * `credentials` seals them): before a retired key is taken away.
   *
   * @returns how many were sealed anew; 0 at levels without logins
   * @throws TenancyError what the sealing throws; CONNECTION_LOST, DATABASE_ERROR
   */
  resealCredentials(): Promise<number>
}
