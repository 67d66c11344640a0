import { isTenancyError, TenancyError, toErrorBody } from '@org/core'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** Answers anything that was thrown: `{ error: { code, message, details?, requestId } }` in the client's language. */
export function answerError(error: unknown, c: Context): Response {
  const requestId = String(c.get('requestId'))
  const { status, body } = toErrorBody(forClients(error), {
    requestId,
    locale: c.req.header('accept-language') ?? 'en',
  })
  if (status >= 500) log(error, requestId)
  return c.json(body, status as ContentfulStatusCode)
}

/** To a client, a tenant without a schema is a tenant that does not exist. */
function forClients(error: unknown): unknown {
  if (!isTenancyError(error, 'SCHEMA_MISSING')) return error
  return new TenancyError('TENANT_NOT_FOUND', 'There is no such tenant.', { cause: error })
}

/** One line of JSON. A coded error is safe to log as it is; of any other only where it came from. */
function log(error: unknown, requestId: string): void {
  const entry = isTenancyError(error)
    ? { code: error.code, message: error.message, details: error.details }
    : {
        code: 'INTERNAL_ERROR',
        at: error instanceof Error ? error.stack?.match(/^ +at .+$/m)?.[0] : undefined,
      }
  console.error(JSON.stringify({ level: 'error', requestId, ...entry }))
}
