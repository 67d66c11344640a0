import type { RowFindingCode } from '../lifecycle/levels/row/findings.ts'

/** What {@link diagnose} looks for; what begins with `ROW_` is about the shared tables of level `row`. */
export type FindingCode =
  | 'DRIFT'
  | 'ORPHAN_SCHEMA'
  | 'ORPHAN_ROLE'
  | 'SCHEMA_MISSING'
  | 'ROLE_MISSING'
  | 'UNFINISHED'
  | 'UNCONFIRMED'
  | 'STATUS_MISMATCH'
  | 'LEDGER_MISMATCH'
  | 'HALF_APPLIED'
  | 'INVALID_INDEX'
  | 'FOREIGN_OWNER'
  | 'FALLS_THROUGH'
  | 'SHARED_CREATE'
  | 'SHARED_RIGHTS'
  | 'SHARED_USAGE'
  | 'TENANT_EXTENSION'
  | 'SHARED_FUNCTION'
  | 'PUBLIC_PRIVILEGE'
  | 'CROSS_SCHEMA'
  | 'APPLICATION_ROLE'
  | 'TENANT_ROLE'
  | 'ROLE_SETTINGS'
  | 'DATABASE_MISSING'
  | 'DATABASE_UNREACHABLE'
  | 'ORPHAN_DATABASE'
  | 'FOREIGN_CONNECT'
  | 'CHECK_FAILED'
  | 'NODE_UNREACHABLE'
  | 'NODE_DURABILITY'
  | 'NODE_LIMITS'
  | 'UNMOVABLE'
  | 'MOVE_UNFINISHED'
  | 'SLOT_UNREAD'
  | `ROW_${Uppercase<RowFindingCode>}`

/** `error`: tenants are not kept apart, or something does not work. `warning`: it may come to that. */
export type Severity = 'error' | 'warning' | 'notice'

/** What this library looks for, and what checks of other packages find (`createTenancy({ checks })`). */
export type AnyFindingCode = FindingCode | Uppercase<string>

/** One thing that is not as it should be. */
export interface Finding {
  readonly code: AnyFindingCode
  readonly severity: Severity
  /** What it is about: the name of a tenant, schema, role, table, … */
  readonly subject: string
  /** What was found. Names only, never data. */
  readonly message: string
  /** What to do. */
  readonly fix: string
}

/** What {@link diagnose} resolves with. */
export interface Diagnosis {
  /** Whether there is no error and no warning. */
  readonly ok: boolean
  /** Errors first; at most `limit` for each code. */
  readonly findings: readonly Finding[]
  /** How many there are of each code, those left out included. */
  readonly counts: Readonly<Record<AnyFindingCode, number>>
  readonly tenants: number
  readonly ms: number
}
