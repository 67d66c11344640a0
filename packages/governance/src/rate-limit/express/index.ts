import type { Request, RequestHandler } from 'express'
import type { Caller, RateLimiter } from '../rate-limit.ts'

/** What an Express 5 request says of who it is from: the tenant that was resolved, else `req.ip`. */
const callerOf = (req: Request): Caller => ({
  tenant: (req as { readonly tenant?: string }).tenant,
  address: req.ip,
})

/**
 * Refuses what is too much with `next(RATE_LIMITED)`, and says in every answer what is left. In front of the tenant's
 * middleware it counts by address; behind it, by tenant.
 *
 * @example
 * ```ts
 * import { rateLimit } from '@org/governance/rate-limit'
 * import { limit } from '@org/governance/rate-limit/express'
 * import express from 'express'
 *
 * const limiter = rateLimit({ categories: { login: { limit: 10, seconds: 60 }, api: { limit: 600, seconds: 60 } } })
 * const app = express()
 * app.use('/v1/auth', limit(limiter, 'login')) // nobody yet: by address
 * app.use('/v1', limit(limiter, 'api')) // behind tenant(…): by tenant
 * ```
 */
export function limit<Category extends string>(
  limiter: RateLimiter<Category>,
  category: Category,
  caller: (request: Request) => Caller = callerOf,
): RequestHandler {
  return (req, res, next) => {
    limiter.require(caller(req), category, (fields) => res.set(fields)).then(() => next(), next)
  }
}
