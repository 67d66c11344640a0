import { LRUCache } from 'lru-cache'
import type { Envelopes } from '../envelope/envelopes.ts'
import type { LeaseEnd } from './lease.ts'

/** Loads a tenant's envelopes; `ended` tells them when to stop. */
export type LoadLease = (ended: () => LeaseEnd | undefined) => Promise<Envelopes>

/** Envelopes of the tenants asked for lately. */
export interface LeaseCache {
  /** from memory, or loaded once for all who ask meanwhile; a failed load is not kept */
  get(tenant: string, load: LoadLease): Promise<Envelopes>
  /** the next `get` loads anew */
  forget(tenant: string): void
  /** ends every lease of the tenant whose load has begun, also those that callers hold, or that are still loading */
  revoke(tenant: string): void
}

export interface LeaseCacheOptions {
  /** tenants */
  readonly max: number
  /** milliseconds that a lease lives; it is handed out during the first half */
  readonly maxAgeMs: number
  readonly now: () => number
}

export function leaseCache({ max, maxAgeMs, now }: LeaseCacheOptions): LeaseCache {
  const fresh = new LRUCache<string, Envelopes>({
    max,
    ttl: Math.max(1, Math.floor(maxAgeMs / 2)),
    ttlResolution: 0,
    // Keys leave the memory when their time is up, not when somebody asks.
    ttlAutopurge: true,
    perf: { now },
  })
  const loading = new Map<string, Promise<Envelopes>>()
  /** Loads and revocations in the order they began: a clock could give two of them the same time. */
  let moment = 0
  const revoked = new Map<string, { readonly moment: number; readonly until: number }>()

  const begin = (tenant: string): (() => LeaseEnd | undefined) => {
    const begun = ++moment
    const until = now() + maxAgeMs
    return () => {
      if ((revoked.get(tenant)?.moment ?? 0) > begun) return 'destroyed'
      return now() < until ? undefined : 'expired'
    }
  }
  const forget = (tenant: string): void => {
    loading.delete(tenant)
    fresh.delete(tenant)
  }
  return {
    get(tenant, load) {
      const known = fresh.get(tenant)
      if (known !== undefined) return Promise.resolve(known)
      const shared = loading.get(tenant)
      if (shared !== undefined) return shared
      // It begins before the keys are read, so that it never outlives what it was read from.
      const started = load(begin(tenant))
      loading.set(tenant, started)
      const settled = (envelopes?: Envelopes): void => {
        if (loading.get(tenant) !== started) return
        loading.delete(tenant)
        if (envelopes !== undefined) fresh.set(tenant, envelopes)
      }
      started.then(settled, () => settled())
      return started
    },
    forget,
    revoke(tenant) {
      forget(tenant)
      // Leases from before an old revocation have ended by themselves.
      for (const [other, { until }] of revoked) if (until <= now()) revoked.delete(other)
      revoked.set(tenant, { moment: ++moment, until: now() + maxAgeMs })
    },
  }
}
