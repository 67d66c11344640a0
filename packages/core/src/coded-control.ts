import type { Queryable, Row } from './queryable.ts'
import { SQLSTATE, sqlStateOf } from './sqlstate.ts'
import { isTenancyError, TenancyError } from './tenancy-error.ts'

const NOT_SET_UP: readonly string[] = [
  SQLSTATE.UNDEFINED_TABLE,
  SQLSTATE.INVALID_SCHEMA_NAME,
  SQLSTATE.UNDEFINED_FUNCTION,
  SQLSTATE.UNDEFINED_COLUMN,
  SQLSTATE.INSUFFICIENT_PRIVILEGE,
]
/** For a client, 503 and again. */
const TRANSIENT: readonly string[] = [
  SQLSTATE.SERIALIZATION_FAILURE,
  SQLSTATE.DEADLOCK_DETECTED,
  SQLSTATE.LOCK_NOT_AVAILABLE,
]

/**
 * A control pool whose errors are coded and hold no values: a driver's own has whole rows in its `detail`.
 *
 * @param install what to call when the tables are not there or not open to the pool's role
 * @param unknown what a foreign key that is violated means (CONFLICT; default: no more than any other statement that is refused)
 * @example
 * ```ts
 * import { codedControl } from '@org/core'
 *
 * const error = Object.assign(new Error('relation "usage" does not exist'), { code: '42P01' })
 * const control = codedControl({ query: () => Promise.reject(error) }, 'installUsage(admin)')
 * await control.query('select from tenancy.usage') // → throws DATABASE_ERROR
 * ```
 */
export function codedControl(control: Queryable, install: string, unknown?: string): Queryable {
  return {
    query: <R extends object = Row>(text: string, values?: readonly unknown[]) =>
      control.query<R>(text, values).catch((error: unknown) => {
        throw coded(error, install, unknown)
      }),
  }
}

function coded(error: unknown, install: string, unknown: string | undefined): TenancyError {
  if (isTenancyError(error)) return error
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined || sqlState.startsWith('08') || sqlState.startsWith('57P')) {
    return new TenancyError('SERVICE_UNAVAILABLE', 'The control pool gave no answer. Check its connection.', {
      details: sqlState === undefined ? {} : { sqlState },
    })
  }
  const details = { sqlState }
  if (sqlState === SQLSTATE.FOREIGN_KEY_VIOLATION && unknown !== undefined)
    return new TenancyError('CONFLICT', unknown)
  if (TRANSIENT.includes(sqlState))
    return new TenancyError('CONFLICT', 'Somebody else changed the same. Run it again.', { details })
  const message = NOT_SET_UP.includes(sqlState)
    ? 'The control schema is not there, is of another release, or the role of the control pool may not use it. Run ' +
      `${install}.`
    : `PostgreSQL refused a statement on the control schema (SQLSTATE ${sqlState}).`
  return new TenancyError('DATABASE_ERROR', message, { details })
}
