import {
  type Actor,
  type IncomingRequest,
  isTenancyError,
  type ResolvedTenant,
  requestIdOf,
  runResolved,
  TenancyError,
  type TenantKey,
} from '@org/core'
import type { Context, ErrorHandler, MiddlewareHandler, Next } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { logAccess } from '../http/access-line.ts'
import { answerOf, fromHttpStatus, REFUSED, report } from '../http/answer.ts'
import {
  type OnError,
  parseTenantOptions,
  TENANT_OPTIONS,
  type TenantOptions,
  type TenantSettings,
} from '../http/options.ts'
import { inScope, perCall, type RequestTenancy } from '../http/request-tenancy.ts'
import type { TenantAccess } from '../tenancy/interface.ts'

/** What handlers behind {@link tenant} find in `c.var`. */
export interface TenantEnv {
  Variables: {
    /** Whose request this is. */
    tenant: TenantKey
    /** Who sent it. */
    actor: Actor
    /** Its tenant's data. */
    tenancy: RequestTenancy
    /** All that was found out: claims or API key, and what the tenant was taken from. */
    resolved: ResolvedTenant
    requestId: string
  }
}

/** {@link TenantOptions}, and what only the runtime knows. */
export interface HonoTenantOptions extends TenantOptions {
  /** The address at the other end of the connection, for `trust.proxies` (default: what `@hono/node-server` knows). */
  readonly peer?: (c: Context) => string | undefined
}

/**
 * Finds out whose request it is before any handler behind it runs, and opens the tenant's context:
 * `c.var.tenancy.query`, `currentTenant()`, `currentActor()`. Errors go to `app.onError(answerErrors())`.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { answerErrors, type TenantEnv, tenant } from '@org/pg-tenant/hono'
 * import { Hono } from 'hono'
 *
 * const app = new Hono<TenantEnv>()
 * app.use(tenant(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } }))
 * app.get('/notes', async (c) => {
 *   const { rows } = await c.var.tenancy.query('select id, body from notes')
 *   return c.json({ data: rows })
 * })
 * app.onError(answerErrors())
 * const { status } = await app.request('/notes', { headers: { authorization: 'Bearer acme' } })
 * status // → 200
 * ```
 */
export function tenant(tenancy: TenantAccess, options: HonoTenantOptions): MiddlewareHandler<TenantEnv> {
  const settings = parseTenantOptions(tenancy, options, { ...TENANT_OPTIONS, peer: true })
  const { peer = nodePeer } = options
  return async (c, next) => {
    const request: IncomingRequest = {
      method: c.req.method,
      url: c.req.url,
      headers: c.req.raw.headers,
      socket: { remoteAddress: peer(c) },
    }
    const began = performance.now()
    const requestId = requestIdOf(request, settings.trusted)
    c.set('requestId', requestId)
    onErrorOf.set(c, settings.onError)
    let thrown: unknown
    try {
      const resolved = await settings.resolve(request)
      for (const name of ['tenant', 'actor'] as const) c.set(name, resolved[name])
      c.set('resolved', resolved)
      await runResolved({ ...resolved, requestId }, () => serve(tenancy, settings, c, next))
      c.header('X-Request-Id', requestId)
    } catch (error) {
      // Hono hands only Errors to its error handler; whatever else was thrown would go past it.
      thrown = error instanceof Error ? error : internal(error)
      throw thrown
    } finally {
      const error = thrown ?? c.error
      const status =
        thrown === undefined ? c.res.status : answerOf(fromHono(thrown), { requestId, locale: '' }).status
      const { method, url } = c.req
      logAccess(settings.onAccess, { requestId, resolved: c.var.resolved, method, url, status, began, error })
    }
  }
}

/**
 * Answers what was thrown: `{ error: { code, message, details?, requestId } }` in the client's language, nothing of the
 * inside: `app.onError(answerErrors())`.
 *
 * @param options.onError told of errors on routes without {@link tenant}; with it, its own is told
 * @example
 * ```ts
 * import { TenancyError } from '@org/core'
 * import { answerErrors } from '@org/pg-tenant/hono'
 * import { Hono } from 'hono'
 *
 * const app = new Hono()
 * app.get('/', () => {
 *   throw new TenancyError('TENANT_NOT_FOUND', 'There is no such tenant.')
 * })
 * app.onError(answerErrors())
 * const { status } = await app.request('/')
 * status // → 401
 * ```
 */
export function answerErrors({ onError }: { readonly onError?: OnError } = {}): ErrorHandler {
  return (error, c) => {
    // Who gave an answer of their own (a redirect, a challenge) meant that one.
    if (error instanceof HTTPException && error.res) return error.getResponse()
    const { requestId = crypto.randomUUID(), tenant: tenantId } = c.var as Partial<TenantEnv['Variables']>
    const answer = answerOf(fromHono(error), { requestId, locale: c.req.header('accept-language') })
    report(onErrorOf.get(c) ?? onError, error, { requestId, tenantId, status: answer.status })
    // Not c.json(), which would add what the failed handler had prepared: a cookie, a location.
    return new Response(JSON.stringify(answer.body), { status: answer.status, headers: answer.headers })
  }
}

const onErrorOf = new WeakMap<Context, OnError | undefined>()

async function serve(
  tenancy: TenantAccess,
  { scope, scopeOptions, abortOnDisconnect }: TenantSettings,
  c: Context<TenantEnv>,
  next: Next,
): Promise<void> {
  if (scope === 'call') {
    const signal = abortOnDisconnect ? { signal: c.req.raw.signal } : {}
    c.set('tenancy', perCall(tenancy, c.var.resolved, { ...scopeOptions, ...signal }))
    return next()
  }
  // What middleware before us has set (CORS, say) outlives a failed COMMIT; what the handler set does not.
  const before = new Headers(c.res.headers)
  try {
    await tenancy.withTenant(
      c.var.tenant,
      async (db) => {
        c.set('tenancy', inScope(db))
        await next()
        // withTenant finds out whether the tenant is suspended.
        if (isTenancyError(c.error, 'SCHEMA_UNUSABLE')) throw c.error
        if (c.error !== undefined || c.res.status >= 400) throw REFUSED
      },
      // A request is not run twice: its body is read, and other middleware has seen it.
      { ...scopeOptions, retry: { attempts: 1 }, signal: c.req.raw.signal },
    )
  } catch (error) {
    if (error === REFUSED) return
    c.res = undefined
    c.res = new Response(null, { headers: before })
    throw error
  }
}

/** `@hono/node-server` passes Node's request along. */
function nodePeer(c: Context): string | undefined {
  const { incoming } = (c.env ?? {}) as { incoming?: { socket?: { remoteAddress?: string } } }
  return incoming?.socket?.remoteAddress
}

function fromHono(error: unknown): unknown {
  return error instanceof HTTPException ? fromHttpStatus(error.status, error) : error
}

function internal(cause: unknown): TenancyError {
  return new TenancyError('INTERNAL_ERROR', 'A handler threw something that is no Error. Throw Errors.', {
    cause,
  })
}
