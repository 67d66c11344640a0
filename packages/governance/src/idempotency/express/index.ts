import type { Request, RequestHandler } from 'express'
import { answerError, parsedBody, serveOnce } from '../http/node.ts'
import {
  checkHandler,
  type HttpIdempotencyOptions,
  httpSettings,
  type IdempotentRouteOptions,
  requestOf,
} from '../http/options.ts'

export type { HttpIdempotencyOptions, IdempotentRouteOptions } from '../http/options.ts'

/** Idempotent routes of an Express 5 app. Made by {@link createIdempotency}. */
export interface ExpressIdempotency {
  /**
   * Everything behind it runs in one transaction of the tenant with the request's key; the answer (streamed or not) leaves
   * when it is committed, and is what a repetition gets. An answer of 400 and above rolls back and frees the key.
   *
   * Behind whatever finds out the tenant and parses the body. What `req.tenancy` and the tenancy run behind it joins the
   * transaction.
   *
   * @param handler what is done, e.g. the key of the `tool_action`
   * @throws TenancyError INVALID_OPTION
   */
  idempotent(handler: string, options?: IdempotentRouteOptions): RequestHandler
  /** Names the resource that a route with `secret` has made: all that is kept of its answer. */
  reference(request: Request, id: string): void
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { createIdempotency } from '@org/governance/idempotency/express'
 * import { tenant } from '@org/pg-tenant/express'
 * import express from 'express'
 *
 * const { idempotent } = createIdempotency({ scopes: tenancy, sealing: envelopes })
 * const app = express()
 * app.use(express.json(), tenant(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } }))
 * app.post('/v1/notes', idempotent('notes.note.create'), async (req, res) => {
 *   const { rows } = await req.tenancy.query('insert into notes (body) values ($1) returning *', [req.body.body])
 *   res.status(201).json({ data: rows[0] })
 * })
 * ```
 */
export function createIdempotency(options: HttpIdempotencyOptions<Request>): ExpressIdempotency {
  const settings = httpSettings<Request>(options)
  const references = new WeakMap<object, string>()
  return {
    idempotent: (handler, route = {}) => {
      const name = checkHandler(handler, route)
      return (req, res, next) => {
        const key = req.get('idempotency-key')
        const body = key === undefined ? undefined : parsedBody(req.body, req.headers)
        const parts = { method: req.method, url: req.originalUrl, body }
        const asked = requestOf(settings, req, name, key, route, parts)
        if (asked === undefined) return next()
        serveOnce({
          ...settings,
          asked,
          route,
          response: res,
          reference: () => references.get(req),
          start: () => next(),
          // Behind the handler, whatever answers errors has had its turn.
          fail: (error, begun) => (begun ? answerError(res, error) : next(error)),
        })
      }
    },
    reference: (request, id) => {
      references.set(request, id)
    },
  }
}
