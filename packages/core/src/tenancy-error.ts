import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

/** Facts about an error that are safe to log: names and numbers, never SQL parameters, secrets or personal data. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>

/** Marks our errors across copies of this package (two versions in one tree, or a bundle). */
const MARK = Symbol.for('@org/core/TenancyError')

/**
 * The one error class of these packages. `code` says what went wrong and never changes meaning; `message` is for
 * the developer and says what to do next; `details` and `message` are safe to log.
 *
 * To a person or an API client show `toErrorBody(error)`, whose text comes from the code.
 */
export class TenancyError extends Error {
  /** The name survives bundlers, which rename classes. */
  override readonly name = 'TenancyError'
  readonly code: ErrorCode
  /** The HTTP status (RFC 9110) that fits the code. */
  readonly status: number
  readonly details: ErrorDetails

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly details?: ErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = ERROR_CODES[code].status
    this.details = options.details ?? {}
    Object.defineProperty(this, MARK, { value: true })
  }
}

/**
 * Whether `value` is a {@link TenancyError} (of this copy of the package or another), optionally of one code.
 *
 * @example
 * ```ts
 * import { isTenancyError, TenancyError } from '@org/core'
 *
 * const error: unknown = new TenancyError('CONFLICT', 'Somebody was faster.')
 * isTenancyError(error) // → true
 * isTenancyError(error, 'TENANT_NOT_FOUND') // → false
 * isTenancyError(new Error('CONFLICT')) // → false
 * ```
 */
export function isTenancyError(value: unknown, code?: ErrorCode): value is TenancyError {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { [MARK]?: unknown })[MARK] === true &&
    (code === undefined || (value as TenancyError).code === code)
  )
}
