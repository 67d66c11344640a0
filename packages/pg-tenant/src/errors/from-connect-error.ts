import { isTenancyError, TenancyError } from '@org/core'
import { withDriverError } from './driver-error.ts'

/** SQLSTATE 53300: the server has no connection slot left (manual, appendix A). */
const TOO_MANY_CONNECTIONS = '53300'

/** What `pool.connect()` rejected with, as a coded error: the pool was full, or the server could not be reached. */
export function fromConnectError(error: unknown): TenancyError {
  if (isTenancyError(error)) return error
  const { code, message } = error as { code?: unknown; message?: unknown }
  const reason = typeof code === 'string' && /^[A-Z0-9_]{3,30}$/.test(code) ? code : null
  if (reason === TOO_MANY_CONNECTIONS || message === 'timeout exceeded when trying to connect') {
    return withDriverError(
      new TenancyError(
        'POOL_EXHAUSTED',
        'The pool or the server has no free connection. Raise its limit or shorten your scopes.',
        { details: { reason } },
      ),
      error,
    )
  }
  return withDriverError(
    new TenancyError(
      'CONNECTION_LOST',
      `No connection to PostgreSQL could be made${reason ? ` (${reason})` : ''}. Nothing was sent; it is safe to try again.`,
      { details: { reason } },
    ),
    error,
  )
}
