import { isTenancyError, SQLSTATE, TenancyError } from '@org/core'
import pg from 'pg'
import { NAMED, namesOf } from '../errors/field-rule.ts'
import { driverError, isServerError, type ServerError } from '../errors/server-error.ts'
import { isRaised, reasonOf } from '../errors/server-reason.ts'

/** `safe`: what can hold a value is left out; `pg`: as `pg` says it, values and all. */
export type ErrorStyle = 'safe' | 'pg'

/** What the scope answers, not the statement: no SQLSTATE says it. */
const OF_THE_SCOPE: ReadonlySet<string> = new Set([
  'SCHEMA_MISSING',
  'SCHEMA_UNUSABLE',
  'TENANT_SUSPENDED',
  'SCOPE_ESCAPED',
  'UNKNOWN_OUTCOME',
  'CONNECTION_LOST',
])

const BEGIN = 'It takes ISOLATION LEVEL, READ ONLY or READ WRITE, and DEFERRABLE.'

/** What a client of `pg` does in place of what a scope would. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['COPY', 'Pass client.query a stream of pg-copy-streams: from(sql) or to(sql).'],
  ['BEGIN', BEGIN],
  ['START', BEGIN],
  ['SET', "Role and session are the tenant's; SET name = value is kept for the client."],
])

function insteadOf({ code, details, cause }: TenancyError, instead: string): TenancyError {
  return new TenancyError(code, `A tenant's pool does not run ${String(details.command)} so. ${instead}`, {
    details,
    cause,
  })
}

/** What never holds a value (manual 54.8); names do where somebody's own code raised the error. */
const FACTS = ['severity', 'code', 'file', 'line', 'routine', 'position'] as const
const VALUES = ['detail', 'hint', 'internalPosition', 'internalQuery', 'where'] as const

/**
 * The error as libraries over `pg` know it: a `pg.DatabaseError` with SQLSTATE, constraint, table and column, the
 * {@link TenancyError} as its `cause`. What did not come from the server is the TenancyError itself.
 */
export function asDatabaseError(error: unknown, style: ErrorStyle): unknown {
  if (!isTenancyError(error)) return error
  const instead = INSTEAD.get(String(error.details.command))
  if (error.code === 'STATEMENT_REFUSED' && instead !== undefined) return insteadOf(error, instead)
  const original = driverError(error)
  if (!isServerError(original) || OF_THE_SCOPE.has(error.code)) return error
  const message = style === 'pg' ? original.message : (reasonOf(original) ?? error.message)
  const made = Object.assign(new pg.DatabaseError(message, message.length, 'error'), pick(original, FACTS), {
    cause: error,
  })
  if (style === 'pg') return Object.assign(made, pick(original, [...NAMED, ...VALUES]))
  // RAISE … USING takes any text for a name, and for the detail.
  Object.assign(made, namesOf(original))
  const detail = isRaised(original) ? undefined : safeDetail(original)
  return detail === undefined ? made : Object.assign(made, { detail })
}

/** `Key (email)=(ana@example.com) already exists.` without the value: libraries read the columns from it. */
function safeDetail({ code, detail }: ServerError & { readonly detail?: string }): string | undefined {
  if (code !== SQLSTATE.UNIQUE_VIOLATION && code !== SQLSTATE.FOREIGN_KEY_VIOLATION) return undefined
  const columns = /^Key \(([^()]{1,500})\)=/.exec(detail ?? '')?.[1]
  if (columns === undefined) return undefined
  return `Key (${columns})=(…) ${code === SQLSTATE.UNIQUE_VIOLATION ? 'already exists.' : 'is not present or still referenced.'}`
}

function pick(from: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value: unknown = Reflect.get(from, name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

/** An error as the server would have sent it. */
function asServer(code: string, message: string, cause: unknown): Error {
  const made = new pg.DatabaseError(message, message.length, 'error')
  return Object.assign(made, { severity: 'ERROR', code, cause })
}

/** What PostgreSQL answers in a transaction that has failed: nothing runs in it any more. */
export function inFailedTransaction(): Error {
  const message = 'current transaction is aborted, commands ignored until end of transaction block'
  const advice = 'An earlier statement of this transaction failed: roll back first.'
  return asServer(SQLSTATE.IN_FAILED_SQL_TRANSACTION, message, new TenancyError('SCOPE_FAILED', advice))
}

/** What PostgreSQL answers when somebody has cancelled the statement. */
export const canceled = (cause: unknown): Error =>
  asServer(SQLSTATE.QUERY_CANCELED, 'canceling statement due to user request', cause)

/** A savepoint outside a transaction. @param command as SQL has it */
export function noTransaction(command: string): Error {
  const advice = `${command} is used inside a transaction: BEGIN first.`
  const message = `${command} can only be used in transaction blocks`
  return asServer(SQLSTATE.NO_ACTIVE_SQL_TRANSACTION, message, new TenancyError('STATEMENT_REFUSED', advice))
}

/** A savepoint that is not there. */
export const noSavepoint = (name: string, cause: unknown): Error =>
  asServer(SQLSTATE.INVALID_SAVEPOINT_SPECIFICATION, `savepoint "${name.slice(0, 63)}" does not exist`, cause)

/** What a transaction is, said too late. */
export function modeTooLate(): Error {
  const message = 'SET TRANSACTION must be called before any query'
  const advice = 'SET TRANSACTION comes before the first statement of a transaction.'
  return asServer(SQLSTATE.ACTIVE_SQL_TRANSACTION, message, new TenancyError('STATEMENT_REFUSED', advice))
}
