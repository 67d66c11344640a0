import type { IncomingMessage, ServerResponse } from 'node:http'
import { type CanActivate, type ExecutionContext, UseGuards } from '@nestjs/common'
import type { Caller, RateLimiter } from '../rate-limit.ts'

/** What is read of a request, on Nest's Express and Fastify platforms. */
export type NestRequest = IncomingMessage & { readonly ip?: string; readonly tenant?: string }

const callerOf = ({ ip, socket, tenant }: NestRequest): Caller => ({
  tenant,
  address: ip ?? socket?.remoteAddress,
})

/**
 * A decorator of controllers and handlers that refuses what is too much with RATE_LIMITED, and says in every answer what is
 * left. It is a guard: what was resolved by guards in front counts by tenant.
 *
 * @example
 * ```ts
 * import { rateLimit } from '@org/governance/rate-limit'
 * import { Limit } from '@org/governance/rate-limit/nest'
 * import { Controller, Get } from '@nestjs/common'
 *
 * const limiter = rateLimit({ categories: { api: { limit: 600, seconds: 60 } } })
 *
 * @Controller('notes')
 * @Limit(limiter, 'api')
 * export class Notes {
 *   @Get()
 *   all() {
 *     return { data: [] }
 *   }
 * }
 * ```
 */
export function Limit<Category extends string>(
  limiter: RateLimiter<Category>,
  category: Category,
  caller: (request: NestRequest) => Caller = callerOf,
): ClassDecorator & MethodDecorator {
  return UseGuards(new RateLimitGuard(limiter, category, caller))
}

class RateLimitGuard<Category extends string> implements CanActivate {
  readonly #limiter: RateLimiter<Category>
  readonly #category: Category
  readonly #caller: (request: NestRequest) => Caller

  constructor(limiter: RateLimiter<Category>, category: Category, caller: (request: NestRequest) => Caller) {
    this.#limiter = limiter
    this.#category = category
    this.#caller = caller
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp()
    const response = http.getResponse<ServerResponse & { readonly raw?: ServerResponse }>()
    const node = response.raw ?? response
    await this.#limiter.require(this.#caller(http.getRequest<NestRequest>()), this.#category, (fields) => {
      for (const [name, value] of Object.entries(fields)) node.setHeader(name, value)
    })
    return true
  }
}
