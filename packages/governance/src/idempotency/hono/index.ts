import type { Context, Env, MiddlewareHandler } from 'hono'
import { encodeAnswer, REFUSED, requireReference } from '../http/answer.ts'
import {
  checkHandler,
  type HttpIdempotencyOptions,
  httpSettings,
  type IdempotentRouteOptions,
  requestOf,
} from '../http/options.ts'
import { readResponse, responseOf } from '../http/response.ts'

export type { HttpIdempotencyOptions, IdempotentRouteOptions } from '../http/options.ts'

/** Idempotent routes of a Hono 4 app. Made by {@link createIdempotency}. */
export interface HonoIdempotency<E extends Env = Env> {
  /**
   * Everything behind it runs in one transaction of the tenant with the request's key; the answer (streamed or not) leaves
   * when it is committed, and is what a repetition gets. An answer of 400 and above rolls back and frees the key.
   *
   * Behind whatever finds out the tenant. What `c.var.tenancy` and the tenancy run behind it joins the transaction.
   *
   * @param handler what is done, e.g. the key of the `tool_action`
   * @throws TenancyError INVALID_OPTION
   */
  idempotent(handler: string, options?: IdempotentRouteOptions): MiddlewareHandler<E>
  /** Names the resource that a route with `secret` has made: all that is kept of its answer. */
  reference(context: Context<E>, id: string): void
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { createIdempotency } from '@org/governance/idempotency/hono'
 * import { type TenantEnv, tenant } from '@org/pg-tenant/hono'
 * import { Hono } from 'hono'
 *
 * const { idempotent } = createIdempotency<TenantEnv>({ scopes: tenancy, sealing: envelopes })
 * const app = new Hono<TenantEnv>()
 * app.use(tenant(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } }))
 * app.post('/v1/notes', idempotent('notes.note.create'), async (c) => {
 *   const { body } = await c.req.json()
 *   const { rows } = await c.var.tenancy.query('insert into notes (body) values ($1) returning *', [body])
 *   return c.json({ data: rows[0] }, 201)
 * })
 * ```
 */
export function createIdempotency<E extends Env>(
  options: HttpIdempotencyOptions<Context<E>>,
): HonoIdempotency<E> {
  const settings = httpSettings<Context<E>>(options, (c) => c.var)
  const references = new WeakMap<object, string>()
  return {
    idempotent: (handler, route = {}) => {
      const name = checkHandler(handler, route)
      const { secret = false, awaited } = route
      return async (c, next) => {
        const { pathname, search } = new URL(c.req.url)
        const key = c.req.header('idempotency-key')
        // Hono keeps it: the handler may read it again, in any form. Without a key nobody reads it first: it may be large.
        const body = key === undefined ? undefined : new Uint8Array(await c.req.arrayBuffer())
        const parts = { method: c.req.method, url: pathname + search, body }
        const asked = requestOf(settings, c, name, key, route, parts)
        if (asked === undefined) return next()
        const work = async () => {
          await next()
          // Hono has made an answer of what was thrown.
          if (c.error !== undefined || c.res.status >= 400) throw REFUSED
          const { answer, response } = await readResponse(c.res, settings.maxAnswer)
          c.res = response
          return encodeAnswer(answer, secret ? requireReference(references.get(c)) : undefined)
        }
        try {
          const { answer, replayed } = await settings.idempotent.once(asked, work, { awaited })
          if (!replayed) return
          c.res = undefined
          c.res = responseOf(answer)
        } catch (error) {
          if (error === REFUSED) return
          c.res = undefined
          throw error
        }
      }
    },
    reference: (context, id) => {
      references.set(context, id)
    },
  }
}
