import { type ErrorBody, type ErrorCode, TenancyError, toErrorBody } from '@org/core'
import type { ErrorContext, OnError } from './options.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ErrorBody
}

/** The answer to anything that was thrown, in the language the client likes best. */
export function answerOf(
  error: unknown,
  { requestId, locale }: { readonly requestId: string; readonly locale: string | undefined },
): HttpAnswer {
  const { status, body, retryAfter } = toErrorBody(error, { requestId, locale })
  const allow = body.error.details?.allow
  return {
    status,
    body,
    headers: {
      'Content-Type': 'application/json; charset=utf-8',
      // An error is nobody else's, and it is in one language.
      'Cache-Control': 'no-store',
      Vary: 'Accept-Language',
      'X-Request-Id': requestId,
      ...(retryAfter !== undefined && { 'Retry-After': String(retryAfter) }),
      // Obliged with 401 (RFC 9110, 15.5.2).
      ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
      // And with 405 (15.5.6).
      ...(status === 405 && allow !== undefined && { Allow: String(allow) }),
    },
  }
}

/** Thrown to roll back a request's transaction whose handler has answered with an error. */
export const REFUSED = new Error('The request was answered with an error; its transaction is rolled back.')

/** The codes for what a framework itself refuses (a body that is no JSON, too large, …). */
const OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN_ACTION',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  409: 'CONFLICT',
  429: 'RATE_LIMITED',
  503: 'SERVICE_UNAVAILABLE',
}

/** A framework's refusal by its status, as a coded error; other 4xx are VALIDATION_ERROR. */
export function fromHttpStatus(status: number, cause: unknown): TenancyError {
  const code = OF_STATUS[status] ?? (status >= 400 && status <= 499 ? 'VALIDATION_ERROR' : 'INTERNAL_ERROR')
  return new TenancyError(code, `The framework refused the request (${status}).`, { cause })
}

/** Tells `onError` of what is our own fault; a tracker that throws fails no request. */
export function report(onError: OnError | undefined, error: unknown, context: ErrorContext): void {
  if (onError === undefined || context.status < 500) return
  try {
    onError(error, context)
  } catch {
    // Nothing to tell it to.
  }
}
