import { ERROR_CODES, type ErrorCode, type Locale } from './error-codes.ts'
import { SQLSTATE } from './sqlstate.ts'
import { type ErrorDetails, isTenancyError, type TenancyError } from './tenancy-error.ts'
import { violatedField } from './violated-field.ts'

/** The body of every error response. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly details?: ErrorDetails
    readonly requestId?: string
  }
}

/** An error as it is answered over HTTP. */
export interface ErrorAnswer {
  readonly status: number
  readonly body: ErrorBody
  /** Seconds after which trying again makes sense, for `Retry-After`; only with status 429 and 503. */
  readonly retryAfter?: number
}

/**
 * Turns anything that was thrown into a status and a body that is safe to send: the text comes from the code, in
 * the reader's language, and `details` go out only for errors the client can act on (status 400 to 499), without
 * anything that names the inside of the database.
 *
 * Codes about the inside are answered by the public code of their status; see {@link publicCode}.
 *
 * @param options.locale `en` (default), `pt` or `es`; a full `Accept-Language` value works too (RFC 9110, 12.5.4)
 * @example
 * ```ts
 * import { TenancyError, toErrorBody } from '@org/core'
 *
 * const error = new TenancyError('VALIDATION_ERROR', 'limit is 1 to 100.', { details: { field: 'limit' } })
 * const { status, body } = toErrorBody(error, { locale: 'es', requestId: 'r-1' })
 * status // → 400
 * body.error.details // → { field: 'limit' }
 * ```
 */
export function toErrorBody(
  error: unknown,
  options: { readonly locale?: string | undefined; readonly requestId?: string | undefined } = {},
): ErrorAnswer {
  const code = publicCode(error)
  const { status } = ERROR_CODES[code]
  const details = status < 500 && isTenancyError(error) ? publicDetails(error) : undefined
  const retryAfter = retryAfterOf(error, status)
  return {
    status,
    body: {
      error: {
        code,
        message: messageFor(code, options.locale),
        ...(details && Object.keys(details).length > 0 && { details }),
        ...(options.requestId !== undefined && { requestId: options.requestId }),
      },
    },
    ...(retryAfter !== undefined && { retryAfter }),
  }
}

/** Of the codes with status 500 and above, those a client is told; it has to know an unknown outcome. */
const SHOWN: ReadonlySet<ErrorCode> = new Set([
  'INTERNAL_ERROR',
  'DATABASE_ERROR',
  'SERVICE_UNAVAILABLE',
  'UNKNOWN_OUTCOME',
])

/** The same request, sent again, may well succeed. */
const TRANSIENT: readonly unknown[] = [SQLSTATE.SERIALIZATION_FAILURE, SQLSTATE.DEADLOCK_DETECTED]

/**
 * The code a client is told for anything that was thrown. What is wrong inside is `INTERNAL_ERROR`; what will pass (no
 * connection, a timeout, a serialization failure) is `SERVICE_UNAVAILABLE`. Logs keep the code itself.
 *
 * @example
 * ```ts
 * import { publicCode, TenancyError } from '@org/core'
 *
 * publicCode(new TenancyError('TENANT_NOT_FOUND', 'No such tenant.')) // → 'TENANT_NOT_FOUND'
 * publicCode(new TenancyError('TIMEOUT', 'A statement took too long.')) // → 'SERVICE_UNAVAILABLE'
 * publicCode(new TypeError('x is not a function')) // → 'INTERNAL_ERROR'
 * ```
 */
export function publicCode(error: unknown): ErrorCode {
  if (!isTenancyError(error) || !Object.hasOwn(ERROR_CODES, error.code)) return 'INTERNAL_ERROR'
  const { code } = error
  if (code === 'TIMEOUT') return 'SERVICE_UNAVAILABLE'
  if (code === 'CONFLICT' && TRANSIENT.includes(error.details?.sqlState)) return 'SERVICE_UNAVAILABLE'
  const { status } = ERROR_CODES[code]
  if (status < 500 || SHOWN.has(code)) return code
  return status === 503 ? 'SERVICE_UNAVAILABLE' : 'INTERNAL_ERROR'
}

/** What a database calls its parts; no business of a client. */
const INSIDE: ReadonlySet<string> = new Set([
  'sqlState',
  'schema',
  'table',
  'column',
  'constraint',
  'dataType',
  'parameter',
])

/** `details` without the names of the database's parts; a unique violation says which field. */
function publicDetails({ code, details }: TenancyError): ErrorDetails {
  const outside = Object.entries(details ?? {}).filter(([name]) => !INSIDE.has(name))
  const field = code === 'DUPLICATE_RESOURCE' ? violatedField(details ?? {}) : undefined
  return { ...(field !== undefined && { field }), ...Object.fromEntries(outside) }
}

/**
 * Seconds to wait before trying again: what the error says (`details.retryAfter`, 1 to 86,400), else 1 for status 503;
 * `undefined` where trying again does not help.
 */
function retryAfterOf(error: unknown, status: number): number | undefined {
  if (status !== 429 && status !== 503) return undefined
  const said = isTenancyError(error) ? error.details?.retryAfter : undefined
  if (typeof said === 'number' && said > 0) return Math.min(86_400, Math.ceil(said))
  return status === 503 ? 1 : undefined
}

/**
 * The sentence a person reads for `code`, in the language of `locale` they like best of those we have (else English).
 *
 * @example
 * ```ts
 * import { messageFor } from '@org/core'
 *
 * messageFor('TENANT_NOT_FOUND') === messageFor('TENANT_NOT_FOUND', 'fr, en;q=0.5') // → true
 * messageFor('TENANT_NOT_FOUND', 'pt-BR') === messageFor('TENANT_NOT_FOUND') // → false
 * ```
 */
export function messageFor(code: ErrorCode, locale: unknown = 'en'): string {
  const text = ERROR_CODES[code].text
  for (const language of languagesOf(locale)) {
    if (Object.hasOwn(text, language)) return text[language as Locale]
  }
  return text.en
}

/** The languages of an `Accept-Language` value, best first, regions left out; a header sent twice arrives as an array. */
function languagesOf(locale: unknown): string[] {
  return String(locale)
    .slice(0, 200)
    .split(',')
    .map((part) => {
      const [tag = '', quality] = part.split(';')
      const weight = Number(quality?.trim().replace(/^q=/i, '') ?? 1)
      return { language: tag.trim().split('-')[0]?.toLowerCase() ?? '', weight }
    })
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map(({ language }) => language)
}
