import { type ErrorCode, type ErrorDetails, TenancyError } from '@org/core'
import { withDriverError } from './driver-error.ts'
import type { ServerError } from './server-error.ts'
import { CONDITION_NAMES, SQLSTATE } from './sqlstate.ts'

/** The limits under which the statement ran, to tell a timeout from a cancel in any language. */
export interface StatementFacts {
  readonly statementTimeout: number
  readonly lockTimeout: number
  /** Milliseconds the statement took until the error. */
  readonly elapsed: number
}

/**
 * What PostgreSQL answered to a caller's statement, as a coded error that is safe to log: the condition, and the
 * names of schema, table, column and constraint, but never a value. The server's own message is kept only where it
 * cannot hold one; all of it is in `driverError(error)`.
 */
export function fromDatabase(error: ServerError, facts?: StatementFacts): TenancyError {
  const { code, message } = classify(error, facts)
  return withDriverError(new TenancyError(code, message, { details: detailsOf(error) }), error)
}

/** Whether the same transaction, run again, may well succeed. */
export function isRetryable(error: TenancyError): boolean {
  const { sqlState } = error.details
  return (
    error.code === 'CONFLICT' &&
    (sqlState === SQLSTATE.SERIALIZATION_FAILURE || sqlState === SQLSTATE.DEADLOCK_DETECTED)
  )
}

/** admin_shutdown, crash_shutdown, cannot_connect_now */
const SERVER_GOES: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03'])

function classify(error: ServerError, facts?: StatementFacts): { code: ErrorCode; message: string } {
  const { code: state } = error
  if (state === SQLSTATE.UNIQUE_VIOLATION) return { code: 'DUPLICATE_RESOURCE', message: describe(error) }
  if (state === SQLSTATE.SERIALIZATION_FAILURE || state === SQLSTATE.DEADLOCK_DETECTED) {
    return {
      code: 'CONFLICT',
      message: `${describe(error)} Run the scope again, or let it: retry: { attempts: 3 }.`,
    }
  }
  if (state.startsWith('23')) return { code: 'CONFLICT', message: describe(error) }
  if (SERVER_GOES.has(state)) {
    return {
      code: 'CONNECTION_LOST',
      message: `The server ended the connection (SQLSTATE ${state}). Run it again.`,
    }
  }
  if (state === SQLSTATE.QUERY_CANCELED && facts && facts.elapsed >= facts.statementTimeout * 0.9) {
    return timeout(`The statement ran longer than statementTimeout (${facts.statementTimeout} ms).`)
  }
  if (state === SQLSTATE.LOCK_NOT_AVAILABLE) {
    // NOWAIT raises the same state from other routines; the timeout always comes from this one.
    if (error.routine !== 'ProcessInterrupts') return { code: 'CONFLICT', message: describe(error) }
    return timeout(
      `The statement waited for a lock longer than lockTimeout (${facts?.lockTimeout ?? '?'} ms).`,
    )
  }
  if (state === SQLSTATE.SYNTAX_ERROR && error.message.includes('multiple commands')) {
    return {
      code: 'STATEMENT_REFUSED',
      message: 'A query holds one statement. Send several as several queries, or as one WITH query.',
    }
  }
  return { code: 'DATABASE_ERROR', message: describe(error) }
}

function timeout(message: string): { code: ErrorCode; message: string } {
  return { code: 'TIMEOUT', message }
}

function describe(error: ServerError): string {
  const condition = CONDITION_NAMES[error.code]
  const known = isFreeOfValues(error) ? `: ${error.message}` : condition ? `: ${condition}` : ''
  return `PostgreSQL refused the statement${known} (SQLSTATE ${error.code}).`
}

/**
 * Whether the server's message can only hold names: constraint violations (values are in `detail`), errors with a
 * position in the SQL text (found before any value is looked at), and refused privileges on existing objects.
 */
function isFreeOfValues(error: ServerError): boolean {
  const { code, position, message } = error
  if (code.startsWith('23') || code.startsWith('40') || code.startsWith('53')) return true
  if (code.startsWith('42') && position !== undefined) return true
  return code === SQLSTATE.INSUFFICIENT_PRIVILEGE && /^permission denied for [a-z ]+ [^ ]+$/.test(message)
}

function detailsOf({ code, schema, table, column, constraint, dataType }: ServerError): ErrorDetails {
  const details: Record<string, string> = { sqlState: code }
  for (const [name, value] of Object.entries({ schema, table, column, constraint, dataType })) {
    if (value) details[name] = value
  }
  return details
}
