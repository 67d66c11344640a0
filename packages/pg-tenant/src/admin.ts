// `@org/pg-tenant/admin`: what an administrator runs, not a server. `import '@org/pg-tenant'` loads none of it.

export {
  type AdoptableDatabase,
  type AdoptableSchema,
  findDatabases,
  findSchemas,
} from './adoption/candidates.ts'
export {
  type Adoption,
  type AdoptionFinding,
  type AdoptionFindingCode,
  AdoptionRefused,
} from './adoption/finding.ts'
export type { AdoptOptions, ConfirmOptions, SettleOptions, UndoOptions } from './adoption/options.ts'
export { proposeTenants, type TenantProposal } from './adoption/proposals.ts'
export { dropDatabase } from './apps/drop-database.ts'
export {
  type ProvisionDatabaseOptions,
  type ProvisionedDatabase,
  provisionDatabase,
} from './apps/provision-database.ts'
export { type ArchiveContents, inspectArchive } from './archive/inspect.ts'
export { type DumpManifest, readDumpManifest as inspectDump } from './archive/pg-dump/manifest.ts'
export { type LintOptions, lintMigrations } from './migrations/lint.ts'
export type { LintFinding } from './migrations/lint-finding.ts'
export { type DroppedTable, digestOfReceipt, type Receipt } from './offboard/receipt.ts'
export { type Advice, type AdviceId, advise } from './stats/advise.ts'
export {
  type MovePlan,
  type MoveProposal,
  type MoveReason,
  type ProposeMovesOptions,
  proposeMoves,
} from './stats/propose-moves.ts'
export type { AdviceThresholds } from './stats/thresholds.ts'
export { MigrationFailed } from './tenancy/migration-failed.ts'
export {
  formatVerifyReport,
  type VerifyCheck,
  type VerifyOutcome,
  type VerifyReport,
} from './verify/report.ts'
