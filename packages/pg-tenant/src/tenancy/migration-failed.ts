import { TenancyError } from '@org/core'
import type { MigrateReport } from '../fleet/report.ts'

/**
 * What `tenancy.migrate()` rejects with when a tenant that was behind does not have what was asked for: code
 * `MIGRATION_FAILED`, with the whole report. What the report says was migrated is migrated.
 */
export class MigrationFailed extends TenancyError {
  readonly report: MigrateReport

  constructor(report: MigrateReport) {
    const { behind, migrated, failed, untouched, stopped, tenants } = report
    const first = tenants.find(({ state }) => state === 'failed')
    const what = first?.error?.message ?? 'It was stopped.'
    super(
      'MIGRATION_FAILED',
      `${migrated} of ${behind} tenants that were behind were migrated, ${failed} failed and ${untouched} were not touched. ` +
        `${first ? `First ${first.tenant}: ` : ''}${what} Mend it and run migrate again: it goes on where it was. ` +
        'error.report has the rest; migrate({ throwOnFailure: false }) resolves with it instead.',
      {
        details: {
          ...first?.error?.details,
          behind,
          migrated,
          failed,
          untouched,
          stopped,
          ...(first && { tenant: first.tenant }),
        },
      },
    )
    this.report = report
  }
}

/** The report, when every tenant has what was asked for or nobody wants to be told otherwise. @throws MigrationFailed */
export function requireMigrated(
  report: MigrateReport,
  { throwOnFailure = true, dryRun }: { readonly throwOnFailure?: boolean; readonly dryRun?: boolean } = {},
): MigrateReport {
  if (report.ok || dryRun || !throwOnFailure) return report
  throw new MigrationFailed(report)
}
