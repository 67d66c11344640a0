import { ERROR_CODES, type ErrorCode, type Locale } from './error-codes.ts'
import { isTenancyError } from './tenancy-error.ts'

/** The body of every error response. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly details?: Readonly<Record<string, string | number | boolean | null>>
    readonly requestId?: string
  }
}

/**
 * Turns anything that was thrown into a status and a body that is safe to send: the text comes from the code, in
 * the reader's language, and `details` go out only for errors the client can act on (status 400 to 499).
 *
 * @param options.locale `en` (default), `pt` or `es`; a full `Accept-Language` value works too (RFC 9110, 12.5.4)
 * @returns `status` for the response and its `body`
 */
export function toErrorBody(
  error: unknown,
  options: { readonly locale?: string; readonly requestId?: string } = {},
): { readonly status: number; readonly body: ErrorBody } {
  const known = isTenancyError(error) && Object.hasOwn(ERROR_CODES, error.code) ? error : undefined
  const code: ErrorCode = known?.code ?? 'INTERNAL_ERROR'
  const status = ERROR_CODES[code].status
  const details = known && status < 500 && Object.keys(known.details).length > 0 ? known.details : undefined
  return {
    status,
    body: {
      error: {
        code,
        message: messageFor(code, options.locale),
        ...(details && { details }),
        ...(options.requestId !== undefined && { requestId: options.requestId }),
      },
    },
  }
}

/** The sentence a person reads for `code`, in the first language of `locale` that we have (else English). */
export function messageFor(code: ErrorCode, locale = 'en'): string {
  const text = ERROR_CODES[code].text
  for (const wanted of locale.slice(0, 200).split(',')) {
    const language = wanted.trim().slice(0, 2).toLowerCase()
    if (Object.hasOwn(text, language)) return text[language as Locale]
  }
  return text.en
}
