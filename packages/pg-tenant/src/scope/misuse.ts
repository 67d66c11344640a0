import { TenancyError } from '@org/core'

/** @throws TenancyError VALIDATION_ERROR when what should be run in a scope cannot be called */
export function requireCallback(fn: unknown): void {
  if (typeof fn === 'function') return
  throw new TenancyError('VALIDATION_ERROR', 'A scope takes a function: withTenant(key, async (db) => …).')
}

/** A callback returned while something it had started was still running (hazard d). */
export function notAwaited(): TenancyError {
  return new TenancyError(
    'QUERY_NOT_AWAITED',
    'The callback returned while a query (or stream or savepoint) of it was still running, so everything was rolled ' +
      'back. Await every promise you get from db.',
  )
}

/** A callback caught the error of a failed statement and went on (hazard a). */
export function swallowed(first: TenancyError): TenancyError {
  return new TenancyError(
    'SILENT_ROLLBACK',
    'A statement failed and the callback went on as if it had not. PostgreSQL would have answered COMMIT with a ' +
      'rollback; everything was rolled back. Let the error through, or put the statement in db.savepoint(fn).',
    { details: { first: first.code, sqlState: first.details.sqlState ?? null }, cause: first },
  )
}
