import { SQLSTATE, sqlStateOf, TenancyError } from '@org/core'

/** Somebody else is at it: the same request, sent again later, is answered. */
export function inFlight(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'A request with this idempotency key is being worked on. Send it again later.',
    {
      details: { reason: 'in_flight' },
    },
  )
}

export function reused(): TenancyError {
  return new TenancyError(
    'IDEMPOTENCY_KEY_REUSED',
    'This idempotency key was used for another request: method, path, query and body must be the same. Use a new key.',
    { details: { field: 'Idempotency-Key' } },
  )
}

/** Work with a lease took longer than the lease, and somebody else has taken it over. */
export function leaseLost(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'The lease on this idempotency key was lost: the work took longer than it, and somebody else took over. Nothing of ' +
      'the last step was committed.',
    { details: { reason: 'lease_lost' } },
  )
}

/** Errors after which nothing can be found out, or need not be: no connection, no tenant, not our transaction. */
const PLAIN: ReadonlySet<unknown> = new Set([
  'UNKNOWN_OUTCOME',
  'CONNECTION_LOST',
  'POOL_EXHAUSTED',
  'ABORTED',
  'TENANT_SUSPENDED',
  'TENANT_NOT_FOUND',
  'INVALID_TENANT_KEY',
  'SCHEMA_MISSING',
  'SCHEMA_UNUSABLE',
])

export function isPlain(error: unknown): boolean {
  return PLAIN.has((error as { code?: unknown } | null)?.code)
}

export const isLockTimeout = (error: unknown): boolean => sqlStateOf(error) === SQLSTATE.LOCK_NOT_AVAILABLE

/** What a claim fails with, of whichever kind it is. */
export function isClaims(error: unknown): boolean {
  return isTaken(error) || isLockTimeout(error) || isDuplicate(error)
}

/** What {@link CLAIM_FRESH} raises when the key was used. */
export function isDuplicate(error: unknown): boolean {
  const { constraint, details } = (error ?? {}) as {
    constraint?: unknown
    details?: { constraint?: unknown }
  }
  return (constraint ?? details?.constraint) === 'pk_idempotency_key'
}

/** What {@link CLAIM} raises when the key was used. */
export const isTaken = (error: unknown): boolean => sqlStateOf(error) === SQLSTATE.INVALID_TEXT_REPRESENTATION
