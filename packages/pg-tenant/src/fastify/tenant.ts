import { Readable } from 'node:stream'
import {
  type Actor,
  isTenancyError,
  type ResolvedTenant,
  requestIdOf,
  runResolved,
  type TenantKey,
} from '@org/core'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { REFUSED } from '../http/answer.ts'
import { parseTenantOptions, type TenantOptions, type TenantSettings } from '../http/options.ts'
import { abortOnClose, logOnClose, type NodeRequest, onceClosed } from '../http/request-state.ts'
import { inScope, perCall, type RequestTenancy } from '../http/request-tenancy.ts'
import type { TenantAccess } from '../tenancy/interface.ts'
import { prepareAnswer } from './answer-errors.ts'
import { type FastifyState, states } from './state.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose request this is. There behind the `tenant` plugin, as are the others. */
    tenant: TenantKey
    /** Who sent it. */
    actor: Actor
    /** Its tenant's data. */
    tenancy: RequestTenancy
    /** All that was found out: claims or API key, and what the tenant was taken from. */
    resolved: ResolvedTenant
  }
}

/**
 * A plugin that finds out whose request it is before its body is read, and opens the tenant's context:
 * `request.tenancy.query`, `currentTenant()`, `currentActor()`. It holds for the instance it is registered in and those
 * below; errors go to `app.setErrorHandler(answerErrors())`.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim } from '@org/core'
 * import { answerErrors, tenant } from '@org/pg-tenant/fastify'
 * import Fastify from 'fastify'
 *
 * const app = Fastify()
 * app.setErrorHandler(answerErrors())
 * await app.register(tenant(tenancy, { resolve: { sources: [fromClaim({ verifyToken })] } }))
 * app.get('/notes', async (request) => {
 *   const { rows } = await request.tenancy.query('select id, body from notes')
 *   return { data: rows }
 * })
 * const { statusCode } = await app.inject({ url: '/notes', headers: { authorization: 'Bearer acme' } })
 * statusCode // → 200
 * ```
 */
export function tenant(tenancy: TenantAccess, options: TenantOptions): FastifyPluginAsync {
  const settings = parseTenantOptions(tenancy, options)
  const plugin: FastifyPluginAsync = async (app) => {
    for (const name of ['tenant', 'actor', 'tenancy', 'resolved'] as const)
      if (!app.hasRequestDecorator(name)) app.decorateRequest(name, null as never)
    // Whose request it is, is decided before the body is read; the context opens behind it, because Fastify's body
    // parser calls back from the connection.
    app.addHook('onRequest', (request, reply) => resolve(settings, request, reply))
    app.addHook('preValidation', (request, reply, done) => {
      const { resolved } = request
      runResolved({ ...resolved, requestId: stateOf(reply).requestId }, () => {
        if (settings.scope === 'request') return openScope(tenancy, settings, request, reply, done)
        const signal = settings.abortOnDisconnect ? { signal: abortOnClose(reply.raw) } : {}
        request.tenancy = perCall(tenancy, resolved, { ...settings.scopeOptions, ...signal })
        done()
      })
    })
    app.addHook('onSend', async (request, reply, payload) => {
      const state = states.get(reply)
      const settle = state?.settle
      if (!state || !settle) return payload
      delete state.settle
      const error = await settle(reply.statusCode)
      if (error === undefined) return payload
      if (payload instanceof Readable) payload.destroy()
      return prepareAnswer(error, request, reply, state)
    })
  }
  // Hooks of a plugin hold for itself alone unless it is marked so (what fastify-plugin does).
  return Object.assign(plugin, {
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: '@org/pg-tenant',
  })
}

async function resolve(
  settings: TenantSettings,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const incoming = incomingOf(request)
  const requestId = requestIdOf(incoming, settings.trusted)
  const state: FastifyState = { requestId, onError: settings.onError }
  states.set(reply, state)
  reply.header('X-Request-Id', requestId)
  logOnClose(reply.raw, incoming, state, settings.onAccess)
  const resolved = await settings.resolve(incoming)
  state.resolved = resolved
  Object.assign(request, { tenant: resolved.tenant, actor: resolved.actor, resolved })
}

/** One transaction around everything behind; the answer leaves after COMMIT was answered, or says that it was not. */
function openScope(
  tenancy: TenantAccess,
  { scopeOptions }: TenantSettings,
  request: FastifyRequest,
  reply: FastifyReply,
  done: (error?: Error) => void,
): void {
  const state = stateOf(reply)
  const signal = abortOnClose(reply.raw)
  const answered = Promise.withResolvers<number>()
  // Also when nobody sends an answer through Fastify (`reply.hijack()`): then nothing is committed.
  onceClosed(reply.raw, () => answered.resolve(500))
  let begun = false
  const work = tenancy.withTenant(
    request.tenant,
    async (db) => {
      request.tenancy = inScope(db)
      begun = true
      done()
      const status = await answered.promise
      if (isTenancyError(state.error, 'SCHEMA_UNUSABLE')) throw state.error
      if (status >= 400) throw REFUSED
    },
    // A request is not run twice: its body is read, and other hooks have seen it.
    { ...scopeOptions, retry: { attempts: 1 }, signal },
  )
  work.catch((error: Error) => {
    if (!begun) done(error)
  })
  state.settle = async (status) => {
    answered.resolve(status)
    try {
      await work
    } catch (error) {
      // By now withTenant knows whether a schema it could not use is that of a suspended tenant.
      if (begun && error !== REFUSED && error !== state.error && !signal.aborted) return error
    }
    return undefined
  }
}

function stateOf(reply: FastifyReply): FastifyState {
  return states.get(reply) as FastifyState
}

/** Node's request; its URL as it was sent, before `rewriteUrl`. */
function incomingOf({ raw, originalUrl }: FastifyRequest): NodeRequest {
  const { method = 'GET', headers, headersDistinct, socket } = raw
  return { method, url: originalUrl, headers, headersDistinct, socket }
}
