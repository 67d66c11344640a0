/** How long things are kept, in the operating profiles of the product. */
export interface RetentionProfile {
  /** Days the audit log stays in the database. */
  readonly auditDays: number
  /** Months it stays in archives behind that, at least; 0: it is not archived. Archives are the operator's to remove. */
  readonly auditArchiveMonths: number
  /** Months that counts of usage are kept. */
  readonly usageMonths: number
  /** Days that single uses are kept, by which repetitions are known. */
  readonly usageDeltaDays: number
}

/** The names of the profiles. */
export type ProfileName = 'mvp' | 'standard' | 'enterprise'

export const RETENTION_PROFILES: Readonly<Record<ProfileName, RetentionProfile>> = {
  mvp: { auditDays: 90, auditArchiveMonths: 0, usageMonths: 12, usageDeltaDays: 35 },
  standard: { auditDays: 90, auditArchiveMonths: 12, usageMonths: 13, usageDeltaDays: 35 },
  enterprise: { auditDays: 180, auditArchiveMonths: 60, usageMonths: 36, usageDeltaDays: 35 },
}
