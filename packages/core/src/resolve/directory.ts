import { integerOption, invalidOption } from '../invalid-input.ts'
import type { TenantKey } from '../tenant-key.ts'
import { moving, suspended, unknownTenant } from './refusals.ts'

/** What is known of a tenant; `tenancy.find` of `@org/pg-tenant` gives it. */
export type TenantLookup = (tenant: TenantKey) => Promise<{ readonly status: string } | undefined>

/** On the way between two clusters. */
const UNDER_WAY: ReadonlySet<string> = new Set(['moving', 'arriving', 'moved'])

/** A {@link TenantLookup} that remembers. */
export interface CachedLookup<T extends { readonly status: string }> {
  (tenant: TenantKey): Promise<T | undefined>
  /** Asks again the next time. Without a key: for every tenant. What is being asked at the moment is not remembered. */
  forget(tenant?: TenantKey | ((tenant: TenantKey) => boolean)): void
}

/**
 * Refuses a tenant that is not there or not in service. `resolveTenant` does so by itself; this is for what looks into a
 * tenant before it: the denylist of a token that outlived its tenant.
 *
 * @throws TenancyError TENANT_NOT_FOUND, TENANT_SUSPENDED, SERVICE_UNAVAILABLE (it moves between clusters)
 * @example
 * ```ts
 * import { parseTenantKey, requireActive } from '@org/core'
 *
 * await requireActive(tenancy.lookup, parseTenantKey('acme'))
 * requireActive(tenancy.lookup, parseTenantKey('nobody')) // → throws TENANT_NOT_FOUND
 * ```
 */
export async function requireActive(lookup: TenantLookup, tenant: TenantKey): Promise<void> {
  const found = await lookup(tenant)
  if (found?.status === 'active') return
  if (found !== undefined && UNDER_WAY.has(found.status)) throw moving()
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
 * @example
 * ```ts
 * import { cachedLookup, parseTenantKey } from '@org/core'
 *
 * let asked = 0
 * const lookup = cachedLookup(async () => ({ status: 'active', plan: `asked ${++asked}` }), { maxAge: 60_000 })
 * const acme = parseTenantKey('acme')
 * await lookup(acme) // → { status: 'active', plan: 'asked 1' }
 * await lookup(acme) // → { status: 'active', plan: 'asked 1' }
 * lookup.forget(acme)
 * await lookup(acme) // → { status: 'active', plan: 'asked 2' }
 * ```
 */
export function cachedLookup<T extends { readonly status: string }>(
  lookup: (tenant: TenantKey) => Promise<T | undefined>,
  {
    maxAge = 1_000,
    max = 10_000,
    now = () => performance.now(),
  }: { readonly maxAge?: number; readonly max?: number; readonly now?: () => number } = {},
): CachedLookup<T> {
  if (!(maxAge >= 0 && maxAge <= 60_000)) throw invalidOption('maxAge', '0 to 60000 milliseconds')
  integerOption('max', max, 1)
  const active = new Map<TenantKey, { readonly until: number; readonly found: T }>()
  const asking = new Map<TenantKey, Promise<T | undefined>>()
  const remember = (tenant: TenantKey, found: T, until: number) => {
    // The oldest goes first: a Map keeps the order of insertion.
    const [oldest] = active.size >= max ? active.keys() : []
    if (oldest !== undefined) active.delete(oldest)
    active.set(tenant, { until, found })
  }
  const ask = (tenant: TenantKey): Promise<T | undefined> => {
    const asked = now()
    const running = lookup(tenant)
      .then((found) => {
        // Forgotten meanwhile: the answer may be older than what made it so.
        if (asking.get(tenant) !== running) return found
        active.delete(tenant)
        if (found?.status === 'active') remember(tenant, found, asked + maxAge)
        return found
      })
      .finally(() => {
        if (asking.get(tenant) === running) asking.delete(tenant)
      })
    asking.set(tenant, running)
    return running
  }
  const cached = (tenant: TenantKey): Promise<T | undefined> => {
    const known = active.get(tenant)
    if (known !== undefined && now() < known.until) return Promise.resolve(known.found)
    return asking.get(tenant) ?? ask(tenant)
  }
  const forget = (tenant?: TenantKey | ((tenant: TenantKey) => boolean)) => {
    for (const map of [active, asking]) {
      if (tenant === undefined) map.clear()
      else if (typeof tenant === 'function') {
        for (const key of map.keys()) if (tenant(key)) map.delete(key)
      } else map.delete(tenant)
    }
  }
  return Object.assign(cached, { forget })
}
