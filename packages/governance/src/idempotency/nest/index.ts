import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  UseInterceptors,
} from '@nestjs/common'
import { Observable } from 'rxjs'
import { answerError, parsedBody, serveOnce } from '../http/node.ts'
import {
  checkHandler,
  type HttpIdempotencyOptions,
  type HttpSettings,
  httpSettings,
  type IdempotentRouteOptions,
  requestOf,
} from '../http/options.ts'

export type { HttpIdempotencyOptions, IdempotentRouteOptions } from '../http/options.ts'

/** What is read of a request, on Nest's Express and Fastify platforms. */
export type NestRequest = IncomingMessage & { readonly originalUrl: string; readonly body?: unknown }

/** Idempotent handlers of a Nest app. Made by {@link createIdempotency}. */
export interface NestIdempotency {
  /**
   * Marks a handler: it runs in one transaction of the tenant with the request's key; the answer (streamed or not, also by
   * `@Res()`) leaves when it is committed, and is what a repetition gets. An answer of 400 and above rolls back and frees
   * the key.
   *
   * @param handler what is done, e.g. the key of the `tool_action`
   * @throws TenancyError INVALID_OPTION
   */
  Idempotent(handler: string, options?: IdempotentRouteOptions): MethodDecorator
  /** Names the resource that a route with `secret` has made: all that is kept of its answer. */
  reference(request: object, id: string): void
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * const { Idempotent } = createIdempotency({ scopes: tenancy, sealing: envelopes })
 *
 * @Controller('notes')
 * class Notes {
 *   @Post()
 *   @Idempotent('notes.note.create')
 *   async create(@RequestDb() db: RequestTenancy, @Body() { body }: { body: string }) {
 *     return (await db.query('insert into notes (body) values ($1) returning *', [body])).rows[0]
 *   }
 * }
 * @example
 * ```ts
 * import { createIdempotency } from '@org/governance/idempotency/nest'
 * import { Controller, Post } from '@nestjs/common'
 *
 * const { Idempotent } = createIdempotency({ scopes: tenancy, sealing: envelopes })
 *
 * @Controller('notes')
 * export class Notes {
 *   @Post()
 *   @Idempotent('notes.note.create')
 *   create() {
 *     return { data: { id: 7 } }
 *   }
 * }
 * ```
 */
export function createIdempotency(options: HttpIdempotencyOptions<NestRequest>): NestIdempotency {
  const settings = httpSettings<NestRequest>(options)
  const references = new WeakMap<object, string>()
  return {
    Idempotent: (handler, route = {}) =>
      UseInterceptors(new IdempotencyInterceptor(settings, checkHandler(handler, route), route, references)),
    reference: (request, id) => {
      references.set(request, id)
    },
  }
}

class IdempotencyInterceptor implements NestInterceptor {
  readonly #settings: HttpSettings<NestRequest>
  readonly #handler: string
  readonly #route: IdempotentRouteOptions
  readonly #references: WeakMap<object, string>

  constructor(
    settings: HttpSettings<NestRequest>,
    handler: string,
    route: IdempotentRouteOptions,
    references: WeakMap<object, string>,
  ) {
    this.#settings = settings
    this.#handler = handler
    this.#route = route
    this.#references = references
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<NestRequest>()
    const { method, originalUrl: url, headers } = request
    const key = headers['idempotency-key']
    const body = key === undefined ? undefined : parsedBody(request.body, headers)
    const parts = { method: method ?? '', url, body }
    const asked = requestOf(this.#settings, request, this.#handler, key, this.#route, parts)
    if (asked === undefined) return next.handle()
    const response = context.switchToHttp().getResponse<ServerResponse & { readonly raw?: ServerResponse }>()
    const node = response.raw ?? response
    return new Observable((subscriber) => {
      serveOnce({
        ...this.#settings,
        asked,
        route: this.#route,
        response: node,
        reference: () => this.#references.get(request),
        start: () => {
          next.handle().subscribe(subscriber)
        },
        fail: (error, begun) => {
          if (begun) answerError(node, error)
          else subscriber.error(error)
        },
      })
    })
  }
}
