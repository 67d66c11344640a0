import { isTenancyError, SQLSTATE, type TenantKey } from '@org/core'
import type { VerifyOutcome } from './report.ts'

/** What verification needs of a scope's handle. */
export interface ProbeDb {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: object[] }>
  savepoint<T>(fn: (db: ProbeDb) => Promise<T>): Promise<T>
}

/** Enters a tenant as the application does, in a transaction that commits unless `fn` throws. */
export type EnterScope = <T>(tenant: TenantKey, fn: (db: ProbeDb) => Promise<T>) => Promise<T>

/** What came of an attempt. */
export interface Verdict {
  readonly outcome: VerifyOutcome
  readonly evidence: string
}

/** Thrown to undo a scope that went well. */
class Undo extends Error {
  override readonly name = 'Undo'
}

/** Runs `fn` in a scope and rolls it back, whatever it did. */
export async function undone<T>(
  enter: EnterScope,
  tenant: TenantKey,
  fn: (db: ProbeDb) => Promise<T>,
): Promise<T> {
  let result: { value: T } | undefined
  try {
    await enter(tenant, async (db) => {
      result = { value: await fn(db) }
      throw new Undo('everything is rolled back')
    })
  } catch (error) {
    if (!(error instanceof Undo)) throw error
  }
  if (!result) throw new Error('the scope did not run its callback')
  return result.value
}

/** What a statement on somebody else's data is refused with. */
export const REFUSED: readonly string[] = [SQLSTATE.INSUFFICIENT_PRIVILEGE]
/** At level `database` it is elsewhere. */
export const NOT_HERE: readonly string[] = [SQLSTATE.UNDEFINED_TABLE, SQLSTATE.INVALID_SCHEMA_NAME]

/** SQLSTATE, or the code of a refusal by the library; never a message, which can hold values. */
export function codeOfError(error: unknown): string {
  if (isTenancyError(error)) {
    return error.code === 'DATABASE_ERROR' ? String(error.details.sqlState ?? error.code) : error.code
  }
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^[A-Z0-9_]{3,30}$/.test(code) ? code : 'an error without a code'
}

/**
 * Tries what must be refused, in a savepoint that is always rolled back. Only the codes given count as a refusal:
 * any other error proves nothing.
 */
export async function mustBeRefused(
  db: ProbeDb,
  sql: string,
  values: readonly unknown[] = [],
  refusals: readonly string[] = REFUSED,
): Promise<Verdict> {
  try {
    await db.savepoint(async (inner) => {
      await inner.query(sql, values)
      throw new Undo('it was let through')
    })
    return { outcome: 'failed', evidence: 'it was let through' }
  } catch (error) {
    if (error instanceof Undo) return { outcome: 'failed', evidence: 'it was let through' }
    return verdictOf(codeOfError(error), refusals)
  }
}

/** Gone while it was looked at, as a dropped tenant leaves. */
const GONE: readonly string[] = [...NOT_HERE, SQLSTATE.UNDEFINED_OBJECT, SQLSTATE.INVALID_PARAMETER_VALUE]

export function verdictOf(code: string, refusals: readonly string[]): Verdict {
  if (refusals.includes(code)) return { outcome: 'passed', evidence: `refused: ${code}` }
  if (GONE.includes(code)) return { outcome: 'not checked', evidence: `it is not there: ${code}` }
  return { outcome: 'failed', evidence: `it was not refused but failed otherwise: ${code}` }
}

/** The worst of several verdicts on one thing. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  const order: readonly VerifyOutcome[] = ['failed', 'not checked', 'passed', 'not promised']
  for (const outcome of order) {
    const found = verdicts.find((verdict) => verdict.outcome === outcome)
    if (found) return found
  }
  return { outcome: 'not checked', evidence: 'there was nothing to try' }
}
