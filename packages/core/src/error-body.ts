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
  options: { readonly locale?: string | undefined; readonly requestId?: string | undefined } = {},
): { readonly status: number; readonly body: ErrorBody } {
  const known = isTenancyError(error) && Object.hasOwn(ERROR_CODES, error.code) ? error : undefined
  const code: ErrorCode = known?.code ?? 'INTERNAL_ERROR'
  const status = ERROR_CODES[code].status
  const details =
    known && status < 500 && Object.keys(known.details ?? {}).length > 0 ? known.details : undefined
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

/** The sentence a person reads for `code`, in the language of `locale` they like best of those we have (else English). */
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
