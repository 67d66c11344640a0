import {
  type Actor,
  type IncomingRequest,
  isTenancyError,
  type ResolvedTenant,
  requestIdOf,
  runResolved,
  type TenantKey,
} from '@org/core'
import { logAccess } from '../http/access-line.ts'
import { answerOf, fromHttpStatus, REFUSED, report } from '../http/answer.ts'
import { parseTenantOptions, TENANT_OPTIONS, type TenantOptions } from '../http/options.ts'
import { inScope, perCall, type RequestTenancy } from '../http/request-tenancy.ts'
import type { TenantAccess } from '../tenancy/interface.ts'

/** {@link TenantOptions}, and what only the runtime knows. */
export interface WebTenantOptions<Rest extends readonly unknown[] = readonly unknown[]>
  extends TenantOptions {
  /** The address at the other end of the connection, for `trust.proxies`: of what the runtime passes behind the request. */
  readonly peer?: (request: Request, ...rest: Rest) => string | undefined
}

/** What a handler is given beside the request. */
export interface TenantRequest {
  /** Whose request this is. */
  readonly tenant: TenantKey
  /** Who sent it. */
  readonly actor: Actor
  /** Its tenant's data. */
  readonly tenancy: RequestTenancy
  /** All that was found out: claims or API key, and what the tenant was taken from. */
  readonly resolved: ResolvedTenant
  readonly requestId: string
}

type Handler<Rest extends readonly unknown[]> = (
  request: Request,
  its: TenantRequest,
  ...rest: Rest
) => Response | Promise<Response>

/**
 * Wraps handlers of Web requests: route handlers of Next, `Bun.serve`, `Deno.serve`, Workers. Finds out whose request it is
 * before the handler runs, opens the tenant's context, and answers what is thrown in the standard form.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { tenantHandler } from '@org/pg-tenant/web'
 *
 * const handle = tenantHandler(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } })
 *
 * export const GET = handle(async (_request, { tenancy }) => {
 *   const { rows } = await tenancy.query('select id, body from notes')
 *   return Response.json({ data: rows })
 * })
 * const { status } = await GET(new Request('http://localhost/notes', { headers: { authorization: 'Bearer acme' } }))
 * status // → 200
 * ```
 */
export function tenantHandler<Rest extends readonly unknown[] = readonly unknown[]>(
  tenancy: TenantAccess,
  options: WebTenantOptions<Rest>,
): (handler: Handler<Rest>) => (request: Request, ...rest: Rest) => Promise<Response> {
  const settings = parseTenantOptions(tenancy, options, { ...TENANT_OPTIONS, peer: true })
  const { scope, scopeOptions, abortOnDisconnect } = settings
  const run = async (
    handler: Handler<Rest>,
    request: Request,
    its: Omit<TenantRequest, 'tenancy'>,
    rest: Rest,
  ) => {
    if (scope === 'call') {
      const signal = abortOnDisconnect ? { signal: request.signal } : {}
      const own = perCall(tenancy, its.resolved, { ...scopeOptions, ...signal })
      return await handler(request, { ...its, tenancy: own }, ...rest)
    }
    let refused: Response | undefined
    try {
      return await tenancy.withTenant(
        its.tenant,
        async (db) => {
          const response = await handler(request, { ...its, tenancy: inScope(db) }, ...rest)
          if (response.status < 400) return response
          refused = response
          throw REFUSED
        },
        // A request is not run twice: its body is read.
        { ...scopeOptions, retry: { attempts: 1 }, signal: request.signal },
      )
    } catch (error) {
      if (error === REFUSED && refused) return refused
      throw error
    }
  }
  return (handler) =>
    async (request, ...rest) => {
      const began = performance.now()
      const incoming = incomingOf(request, options.peer?.(request, ...rest))
      const requestId = requestIdOf(incoming, settings.trusted)
      let resolved: ResolvedTenant | undefined
      let [response, failure]: [Response | undefined, unknown] = [undefined, undefined]
      try {
        const found = await settings.resolve(incoming)
        resolved = found
        const { tenant, actor } = found
        response = await runResolved({ ...found, requestId }, () =>
          run(handler, request, { tenant, actor, resolved: found, requestId }, rest),
        )
        return withHeader(response, requestId)
      } catch (error) {
        failure = error
        const answer = answerOf(fromThrown(error), {
          requestId,
          locale: request.headers.get('accept-language') ?? undefined,
        })
        report(settings.onError, error, { requestId, tenantId: resolved?.tenant, status: answer.status })
        response = new Response(JSON.stringify(answer.body), {
          status: answer.status,
          headers: answer.headers,
        })
        return response
      } finally {
        const status = request.signal.aborted ? 499 : (response?.status ?? 500)
        const { method, url } = request
        logAccess(settings.onAccess, { requestId, resolved, method, url, status, began, error: failure })
      }
    }
}

function incomingOf(request: Request, remoteAddress: string | undefined): IncomingRequest {
  return { method: request.method, url: request.url, headers: request.headers, socket: { remoteAddress } }
}

/** The headers of `Response.redirect()` and of what `fetch` returned cannot be changed: then a copy gets the id. */
function withHeader(response: Response, requestId: string): Response {
  try {
    response.headers.set('X-Request-Id', requestId)
    return response
  } catch {
    const headers = new Headers(response.headers)
    headers.set('X-Request-Id', requestId)
    return new Response(response.body, { status: response.status, statusText: response.statusText, headers })
  }
}

/** A body that `request.json()` cannot read is the client's fault: a SyntaxError says so. */
function fromThrown(error: unknown): unknown {
  if (isTenancyError(error)) return error
  return error instanceof SyntaxError ? fromHttpStatus(400, error) : error
}
