import { type ErrorCode, SQLSTATE, TenancyError } from '@org/core'
import { brokenRule, detailsOf } from './field-rule.ts'
import { type ServerError, withDriverError } from './server-error.ts'
import { reasonOf } from './server-reason.ts'

/** The limits under which the statement ran, to tell a timeout from a cancel in any language. */
export interface StatementFacts {
  readonly statementTimeout: number
  readonly lockTimeout: number
  /** Milliseconds the statement took until the error. */
  readonly elapsed: number
  /** The statement, where it is a file's and no value is in it. */
  readonly text?: string | undefined
}

/**
 * What PostgreSQL answered to a statement, as a coded error that is safe to log: the server's own reason where it
 * cannot hold a value, the names of schema, table, column and constraint, and for a value that was refused `field` and
 * `rule`; never the value. All of it is in `driverError(error)`.
 */
export function fromDatabase(error: ServerError, facts?: StatementFacts): TenancyError {
  const { code, message } = classify(error, facts)
  return withDriverError(new TenancyError(code, message, { details: detailsOf(error) }), error)
}

/** The same of a caller's own statement: a value that was refused is a mistake of the request that brought it. */
export function fromCall(error: ServerError, facts?: StatementFacts): TenancyError {
  const broken = brokenRule(error)
  if (broken === undefined) return fromDatabase(error, facts)
  return withDriverError(new TenancyError(broken.code, describe(error), { details: detailsOf(error) }), error)
}

/** Whether the same transaction, run again, may well succeed. */
export function isRetryable(error: TenancyError): boolean {
  const { sqlState } = error.details
  return (
    error.code === 'CONFLICT' &&
    (sqlState === SQLSTATE.SERIALIZATION_FAILURE || sqlState === SQLSTATE.DEADLOCK_DETECTED)
  )
}

const SERVER_GOES: ReadonlySet<string> = new Set([
  SQLSTATE.ADMIN_SHUTDOWN,
  SQLSTATE.CRASH_SHUTDOWN,
  SQLSTATE.CANNOT_CONNECT_NOW,
])

function classify(error: ServerError, facts?: StatementFacts): { code: ErrorCode; message: string } {
  const { code: state } = error
  if (state === SQLSTATE.UNIQUE_VIOLATION)
    return { code: 'DUPLICATE_RESOURCE', message: describe(error, facts) }
  if (state === SQLSTATE.SERIALIZATION_FAILURE || state === SQLSTATE.DEADLOCK_DETECTED) {
    return {
      code: 'CONFLICT',
      message: `${describe(error, facts)} Run the scope again, or let it: retry: { attempts: 3 }.`,
    }
  }
  if (state === SQLSTATE.UNSAFE_NEW_ENUM_VALUE_USAGE) {
    return {
      code: 'DATABASE_ERROR',
      message: `${describe(error, facts)} Use it in a later migration: it has to be committed before.`,
    }
  }
  if (state.startsWith('23')) return { code: 'CONFLICT', message: describe(error, facts) }
  if (SERVER_GOES.has(state)) {
    return {
      code: 'CONNECTION_LOST',
      message: `The server ended the connection (SQLSTATE ${state}). Run it again.`,
    }
  }
  if (state.startsWith('08') && state !== SQLSTATE.PROTOCOL_VIOLATION) {
    return {
      code: 'CONNECTION_LOST',
      message: `The server cannot reach another one that the statement needs (SQLSTATE ${state}). Nothing was committed; run it again.`,
    }
  }
  if (state === SQLSTATE.INTERNAL_ERROR && error.routine === PART_OF_ANOTHER_NODE) {
    return {
      code: 'CONNECTION_LOST',
      message: `Another node that the statement needs went away or refused its part (SQLSTATE ${state}). Nothing was committed; run it again, and look at that node when it stays so.`,
    }
  }
  if (state === SQLSTATE.QUERY_CANCELED && facts && facts.elapsed >= facts.statementTimeout * 0.9) {
    return timeout(`The statement ran longer than statementTimeout (${facts.statementTimeout} ms).`)
  }
  if (state === SQLSTATE.LOCK_NOT_AVAILABLE) {
    if (error.routine === OF_ANOTHER_NODE && LOCK_TIMEOUT.test(error.message))
      return timeout('The statement waited for a lock of another node longer than lock_timeout there.')
    // NOWAIT raises the same state from other routines; the timeout always comes from this one.
    if (error.routine !== 'ProcessInterrupts') return { code: 'CONFLICT', message: describe(error, facts) }
    return timeout(
      `The statement waited for a lock longer than lockTimeout (${facts?.lockTimeout ?? '?'} ms).`,
    )
  }
  const counts = PARAMETERS.exec(error.message.slice(0, 200))
  if (state === SQLSTATE.PROTOCOL_VIOLATION && counts) {
    const [, sent, wanted] = counts
    return {
      code: 'DATABASE_ERROR',
      message: `The statement has ${wanted} parameters ($1 and so on), and ${sent} values came with it. Give query(text, values) one value for each.`,
    }
  }
  if (state === SQLSTATE.SYNTAX_ERROR && error.message.includes('multiple commands')) {
    return {
      code: 'STATEMENT_REFUSED',
      message: 'A query holds one statement. Send several as several queries, or as one WITH query.',
    }
  }
  return { code: 'DATABASE_ERROR', message: describe(error, facts) }
}

/**
 * What Citus says of a node that every change of a schema goes through, in no other words: it could not begin or prepare there.
 * The node was restarted, mostly, and the connection kept from before. From commits on Citus does not raise it.
 */
const PART_OF_ANOTHER_NODE = 'MarkRemoteTransactionFailed'
/** What Citus reports an error of a worker from; whose own routine is not told. */
const OF_ANOTHER_NODE = 'ReportResultError'
/** Of `ProcessInterrupts`, in English: what a worker says in another language stays a CONFLICT. */
const LOCK_TIMEOUT = /due to lock timeout$/

/** Of `exec_bind_message`, in English. */
const PARAMETERS = /^bind message supplies (\d+) parameters, but prepared statement ".*" requires (\d+)$/

function timeout(message: string): { code: ErrorCode; message: string } {
  return { code: 'TIMEOUT', message }
}

/** The names of conditions, so that an error reads without a table at hand. */
const CONDITIONS: ReadonlyMap<string, string> = new Map(
  Object.entries(SQLSTATE).map(([name, state]) => [state, name.toLowerCase().replaceAll('_', ' ')]),
)

function describe(error: ServerError, facts?: StatementFacts): string {
  const reason = reasonOf(error, facts?.text) ?? CONDITIONS.get(error.code)
  return `PostgreSQL refused the statement${reason === undefined ? '' : `: ${reason}`} (SQLSTATE ${error.code}).`
}
