import type { FastifyRequest, preHandlerHookHandler } from 'fastify'
import { answerError, serveOnce } from '../http/node.ts'
import {
  checkHandler,
  type HttpIdempotencyOptions,
  httpSettings,
  type IdempotentRouteOptions,
  requestOf,
} from '../http/options.ts'

export type { HttpIdempotencyOptions, IdempotentRouteOptions } from '../http/options.ts'

/** Idempotent routes of a Fastify 5 app. Made by {@link createIdempotency}. */
export interface FastifyIdempotency {
  /**
   * A hook for the options of a route. Its handler runs in one transaction of the tenant with the request's key; the answer
   * (streamed or not) leaves when it is committed, and is what a repetition gets. An answer of 400 and above rolls back and
   * frees the key.
   *
   * @param handler what is done, e.g. the key of the `tool_action`
   * @throws TenancyError INVALID_OPTION
   */
  idempotent(
    handler: string,
    options?: IdempotentRouteOptions,
  ): { readonly preHandler: preHandlerHookHandler }
  /** Names the resource that a route with `secret` has made: all that is kept of its answer. */
  reference(request: FastifyRequest, id: string): void
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { createIdempotency } from '@org/governance/idempotency/fastify'
 * import { tenant } from '@org/pg-tenant/fastify'
 * import Fastify from 'fastify'
 *
 * const { idempotent } = createIdempotency({ scopes: tenancy, sealing: envelopes })
 * const app = Fastify()
 * await app.register(tenant(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } }))
 * app.post<{ Body: { body: string } }>('/v1/notes', idempotent('notes.note.create'), async (request, reply) => {
 *   const { rows } = await request.tenancy.query('insert into notes (body) values ($1) returning *', [request.body.body])
 *   return reply.code(201).send({ data: rows[0] })
 * })
 * await app.ready()
 * await app.close()
 * ```
 */
export function createIdempotency(options: HttpIdempotencyOptions<FastifyRequest>): FastifyIdempotency {
  const settings = httpSettings<FastifyRequest>(options)
  const references = new WeakMap<object, string>()
  return {
    idempotent: (handler, route = {}) => {
      const name = checkHandler(handler, route)
      return {
        preHandler(request, reply, done) {
          const { method, originalUrl: url, body, headers } = request
          const asked = requestOf(settings, request, name, headers['idempotency-key'], route, {
            method,
            url,
            body,
          })
          if (asked === undefined) return done()
          serveOnce({
            ...settings,
            asked,
            route,
            response: reply.raw,
            reference: () => references.get(request),
            start: () => done(),
            fail: (error, begun) => (begun ? answerError(reply.raw, error) : done(error as Error)),
          })
        },
      }
    },
    reference: (request, id) => {
      references.set(request, id)
    },
  }
}
