import type { TenantKey } from '../tenant-key.ts'
import { invalidOption, suspended, unknownTenant } from './refusals.ts'

/** What is known of a tenant; `tenancy.find` of `@org/pg-tenant` gives it. */
export type TenantLookup = (tenant: TenantKey) => Promise<{ readonly status: string } | undefined>

/**
 * Refuses a tenant that is not there or not in service.
 *
 * @throws TenancyError TENANT_NOT_FOUND or TENANT_SUSPENDED
 */
export async function requireActive(lookup: TenantLookup, tenant: TenantKey): Promise<void> {
  const found = await lookup(tenant)
  if (found?.status === 'active') return
  throw found?.status === 'suspended' ? suspended() : unknownTenant()
}

/**
 * Remembers who is active, so that most requests need no look-up, and asks once when many ask at the same time. Only
 * `active` is remembered: a tenant that was just made or resumed is there at once. A suspended one may pass for up to
 * `maxAge`; that costs nothing, because no scope of it opens any more.
 *
 * @param options.maxAge milliseconds (default 1,000; 0 to 60,000)
 * @param options.max tenants remembered (default 10,000)
 * @param options.now milliseconds (default `performance.now`)
 * @throws TenancyError INVALID_OPTION
 */
export function cachedLookup(
  lookup: TenantLookup,
  {
    maxAge = 1_000,
    max = 10_000,
    now = () => performance.now(),
  }: { readonly maxAge?: number; readonly max?: number; readonly now?: () => number } = {},
): TenantLookup {
  if (!(maxAge >= 0 && maxAge <= 60_000)) throw invalidOption('maxAge', '0 to 60000 milliseconds')
  if (!Number.isInteger(max) || max < 1) throw invalidOption('max', 'a whole number from 1')
  const active = new Map<TenantKey, { readonly until: number; readonly found: { readonly status: string } }>()
  const asking = new Map<TenantKey, ReturnType<TenantLookup>>()
  const ask = async (tenant: TenantKey): ReturnType<TenantLookup> => {
    const asked = now()
    try {
      const found = await lookup(tenant)
      active.delete(tenant)
      if (found?.status === 'active') {
        // The oldest goes first: a Map keeps the order of insertion.
        const [oldest] = active.size >= max ? active.keys() : []
        if (oldest !== undefined) active.delete(oldest)
        active.set(tenant, { until: asked + maxAge, found })
      }
      return found
    } finally {
      asking.delete(tenant)
    }
  }
  return (tenant) => {
    const known = active.get(tenant)
    if (known !== undefined && now() < known.until) return Promise.resolve(known.found)
    const running = asking.get(tenant) ?? ask(tenant)
    asking.set(tenant, running)
    return running
  }
}
