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
 */
export function runResolved<T>(context: RequestContext, fn: () => T): T {
  return runWithTenant(context.tenant, () => storage.run(context, fn))
}

/** Who acts. @throws TenancyError NO_TENANT_CONTEXT outside {@link runResolved} */
export function currentActor(): Actor {
  const context = storage.getStore()
  if (context !== undefined) return context.actor
  throw new TenancyError(
    'NO_TENANT_CONTEXT',
    'There is no current actor here. Call runResolved(resolved, fn) where the request begins; the adapters do.',
  )
}

/** The request this runs in, or `undefined`. For logs: SQL never takes its tenant from here. */
export function tryCurrentRequest(): RequestContext | undefined {
  return storage.getStore()
}
