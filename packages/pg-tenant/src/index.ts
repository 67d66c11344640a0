export {
  type CheckFinding,
  type CheckMeasure,
  type CheckPlace,
  type Migration,
  type Queryable,
  readTogether,
  type SealedPlace,
  type Sealing,
  type TenancyCheck,
  TenancyError,
  type TenantKey,
  type TenantReads,
} from '@org/core'
export type { Adoption, AdoptionFinding, AdoptionFindingCode, AdoptionRefused } from './adoption/finding.ts'
export type { AdoptOptions, ConfirmOptions, SettleOptions, UndoOptions } from './adoption/options.ts'
export type { UnconfirmedAdoption } from './adoption/unconfirmed.ts'
export type { ProvisionDatabaseOptions, ProvisionedDatabase } from './apps/provision-database.ts'
export type { BackedUpTable, BackupOptions, BackupResult } from './archive/backup-options.ts'
export type { ExportedTable, ExportOptions, ExportResult } from './archive/export/export.ts'
export type { ArchiveManifest, ArchiveSummary } from './archive/format/manifest.ts'
export type { BackupSource } from './archive/format/source.ts'
export type { ArchiveContents } from './archive/inspect.ts'
export type { DumpManifest } from './archive/pg-dump/manifest.ts'
export type { ProgramOptions } from './archive/pg-dump/program.ts'
export type { RestoreOptions, RestoreResult } from './archive/restore/options.ts'
export type { TenantConnection } from './credentials/connection.ts'
export type { SuppliedCredentials } from './credentials/keeper.ts'
export type { DiagnoseOptions } from './doctor/diagnose.ts'
export type { AnyFindingCode, Diagnosis, Finding, FindingCode, Severity } from './doctor/finding.ts'
export type { TypeParsers } from './driver/type-parsers.ts'
export type { PoolLike } from './driver/types.ts'
export { driverError } from './errors/server-error.ts'
export type { MigrateOptions } from './fleet/options.ts'
export type {
  MigrateProgress,
  MigrateReport,
  TenantMigration,
  TenantMigrationState,
} from './fleet/report.ts'
export type { MigrationStatus, MigrationStatusOptions } from './fleet/status.ts'
export type { Credentials } from './isolation/credentials.ts'
export type { IsolationLevel } from './isolation/isolation.ts'
export type { RowOptions } from './isolation/row.ts'
export type { SharedTable } from './isolation/shared-tables.ts'
export type { MakePool, OwnPool } from './isolation/tenant-pool.ts'
export type { DistributedSchemas } from './lifecycle/distributed-schemas.ts'
export type { OnForget, OnProvision } from './lifecycle/levels/level.ts'
export type { ProvisionOptions, ProvisionResult } from './lifecycle/provision.ts'
export type { FillResult } from './lifecycle/ready/fill.ts'
export type { ReadyTenants } from './lifecycle/ready/ready.ts'
export { type LintOptions, lintMigrations } from './migrations/lint.ts'
export type { LintFinding } from './migrations/lint-finding.ts'
export { loadMigrations } from './migrations/migrations.ts'
export type { MoveResult } from './move/move.ts'
export type { MoveOptions, MoveStep } from './move/options.ts'
export type { OffboardOptions } from './offboard/options.ts'
export type { DroppedTable, Receipt } from './offboard/receipt.ts'
export { createFleet, type Fleet } from './placement/fleet.ts'
export type { FleetOptions } from './placement/options.ts'
export type { PlacedTenancy } from './placement/placed-tenancy.ts'
export type { ErrorStyle } from './pool/errors.ts'
export { type PerTenant, type PerTenantOptions, perTenant } from './pool/per-tenant.ts'
export type { TenantPg, TenantPoolOptions } from './pool/tenant-pool.ts'
export { scopePool } from './pool/tenant-pool.ts'
export type { ListenConnection } from './registry/listen.ts'
export type { LookupOptions } from './registry/lookups.ts'
export type { ListOptions } from './registry/read.ts'
export type { TenantRecord, TenantStatus } from './registry/record.ts'
export type { OpenScope } from './scope/open-scope.ts'
export type { RetryOptions, ScopeOptions } from './scope/options.ts'
export type { Field, QueryResult } from './scope/result.ts'
export type { QueryConfig, StreamOptions } from './scope/statement.ts'
export type { TenantDb } from './scope/tenant-db.ts'
export type { Advice, AdviceId } from './stats/advise.ts'
export type { ClusterStats } from './stats/cluster.ts'
export type { FleetStats, RoleConnections, SlowMigration, StatsOptions, TenantStats } from './stats/stats.ts'
export type { AdviceThresholds } from './stats/thresholds.ts'
export { createTenancy } from './tenancy/create-tenancy.ts'
export type { TenancyDirectory } from './tenancy/directory.ts'
export type { EachOptions, EachReport, EachTenant } from './tenancy/each.ts'
export type { Tenancy, TenantAccess } from './tenancy/interface.ts'
export type { TenantPoolsOptions } from './tenancy/levels.ts'
export type { TenancyLife } from './tenancy/life.ts'
export type { MigrationFailed } from './tenancy/migration-failed.ts'
export type { TenancyOperations } from './tenancy/operations.ts'
export type { TenancyOptions } from './tenancy/options.ts'
export type { TenancyScopes } from './tenancy/scopes.ts'
export type { VerifyCheckId } from './verify/checks.ts'
export type { VerifyCheck, VerifyOutcome, VerifyReport } from './verify/report.ts'
export type { VerifyOptions } from './verify/verify.ts'
