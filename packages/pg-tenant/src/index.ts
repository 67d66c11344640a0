export {
  type Migration,
  type Queryable,
  type SealedPlace,
  type Sealing,
  TenancyError,
  type TenantKey,
} from '@org/core'
export { dropDatabase } from './apps/drop-database.ts'
export {
  type ProvisionDatabaseOptions,
  type ProvisionedDatabase,
  provisionDatabase,
} from './apps/provision-database.ts'
export type { ArchiveManifest, ArchiveSummary } from './backup/archive/manifest.ts'
export type { BackupSource } from './backup/archive/source.ts'
export type { BackedUpTable, BackupOptions, BackupResult } from './backup/backup.ts'
export { type ArchiveContents, inspectArchive } from './backup/inspect.ts'
export type { OffboardOptions } from './backup/offboard/options.ts'
export { type DroppedTable, digestOfReceipt, type Receipt } from './backup/offboard/receipt.ts'
export { type DumpManifest, readDumpManifest as inspectDump } from './backup/pg-dump/manifest.ts'
export type { ProgramOptions } from './backup/pg-dump/program.ts'
export type { RestoreOptions, RestoreResult } from './backup/restore/restore.ts'
export type { TenantConnection } from './credentials/connection.ts'
export type { CredentialSource, Credentials } from './credentials/credentials.ts'
export type { DiagnoseOptions } from './doctor/diagnose.ts'
export type { Diagnosis, Finding, FindingCode, Severity } from './doctor/finding.ts'
export type { PoolLike } from './driver/types.ts'
export { driverError } from './errors/driver-error.ts'
export type { ExportedTable, ExportOptions, ExportResult } from './export/export.ts'
export { type LintFinding, type LintOptions, lintMigrations } from './fleet/lint.ts'
export type { MigrateOptions } from './fleet/options.ts'
export type {
  MigrateProgress,
  MigrateReport,
  TenantMigration,
  TenantMigrationState,
} from './fleet/report.ts'
export type { MigrationStatus, MigrationStatusOptions } from './fleet/status.ts'
export type { IsolationLevel } from './isolation/isolation.ts'
export type { RowOptions } from './isolation/row-place.ts'
export type { MakePool, OwnPool } from './isolation/tenant-pool.ts'
export type { TenantPoolsOptions } from './levels.ts'
export type { DistributedSchemas } from './lifecycle/distributed-schemas.ts'
export type { OnForget } from './lifecycle/forget.ts'
export { loadMigrations } from './lifecycle/migrations.ts'
export type { ProvisionOptions, ProvisionResult } from './lifecycle/provision.ts'
export { createFleet, type Fleet, type FleetOptions, type PlacedTenancy } from './placement/fleet.ts'
export type { FillResult } from './ready/fill.ts'
export type { ReadyTenants } from './ready/ready.ts'
export type { ListenConnection } from './registry/listen.ts'
export type { LookupOptions } from './registry/lookups.ts'
export type { ListOptions } from './registry/read.ts'
export type { TenantRecord, TenantStatus } from './registry/record.ts'
export type { RetryOptions, ScopeOptions } from './scope/options.ts'
export type { Field, QueryResult } from './scope/result.ts'
export type { QueryConfig, TypeParsers } from './scope/statement.ts'
export type { StreamOptions } from './scope/stream.ts'
export type { TenantDb } from './scope/tenant-db.ts'
export { type Advice, type AdviceId, type AdviceThresholds, advise } from './stats/advise.ts'
export type { ClusterStats } from './stats/cluster.ts'
export type { FleetStats, RoleConnections, SlowMigration, StatsOptions, TenantStats } from './stats/stats.ts'
export { createTenancy } from './tenancy.ts'
export type { Tenancy, TenancyOptions } from './tenancy-interface.ts'
export type { VerifyCheckId } from './verify/checks.ts'
export {
  formatVerifyReport,
  type VerifyCheck,
  type VerifyOutcome,
  type VerifyReport,
} from './verify/report.ts'
export type { VerifyOptions } from './verify/verify.ts'
