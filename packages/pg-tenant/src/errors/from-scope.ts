import { type ErrorCode, SQLSTATE, TenancyError } from '@org/core'
import { fromCall, fromDatabase, type StatementFacts } from './from-database.ts'
import type { Outcome, Phase } from './outcome.ts'
import { isServerError, type ServerError, withDriverError } from './server-error.ts'

/** What a refused step of a scope means, by what the step was for. */
export function fromFailedStep(phase: Phase, error: ServerError, facts: StatementFacts): TenancyError {
  if (phase === 'gate' || phase === 'pin') return fromOpening(error, facts)
  // The cast that failed, or the portal that is gone. Anything else (a cancel, say) hit the check by chance.
  const found =
    error.code === SQLSTATE.INVALID_TEXT_REPRESENTATION || error.code === SQLSTATE.INVALID_CURSOR_NAME
  if (phase === 'tail' && found)
    return withDriverError(error.message.includes(TORN) ? torn() : escaped(), error)
  // Level `row` asks again before COMMIT whether the tenant is in service; the other levels' checks do not raise these.
  const outOfService =
    error.code === SQLSTATE.INSUFFICIENT_PRIVILEGE || error.code === SQLSTATE.INVALID_SCHEMA_NAME
  if (phase === 'tail' && outOfService) return fromOpening(error, facts)
  return fromCall(error, facts)
}

/** The scope was changed from within: its transaction, role or search path is not what its opening made it. */
export function escaped(): TenancyError {
  return new TenancyError(
    'SCOPE_ESCAPED',
    "A statement ended the scope's transaction or changed its role, search path or durability; it was not committed " +
      'by the scope. Look for COMMIT, SET ROLE or set_config inside functions and DO blocks. A tenant that was suspended meanwhile ' +
      'looks the same.',
  )
}

/** In the message of a check that failed (isolation/whole.ts), by which it is recognised in any language. */
export const TORN = 'pg_tenant:torn'

/** It wrote what two nodes commit one after the other. */
function torn(): TenancyError {
  return new TenancyError(
    'STATEMENT_REFUSED',
    'This scope wrote the tenant’s tables, which another node commits, and an ordinary table of this one: a crash in between would ' +
      'keep only one half. Nothing was committed. Make the ordinary table known to Citus (create_reference_table or ' +
      'citus_add_local_table_to_metadata), or write the two in scopes of their own.',
    { details: { reason: 'torn' } },
  )
}

function fromOpening(error: ServerError, facts: StatementFacts): TenancyError {
  const { code } = error
  const say = (errorCode: ErrorCode, text: string) =>
    withDriverError(new TenancyError(errorCode, text, { details: { sqlState: code } }), error)
  if (
    code === SQLSTATE.UNDEFINED_TABLE ||
    code === SQLSTATE.UNDEFINED_FUNCTION ||
    code === SQLSTATE.INVALID_SCHEMA_NAME ||
    code === SQLSTATE.INVALID_PARAMETER_VALUE
  ) {
    return say(
      'SCHEMA_MISSING',
      "The tenant's schema, role or marker table is not there. Run provision(key) first; nothing was committed.",
    )
  }
  if (code === SQLSTATE.INSUFFICIENT_PRIVILEGE) {
    return say(
      'SCHEMA_UNUSABLE',
      "The application may not act for this tenant: it lacks membership in the tenant's role, or the role lacks USAGE " +
        'on its schema. Run provision(key) again; nothing was committed.',
    )
  }
  return fromDatabase(error, facts)
}

/** The connection went away before COMMIT was sent: PostgreSQL rolls back, nothing was committed. */
export function connectionLost(error: Error): TenancyError {
  const state = isServerError(error) ? error.code : null
  if (state === SQLSTATE.IDLE_IN_TRANSACTION_SESSION_TIMEOUT || state === SQLSTATE.TRANSACTION_TIMEOUT) {
    return withDriverError(
      new TenancyError(
        'TIMEOUT',
        'The scope sat idle between statements longer than idleTimeout, so the server ended it. Nothing was committed.',
        { details: { sqlState: state } },
      ),
      error,
    )
  }
  return withDriverError(
    new TenancyError('CONNECTION_LOST', 'The connection was lost before COMMIT; nothing was committed.', {
      details: { sqlState: state },
    }),
    error,
  )
}

const LOST =
  'The connection was lost while COMMIT was under way: it may or may not have taken effect. Check before you try again, ' +
  'make the work idempotent, or use resolveUnknownOutcome.'
const LOST_ELSEWHERE =
  'Another node failed while COMMIT was under way: it may or may not have taken effect there. Check before you try again, ' +
  'or make the work idempotent.'

/** COMMIT was on its way when the connection, or one from the server to another node that commits, went away. */
export function unknownOutcome(error: Error, where: 'here' | 'elsewhere' = 'here'): TenancyError {
  return withDriverError(
    new TenancyError('UNKNOWN_OUTCOME', where === 'here' ? LOST : LOST_ELSEWHERE, {
      details: { sqlState: isServerError(error) ? error.code : null },
    }),
    error,
  )
}

/**
 * A connection lost in an exchange that held COMMIT. The server itself saying FATAL while it was busy with an
 * earlier step proves that COMMIT was not reached (a pooler's words prove nothing; only the server names a routine).
 */
export function fromLostCommit(
  outcome: Extract<Outcome, { kind: 'lost' }>,
  commitStep: number,
): TenancyError {
  const { error, step } = outcome
  const proven = isServerError(error) && error.routine !== undefined && step < commitStep
  return proven ? connectionLost(error) : unknownOutcome(error)
}

/** The error for work given up because the caller's AbortSignal fired. Nothing of it was committed. */
export function aborted(signal: AbortSignal): TenancyError {
  const reason: unknown = signal.reason
  return new TenancyError('ABORTED', 'The caller aborted this; nothing was committed.', {
    details: { reason: reason instanceof Error ? reason.name : typeof reason },
  })
}
