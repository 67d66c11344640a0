import type { TenancyError } from '@org/core'

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
