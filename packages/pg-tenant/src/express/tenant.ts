import {
  type Actor,
  holdResponse,
  isTenancyError,
  type ResolvedTenant,
  requestIdOf,
  runResolved,
  type TenantKey,
} from '@org/core'
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express'
import { fromHttpStatus, REFUSED } from '../http/answer.ts'
import { type OnError, parseTenantOptions, type TenantOptions, type TenantSettings } from '../http/options.ts'
import { abortOnClose, logOnClose, type NodeRequest } from '../http/request-state.ts'
import { inScope, perCall, type RequestTenancy } from '../http/request-tenancy.ts'
import type { TenantAccess } from '../tenancy/interface.ts'
import { type ExpressState, sendError, states } from './send-error.ts'

declare global {
  namespace Express {
    interface Request {
      /** Whose request this is. There behind `tenant(…)`, as are the others. */
      tenant: TenantKey
      /** Who sent it. */
      actor: Actor
      /** Its tenant's data. */
      tenancy: RequestTenancy
      /** All that was found out: claims or API key, and what the tenant was taken from. */
      resolved: ResolvedTenant
    }
  }
}

/** How much of an answer is held back until COMMIT, in bytes. */
const HELD_LIMIT = 8 * 1024 * 1024

/**
 * Finds out whose request it is before any handler behind it runs, and opens the tenant's context: `req.tenancy.query`,
 * `currentTenant()`, `currentActor()`. A request that is nobody's goes to {@link answerErrors}.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { answerErrors, tenant } from '@org/pg-tenant/express'
 * import express from 'express'
 *
 * const app = express()
 * app.use(tenant(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } }))
 * app.get('/notes', async (req, res) => {
 *   const { rows } = await req.tenancy.query('select id, body from notes')
 *   res.json({ data: rows })
 * })
 * app.use(answerErrors())
 * ```
 */
export function tenant(tenancy: TenantAccess, options: TenantOptions): RequestHandler {
  const settings = parseTenantOptions(tenancy, options)
  return (req, res, next) => {
    const request = toRequest(req)
    const requestId = requestIdOf(request, settings.trusted)
    const state: ExpressState = { requestId, onError: settings.onError }
    states.set(res, state)
    res.setHeader('X-Request-Id', requestId)
    logOnClose(res, request, state, settings.onAccess)
    settings
      .resolve(request)
      .then((resolved) => {
        state.resolved = resolved
        Object.assign(req, { tenant: resolved.tenant, actor: resolved.actor, resolved })
        runResolved({ ...resolved, requestId }, () => {
          if (settings.scope === 'request') return inRequestScope(tenancy, settings, req, res, state, next)
          const signal = settings.abortOnDisconnect ? { signal: abortOnClose(res) } : {}
          req.tenancy = perCall(tenancy, resolved, { ...settings.scopeOptions, ...signal })
          next()
        })
      })
      .catch(next)
  }
}

/**
 * Answers what was thrown: `{ error: { code, message, details?, requestId } }` in the client's language, nothing of the
 * inside. Comes last: `app.use(answerErrors())`.
 *
 * @param options.onError told of errors on routes without {@link tenant}; with it, its own is told
 * @example
 * ```ts
 * import { TenancyError } from '@org/core'
 * import { answerErrors } from '@org/pg-tenant/express'
 * import express from 'express'
 *
 * const app = express()
 * app.get('/', () => {
 *   throw new TenancyError('TENANT_NOT_FOUND', 'There is no such tenant.')
 * })
 * app.use(answerErrors({ onError: (error) => console.error(error) })) // the last of all
 * ```
 */
export function answerErrors({ onError }: { readonly onError?: OnError } = {}): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return (error, req, res, _next) => {
    const state = states.get(res) ?? { requestId: crypto.randomUUID(), onError }
    sendError(req, res, fromExpress(error), state)
  }
}

/** One transaction around everything behind; the answer leaves after COMMIT was answered, or says that it was not. */
function inRequestScope(
  tenancy: TenantAccess,
  { scopeOptions }: TenantSettings,
  req: Request,
  res: Response,
  state: ExpressState,
  next: () => void,
): void {
  const held = holdResponse(res, HELD_LIMIT)
  state.held = held
  const signal = abortOnClose(res)
  const work = tenancy.withTenant(
    req.tenant,
    async (db) => {
      req.tenancy = inScope(db)
      next()
      await held.ended
      if (isTenancyError(state.error, 'SCHEMA_UNUSABLE')) throw state.error
      if (res.statusCode >= 400) throw REFUSED
    },
    // A request is not run twice: its body is read, and other middleware has seen it.
    { ...scopeOptions, retry: { attempts: 1 }, signal },
  )
  work
    .catch((error: unknown) => {
      if (error === REFUSED || signal.aborted) return
      held.reset()
      // By now withTenant knows whether a schema it could not use is that of a suspended tenant.
      sendError(req, res, error, state)
    })
    .then(() => held.release())
}

/** `originalUrl`: inside a router `url` has lost what it was mounted under. */
function toRequest(req: Request): NodeRequest {
  const { method, originalUrl, headers, headersDistinct, socket } = req
  return { method, url: originalUrl, headers, headersDistinct, socket }
}

/** What Express and its body parsers refuse (http-errors) says that it may be shown; nothing else is believed to. */
function fromExpress(error: unknown): unknown {
  if (isTenancyError(error) || typeof error !== 'object' || error === null) return error
  const { status, expose } = error as { status?: unknown; expose?: unknown }
  if (typeof status !== 'number') return error
  // A path that cannot be decoded is the client's fault too, though the router does not say so.
  return expose === true || error instanceof URIError ? fromHttpStatus(status, error) : error
}
