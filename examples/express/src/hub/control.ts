import { type Queryable, type Row, TenancyError } from '@org/core'
import type pg from 'pg'

/** No connection, too many of them, or a server that stops (manual, appendix A): it will pass. */
const UNAVAILABLE = /^(08|53|57P)/

/** The control pool for routes: its errors are coded, and hold no values as the driver's own do. */
export function controlOf(pool: pg.Pool): Queryable {
  return {
    query: <R extends object = Row>(text: string, values: readonly unknown[] = []) =>
      pool.query<R & pg.QueryResultRow>(text, [...values]).catch((error: unknown) => {
        throw coded(error)
      }),
  }
}

function coded(error: unknown): TenancyError {
  const { code } = (error ?? {}) as { code?: unknown }
  const sqlState = typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
  if (sqlState === undefined || UNAVAILABLE.test(sqlState)) {
    return new TenancyError('SERVICE_UNAVAILABLE', 'The control pool gave no answer. Check its connection.')
  }
  return new TenancyError('DATABASE_ERROR', `PostgreSQL refused a statement (SQLSTATE ${sqlState}).`, {
    details: { sqlState },
  })
}
