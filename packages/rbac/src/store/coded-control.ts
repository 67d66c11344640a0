import { isTenancyError, type Queryable, type Row, TenancyError } from '@org/core'

/** undefined_table, invalid_schema_name, undefined_function, undefined_column, insufficient_privilege */
const NOT_SET_UP = new Set(['42P01', '3F000', '42883', '42703', '42501'])
const FOREIGN_KEY_VIOLATION = '23503'
/** serialization_failure, deadlock_detected: for a client, 503 and again */
const TRANSIENT = new Set(['40001', '40P01'])

/** The control pool, with errors that are coded and hold no values: a driver's own has whole rows in its `detail`. */
export function codedControl(control: Queryable): Queryable {
  return {
    query: <R extends object = Row>(text: string, values?: readonly unknown[]) =>
      control.query<R>(text, values).catch((error: unknown) => {
        throw coded(error)
      }),
  }
}

function coded(error: unknown): TenancyError {
  if (isTenancyError(error)) return error
  const sqlstate = sqlstateOf(error)
  if (sqlstate === FOREIGN_KEY_VIOLATION) {
    return new TenancyError(
      'CONFLICT',
      'The stored catalogue has no such package, tool or action, or there is no such plan. Run syncCatalog(), or putPlan().',
    )
  }
  if (sqlstate !== undefined && TRANSIENT.has(sqlstate)) {
    return new TenancyError('CONFLICT', 'Somebody else changed the same. Run it again.', {
      details: { sqlState: sqlstate },
    })
  }
  if (sqlstate === undefined) {
    return new TenancyError('SERVICE_UNAVAILABLE', 'The control pool gave no answer. Check its connection.', {
      cause: error,
    })
  }
  const message = NOT_SET_UP.has(sqlstate)
    ? 'The control schema is not there, is of another release, or the role of the control pool is none of its managers. Run ' +
      'installRbac(admin, { managers: [role] }).'
    : `PostgreSQL refused a statement on the control schema (SQLSTATE ${sqlstate}).`
  return new TenancyError('DATABASE_ERROR', message, { details: { sqlState: sqlstate } })
}

function sqlstateOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}
