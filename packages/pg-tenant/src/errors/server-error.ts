import type { TenancyError } from '@org/core'

/** An ErrorResponse as `pg` hands it over (manual 54.8). Holds values: never shown, logged or rethrown. */
export interface ServerError extends Error {
  readonly severity: string
  readonly code: string
  readonly position?: string
  /** The same in SQL that a function executes. */
  readonly internalPosition?: string
  readonly internalQuery?: string
  /** The context: one line for each call, the innermost first. */
  readonly where?: string
  readonly schema?: string
  readonly table?: string
  readonly column?: string
  readonly constraint?: string
  readonly dataType?: string
  readonly routine?: string
}

/** Whether the error came from the server as an ErrorResponse, not from the driver or the socket. */
export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && typeof (error as Partial<ServerError>).severity === 'string'
}

const originals = new WeakMap<TenancyError, unknown>()

/**
 * The error of `pg` behind a {@link TenancyError}, or `undefined`.
 *
 * It is not the `cause`, because causes get logged: its `message`, `detail` and `where` can hold values of the
 * query, and so personal data. Look at it while developing; never log it, never send it.
 *
 * @example
 * ```ts
 * import { isTenancyError } from '@org/core'
 * import { driverError } from '@org/pg-tenant'
 *
 * const error = await tenancy.query('acme', 'select 1 / 0').catch((error: unknown) => error)
 * const original = isTenancyError(error) ? driverError(error) : undefined
 * original instanceof Error && original.message // → 'division by zero'
 * ```
 */
export function driverError(error: TenancyError): unknown {
  return originals.get(error)
}

/** Keeps the original where only {@link driverError} finds it. */
export function withDriverError(error: TenancyError, original: unknown): TenancyError {
  originals.set(error, original)
  return error
}
