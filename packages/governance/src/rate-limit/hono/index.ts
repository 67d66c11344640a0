import type { Context, Env, MiddlewareHandler } from 'hono'
import type { Caller, RateLimiter } from '../rate-limit.ts'

/** The tenant that was resolved, else the address at the other end, where `@hono/node-server` serves. */
function callerOf(c: Context): Caller {
  const { incoming } = (c.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } }
  return {
    tenant: (c.var as { readonly tenant?: string }).tenant,
    address: incoming?.socket?.remoteAddress,
  }
}

/**
 * Refuses what is too much by throwing RATE_LIMITED, for `app.onError`, and says in every answer what is left. In front of
 * the tenant's middleware it counts by address; behind it, by tenant.
 *
 * @example
 * ```ts
 * import { rateLimit } from '@org/governance/rate-limit'
 * import { limit } from '@org/governance/rate-limit/hono'
 * import { Hono } from 'hono'
 *
 * const limiter = rateLimit({ categories: { api: { limit: 600, seconds: 60 } } })
 * new Hono().use('/v1/*', limit(limiter, 'api')) // behind tenant(…): by tenant
 * ```
 */
export function limit<E extends Env, Category extends string>(
  limiter: RateLimiter<Category>,
  category: Category,
  caller: (context: Context<E>) => Caller = callerOf,
): MiddlewareHandler<E> {
  return async (c, next) => {
    await limiter.require(caller(c), category, (fields) => {
      for (const [name, value] of Object.entries(fields)) c.header(name, value)
    })
    await next()
  }
}
