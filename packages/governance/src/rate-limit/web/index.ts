import { isTenancyError, toErrorBody } from '@org/core'
import type { Caller, RateLimiter } from '../rate-limit.ts'

type Handler<Its, Rest extends readonly unknown[]> = (
  request: Request,
  its: Its,
  ...rest: Rest
) => Response | Promise<Response>

/** The tenant that `tenantHandler` of `@org/pg-tenant/web` has resolved. A Web request does not know the address it came from. */
const callerOf = (_request: Request, its: unknown): Caller => ({
  tenant: (its as { readonly tenant?: string } | undefined)?.tenant,
})

/**
 * Wraps a handler of Web requests: what is too much is answered with 429 and the code RATE_LIMITED, and every answer says what is
 * left. Inside of `tenantHandler` it counts by tenant; around it, by what `caller` says.
 *
 * @example
 * ```ts
 * import { rateLimit } from '@org/governance/rate-limit'
 * import { limit } from '@org/governance/rate-limit/web'
 *
 * const limiter = rateLimit({ categories: { api: { limit: 600, seconds: 60 } } })
 * const GET = limit(limiter, 'api', async (_request: Request, _its: { readonly tenant: string }) => Response.json({ ok: true }))
 * ```
 */
export function limit<Category extends string, Its, Rest extends readonly unknown[]>(
  limiter: RateLimiter<Category>,
  category: Category,
  handler: Handler<Its, Rest>,
  caller: (request: Request, its: Its) => Caller = callerOf,
): Handler<Its, Rest> {
  return async (request, its, ...rest) => {
    const fields: Record<string, string> = {}
    try {
      await limiter.require(caller(request, its), category, (told) => Object.assign(fields, told))
    } catch (error) {
      // Thrown, it would be answered by somebody who does not know the fields.
      if (!isTenancyError(error, 'RATE_LIMITED')) throw error
      const locale = request.headers.get('accept-language') ?? undefined
      const { status, body } = toErrorBody(error, { locale })
      return Response.json(body, { status, headers: fields })
    }
    return withFields(await handler(request, its, ...rest), fields)
  }
}

/**
 * The response itself, which may be more than a copy can be: one that turns into a socket, or a framework's own. The headers of a
 * redirect, and of what `fetch` returned, cannot be changed: there a copy.
 */
function withFields(response: Response, fields: Readonly<Record<string, string>>): Response {
  const told = Object.entries(fields)
  try {
    for (const [name, value] of told) response.headers.set(name, value)
    return response
  } catch {
    const { status, statusText, body } = response
    const headers = new Headers(response.headers)
    for (const [name, value] of told) headers.set(name, value)
    return new Response(body, { status, statusText, headers })
  }
}
