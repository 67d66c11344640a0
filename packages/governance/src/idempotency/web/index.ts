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

/** A handler of Web requests behind `tenantHandler` of `@org/pg-tenant/web`, or behind a guard that passes on what it gives. */
export type WebHandler<Its extends object, Rest extends readonly unknown[] = readonly unknown[]> = (
  request: Request,
  its: Its,
  ...rest: Rest
) => Response | Promise<Response>

/** Idempotent handlers of Web requests: Next, Bun, Deno. Made by {@link createIdempotency}. */
export interface WebIdempotency<Its extends object> {
  /**
   * The handler in one transaction of the tenant with the request's key; the answer (streamed or not) leaves when it is
   * committed, and is what a repetition gets. An answer of 400 and above rolls back and frees the key.
   *
   * What `its.tenancy` and the tenancy run in it joins the transaction.
   *
   * @param name what is done, e.g. the key of the `tool_action`
   * @throws TenancyError INVALID_OPTION
   */
  idempotent<Rest extends readonly unknown[]>(
    name: string,
    handler: WebHandler<Its, Rest>,
    options?: IdempotentRouteOptions,
  ): WebHandler<Its, Rest>
  /** Names the resource that a route with `secret` has made: all that is kept of its answer. */
  reference(its: Its, id: string): void
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { createIdempotency } from '@org/governance/idempotency/web'
 * import { type TenantRequest, tenantHandler } from '@org/pg-tenant/web'
 *
 * const { idempotent } = createIdempotency<TenantRequest>({ scopes: tenancy, sealing: envelopes })
 * const handle = tenantHandler(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } })
 * const POST = handle(
 *   idempotent('notes.note.create', async (request, its) => {
 *     const { body } = (await request.json()) as { body: string }
 *     const { rows } = await its.tenancy.query('insert into notes (body) values ($1) returning *', [body])
 *     return Response.json({ data: rows[0] }, { status: 201 })
 *   }),
 * )
 * ```
 */
export function createIdempotency<Its extends object>(
  options: HttpIdempotencyOptions<Its>,
): WebIdempotency<Its> {
  const settings = httpSettings<Its>(options)
  const references = new WeakMap<Its, string>()
  return {
    idempotent: (handlerName, handler, route = {}) => {
      const name = checkHandler(handlerName, route)
      const { secret = false, awaited } = route
      return async (request, its, ...rest) => {
        const { pathname, search } = new URL(request.url)
        const key = request.headers.get('idempotency-key') ?? undefined
        // A copy: the handler reads its own, in any form. Without a key nobody reads it first: it may be large.
        const body = key === undefined ? undefined : new Uint8Array(await request.clone().arrayBuffer())
        const parts = { method: request.method, url: pathname + search, body }
        const asked = requestOf(settings, its, name, key, route, parts)
        if (asked === undefined) return await handler(request, its, ...rest)
        let response: Response | undefined
        const work = async () => {
          const given = await handler(request, its, ...rest)
          response = given
          if (given.status >= 400) throw REFUSED
          const read = await readResponse(given, settings.maxAnswer)
          response = read.response
          return encodeAnswer(read.answer, secret ? requireReference(references.get(its)) : undefined)
        }
        try {
          const { answer, replayed } = await settings.idempotent.once(asked, work, { awaited })
          return replayed || response === undefined ? responseOf(answer) : response
        } catch (error) {
          if (error === REFUSED && response !== undefined) return response
          throw error
        }
      }
    },
    reference: (its, id) => {
      references.set(its, id)
    },
  }
}
