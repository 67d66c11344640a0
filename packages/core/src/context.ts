import { AsyncLocalStorage } from 'node:async_hooks'
import { TenancyError } from './tenancy-error.ts'
import type { TenantKey } from './tenant-key.ts'

const storage = new AsyncLocalStorage<TenantKey>()

/**
 * Runs `fn` with `tenant` as the current tenant of everything it awaits. For logs and for guards: SQL never takes
 * its tenant from here (a callback can run in somebody else's context, hazard s), only from the key it is given.
 *
 * @throws TenancyError CROSS_TENANT when another tenant is already current: one request serves one tenant
 * @example
 * ```ts
 * import { currentTenant, parseTenantKey, runWithTenant } from '@org/core'
 *
 * const log = (message: string) => `${currentTenant()}: ${message}`
 * runWithTenant(parseTenantKey('acme'), () => log('job begins')) // → 'acme: job begins'
 * ```
 */
export function runWithTenant<T>(tenant: TenantKey, fn: () => T): T {
  const current = storage.getStore()
  if (current === tenant) return fn()
  if (current !== undefined) throw crossTenant()
  return storage.run(tenant, fn)
}

/**
 * Runs `fn` with no current tenant, for work on behalf of the platform that a tenant's request sets off.
 *
 * @example
 * ```ts
 * import { parseTenantKey, runWithoutTenant, runWithTenant, tryCurrentTenant } from '@org/core'
 *
 * const count = () => runWithoutTenant(() => tryCurrentTenant())
 * runWithTenant(parseTenantKey('acme'), count) // → undefined
 * ```
 */
export function runWithoutTenant<T>(fn: () => T): T {
  return storage.exit(fn)
}

/**
 * The current tenant.
 *
 * @throws TenancyError NO_TENANT_CONTEXT outside {@link runWithTenant}
 * @example
 * ```ts
 * import { currentTenant, parseTenantKey, runWithTenant } from '@org/core'
 *
 * runWithTenant(parseTenantKey('acme'), () => currentTenant()) // → 'acme'
 * currentTenant() // → throws NO_TENANT_CONTEXT
 * ```
 */
export function currentTenant(): TenantKey {
  const tenant = storage.getStore()
  if (tenant !== undefined) return tenant
  throw new TenancyError(
    'NO_TENANT_CONTEXT',
    'There is no current tenant here. Call runWithTenant(key, fn) where the request or job begins.',
  )
}

/**
 * The current tenant, or `undefined` outside {@link runWithTenant}.
 *
 * @example
 * ```ts
 * import { tryCurrentTenant } from '@org/core'
 *
 * const fields = { tenant: tryCurrentTenant() ?? 'none' } // → { tenant: 'none' }
 * ```
 */
export function tryCurrentTenant(): TenantKey | undefined {
  return storage.getStore()
}

/**
 * The error for touching a second tenant from within a first one.
 *
 * @example
 * ```ts
 * import { crossTenant, parseTenantKey, runWithTenant } from '@org/core'
 *
 * crossTenant().code // → 'CROSS_TENANT'
 * const inside = () => runWithTenant(parseTenantKey('globex'), () => 'never')
 * runWithTenant(parseTenantKey('acme'), inside) // → throws CROSS_TENANT
 * ```
 */
export function crossTenant(): TenancyError {
  return new TenancyError(
    'CROSS_TENANT',
    'This runs inside one tenant and asked for another. Finish the first scope, or leave it with ' +
      'runWithoutTenant(fn), before you open a scope of another tenant.',
  )
}
