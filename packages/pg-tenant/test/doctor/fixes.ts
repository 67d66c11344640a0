import { expect } from 'vitest'
import type { Finding, FindingCode } from '../../src/doctor/finding.ts'
import type { Tenancy } from '../../src/index.ts'

// What doctor advises is done by a test, and is done as it says. A finding whose advice nobody has tried fails here.

/** What puts something right: SQL of a superuser's, or calls of a tenancy. */
export type Repair = string | ((tenancy: Tenancy) => Promise<unknown>)

const CALLS = /\b(provision|drop|resume|suspend|migrate|restore|undoAdoption|confirmAdoption)\b/g
const COMMANDS = /\b(?:ALTER|CREATE|DROP|GRANT|REINDEX|REVOKE)\b[^.;:,(]*/g

/** Whether a repair does what the words say: one of the calls that they name, or a command with all its keywords in order. */
function follows(fix: string, repair: Repair): boolean {
  const done = String(repair)
  const words = done.toUpperCase().split(/\W+/)
  const called = [...fix.matchAll(CALLS)].some(([, name]) => done.includes(`.${name}(`))
  return (
    called || [...fix.matchAll(COMMANDS)].some(([said]) => inOrder(said.match(/\b[A-Z]{2,}\b/g) ?? [], words))
  )
}

function inOrder(wanted: readonly string[], words: readonly string[]): boolean {
  let at = 0
  for (const word of words) if (word === wanted[at]) at++
  return at === wanted.length
}

/** Which pieces of advice were followed. */
export class Followed {
  readonly codes = new Set<string>()
  readonly #fixes = new Set<string>()

  /** Notes that a repair, which was found to help, is what these findings advise. */
  note(findings: readonly Finding[], repair: Repair): void {
    const meant = findings.filter(({ fix }) => follows(fix, repair))
    const advised = findings.map(({ fix }) => fix).join(' | ')
    expect(meant.length, `${repair} is not what was advised: ${advised}`).toBeGreaterThan(0)
    for (const { code, fix } of meant) {
      this.codes.add(code)
      this.#fixes.add(`${code}: ${fix}`)
    }
  }

  /** Of all these checks, those whose advice nobody has followed. */
  missing(all: readonly { readonly code: FindingCode; readonly fix: string }[]): string[] {
    return all.map(({ code, fix }) => `${code}: ${fix}`).filter((one) => !this.#fixes.has(one))
  }
}

/**
 * Every code there is, and the test that follows its advice, or why none can. The compiler asks for a code that is not here.
 */
export const TRIED: Readonly<Record<FindingCode, string>> = {
  DRIFT: 'whatever differs is put right by hand, as doctor/databases.test.ts does',
  ORPHAN_SCHEMA: 'doctor/doctor.test.ts',
  ORPHAN_ROLE: 'doctor/doctor.test.ts',
  SCHEMA_MISSING: 'doctor/doctor.test.ts',
  ROLE_MISSING: 'doctor/doctor.test.ts',
  UNFINISHED: 'doctor/doctor.test.ts',
  UNCONFIRMED: 'adoption/adopt.test.ts',
  STATUS_MISMATCH: 'doctor/doctor.test.ts',
  LEDGER_MISMATCH: 'doctor/doctor.test.ts',
  HALF_APPLIED: 'doctor/doctor.test.ts',
  INVALID_INDEX: 'doctor/doctor.test.ts',
  FOREIGN_OWNER: 'archive/foreign-table-owner.test.ts',
  FALLS_THROUGH: 'doctor/doctor.test.ts',
  SHARED_CREATE: 'doctor/doctor.test.ts',
  SHARED_RIGHTS: 'lifecycle/falls-through.test.ts',
  SHARED_USAGE: 'doctor/shared-schemas.test.ts',
  TENANT_EXTENSION: 'doctor/shared-schemas.test.ts',
  SHARED_FUNCTION: 'lifecycle/shared-schemas.test.ts',
  PUBLIC_PRIVILEGE: 'doctor/doctor.test.ts',
  CROSS_SCHEMA: 'doctor/doctor.test.ts',
  APPLICATION_ROLE: 'doctor/doctor.test.ts',
  TENANT_ROLE: 'doctor/doctor.test.ts',
  ROLE_SETTINGS: 'doctor/doctor.test.ts',
  DATABASE_MISSING: 'doctor/databases.test.ts',
  DATABASE_UNREACHABLE: 'doctor/databases.test.ts',
  ORPHAN_DATABASE: 'doctor/databases.test.ts',
  FOREIGN_CONNECT: 'doctor/databases.test.ts',
  CHECK_FAILED: 'a check of another package threw: its author has to mend it',
  NODE_UNREACHABLE: 'citus/operations.test.ts',
  NODE_DURABILITY: 'citus/operations.test.ts',
  NODE_LIMITS: 'citus/operations.test.ts',
  UNMOVABLE: 'citus/operations.test.ts',
  MOVE_UNFINISHED: 'move/ahead.test.ts',
  SLOT_UNREAD: 'move/ahead.test.ts',
  ROW_UNSCOPED_TABLE: 'doctor/rows.test.ts',
  ROW_FOREIGN_TABLE: 'doctor/rows.test.ts',
  ROW_FOREIGN_OWNER: 'doctor/rows.test.ts',
  ROW_COLUMN_TYPE: 'doctor/rows.test.ts',
  ROW_COLUMN_COMPUTED: 'row/odd-columns.test.ts',
  ROW_COLUMN_NULLABLE: 'doctor/rows.test.ts',
  ROW_NOT_ENABLED: 'doctor/rows.test.ts',
  ROW_NOT_FORCED: 'doctor/rows.test.ts',
  ROW_POLICY_MISSING: 'doctor/rows.test.ts',
  ROW_POLICY_ALTERED: 'doctor/rows.test.ts',
  ROW_POLICY_ADDED: 'doctor/rows.test.ts',
  ROW_TOO_MANY_PRIVILEGES: 'doctor/rows.test.ts',
  ROW_SCHEMA_CREATE: 'doctor/rows.test.ts',
  ROW_VIEW_AS_OWNER: 'doctor/rows.test.ts',
  ROW_MATERIALIZED_VIEW: 'doctor/rows.test.ts',
  ROW_SECURITY_DEFINER: 'doctor/rows.test.ts',
  ROW_SECURITY_DEFINER_OWNER: 'doctor/rows.test.ts',
  ROW_FOREIGN_KEY: 'doctor/rows.test.ts',
  ROW_UNIQUE_KEY: 'doctor/rows.test.ts',
  ROW_INDEX_MISSING: 'doctor/rows.test.ts',
  ROW_DEFAULT_MISSING: 'doctor/rows.test.ts',
  ROW_ENTRANCE_ALTERED: 'doctor/rows.test.ts',
  ROW_VIEWS_POLICY: 'row/views.test.ts',
  ROW_VIEW_ALTERED: 'row/views.test.ts',
  ROW_VIEW_MISSING: 'row/views.test.ts',
  ROW_VIEWS_ROLE: 'row/views.test.ts',
}
