import type { TenantKey } from '@org/core'

interface Pending {
  /** Epochs that were there before changes of ours whose transactions may still be open. */
  readonly before: Set<string>
  marked: number
  until: number
}

/** How long a transaction of ours may stay open and still count at once on this process; then within `maxAge`. */
const PATIENCE_MS = 300_000
const MOST = 10_000

/**
 * Tenants with changes made through this process that are perhaps not committed yet. While a tenant is here, nothing
 * about it is taken from memory unasked. It leaves when somebody reads an epoch that none of the changes began with:
 * since the epoch's row is locked until a change ends, they have all ended.
 */
export class PendingChanges {
  readonly #tenants = new Map<TenantKey, Pending>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  /** @param tick the moment, in the cache's own count */
  mark(tenant: TenantKey, epoch: string, tick: number): void {
    const pending = this.#tenants.get(tenant) ?? { before: new Set(['none']), marked: 0, until: 0 }
    pending.before.add(epoch)
    pending.marked = tick
    pending.until = this.#now() + PATIENCE_MS
    this.#tenants.set(tenant, pending)
    if (this.#tenants.size > MOST) this.#forgetOld()
  }

  has(tenant: TenantKey): boolean {
    const pending = this.#tenants.get(tenant)
    if (pending === undefined) return false
    if (this.#now() < pending.until) return true
    this.#tenants.delete(tenant)
    return false
  }

  /**
   * @param started the moment the read of `epoch` began
   * @returns whether that showed that all changes have ended
   */
  observe(tenant: TenantKey, epoch: string, started: number): boolean {
    const pending = this.#tenants.get(tenant)
    const ended = pending !== undefined && started > pending.marked && !pending.before.has(epoch)
    return ended && this.#tenants.delete(tenant)
  }

  #forgetOld(): void {
    const now = this.#now()
    for (const [tenant, { until }] of this.#tenants) if (until <= now) this.#tenants.delete(tenant)
  }
}
