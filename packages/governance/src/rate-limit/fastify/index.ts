import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Caller, RateLimiter } from '../rate-limit.ts'

/** The tenant that was resolved, else `request.ip`. */
const callerOf = (request: FastifyRequest): Caller => ({
  tenant: (request as { readonly tenant?: string }).tenant,
  address: request.ip,
})

/**
 * A hook (`onRequest`, `preHandler`) that refuses what is too much with RATE_LIMITED, and says in every answer what is left.
 *
 * @example
 * ```ts
 * import { rateLimit } from '@org/governance/rate-limit'
 * import { limit } from '@org/governance/rate-limit/fastify'
 * import Fastify from 'fastify'
 *
 * const limiter = rateLimit({ categories: { api: { limit: 600, seconds: 60 } } })
 * const app = Fastify()
 * app.addHook('preHandler', limit(limiter, 'api')) // behind tenant(…): by tenant
 * ```
 */
export function limit<Category extends string>(
  limiter: RateLimiter<Category>,
  category: Category,
  caller: (request: FastifyRequest) => Caller = callerOf,
): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  return async (request, reply) => {
    await limiter.require(caller(request), category, (fields) => reply.headers(fields))
  }
}
