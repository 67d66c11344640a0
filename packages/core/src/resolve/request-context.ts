import { AsyncLocalStorage } from 'node:async_hooks'
import { runWithTenant } from '../context.ts'
import { TenancyError } from '../tenancy-error.ts'
import type { Actor, ResolvedTenant } from './types.ts'

/** What logs and the audit trail say of a request. */
export interface RequestContext extends ResolvedTenant {
  readonly requestId?: string | undefined
}

const storage = new AsyncLocalStorage<RequestContext>()

/**
 * Runs `fn` as the request that was resolved: `currentTenant()` is its tenant, {@link currentActor} its actor, and
 * `withTenant` refuses every other tenant.
 *
 * @throws TenancyError CROSS_TENANT when another tenant is already current
 * @example
 * ```ts
 * import { currentTenant, fromHeader, resolveTenant, runResolved } from '@org/core'
 *
 * const resolve = resolveTenant({ sources: [fromHeader()], trustUnauthenticated: ['header'] })
 * const resolved = await resolve({ url: '/', headers: { 'x-tenant-id': 'acme' } })
 * runResolved({ ...resolved, requestId: 'r-1' }, () => currentTenant()) // → 'acme'
 * ```
 */
export function runResolved<T>(context: RequestContext, fn: () => T): T {
  return runWithTenant(context.tenant, () => storage.run(context, fn))
}

/**
 * Who acts.
 *
 * @throws TenancyError NO_TENANT_CONTEXT outside {@link runResolved}
 * @example
 * ```ts
 * import { currentActor, parseTenantKey, runResolved } from '@org/core'
 *
 * const actor = { type: 'user', id: 'u1' } as const
 * const request = { tenant: parseTenantKey('acme'), actor, source: 'claim' } as const
 * runResolved(request, () => currentActor().id) // → 'u1'
 * ```
 */
export function currentActor(): Actor {
  const context = storage.getStore()
  if (context !== undefined) return context.actor
  throw new TenancyError(
    'NO_TENANT_CONTEXT',
    'There is no current actor here. Call runResolved(resolved, fn) where the request begins; the adapters do.',
  )
}

/**
 * The request this runs in, or `undefined`. For logs: SQL never takes its tenant from here.
 *
 * @example
 * ```ts
 * import { parseTenantKey, runResolved, tryCurrentRequest } from '@org/core'
 *
 * const fields = () => ({ requestId: tryCurrentRequest()?.requestId })
 * const actor = { type: 'user', id: 'u1' } as const
 * const request = { tenant: parseTenantKey('acme'), actor, source: 'claim', requestId: 'r-1' } as const
 * runResolved(request, fields) // → { requestId: 'r-1' }
 * fields() // → { requestId: undefined }
 * ```
 */
export function tryCurrentRequest(): RequestContext | undefined {
  return storage.getStore()
}
