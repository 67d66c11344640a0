import { isTenancyError, type Queryable, type Row, TenancyError } from '@org/core'

/** undefined_table, invalid_schema_name, undefined_function, undefined_column, insufficient_privilege */
const NOT_SET_UP = new Set(['42P01', '3F000', '42883', '42703', '42501'])
/** serialization_failure, deadlock_detected, lock_not_available: for a client, 503 and again */
const TRANSIENT = new Set(['40001', '40P01', '55P03'])

/**
 * The control pool, with errors that are coded and hold no values: a driver's own has whole rows in its `detail`.
 *
 * @internal
 * @param install what to call when the tables are not there or not open to the pool's role
 */
export function codedControl(control: Queryable, install: string): Queryable {
  return {
    query: <R extends object = Row>(text: string, values?: readonly unknown[]) =>
      control.query<R>(text, values).catch((error: unknown) => {
        throw coded(error, install)
      }),
  }
}

function coded(error: unknown, install: string): TenancyError {
  if (isTenancyError(error)) return error
  const sqlState = sqlStateOf(error)
  if (sqlState === undefined || sqlState.startsWith('08') || sqlState.startsWith('57P')) {
    return new TenancyError('SERVICE_UNAVAILABLE', 'The control pool gave no answer. Check its connection.', {
      details: sqlState === undefined ? {} : { sqlState },
    })
  }
  if (TRANSIENT.has(sqlState)) {
    return new TenancyError('CONFLICT', 'Somebody else changed the same. Run it again.', {
      details: { sqlState },
    })
  }
  const message = NOT_SET_UP.has(sqlState)
    ? 'The control schema is not there, is of another release, or the role of the control pool may not use it. Run ' +
      `${install}.`
    : `PostgreSQL refused a statement on the control schema (SQLSTATE ${sqlState}).`
  return new TenancyError('DATABASE_ERROR', message, { details: { sqlState } })
}

function sqlStateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}
