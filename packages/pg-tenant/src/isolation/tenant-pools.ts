import { TenancyError, type TenantKey } from '@org/core'
import type { PoolClientLike } from '../driver/types.ts'
import { type PoolSource, TenantPool } from './tenant-pool.ts'

/** Bounds of {@link TenantPools}. */
export interface TenantPoolLimits {
  /** Connections of all tenants together. */
  readonly maxConnections: number
  /** Connections of one tenant. */
  readonly maxPerTenant: number
  /** Milliseconds a caller waits for its turn. */
  readonly waitMs: number
}

interface Waiter {
  readonly tenant: TenantKey
  grant(client: Promise<PoolClientLike>): void
}

/**
 * Connections of many tenants within one budget. Who comes first is served first; when the budget is used up, the
 * connections of the tenant that was idle longest are closed, one for each who waits, and never one in use. Nothing is
 * kept of a tenant that has no connection.
 */
export class TenantPools {
  readonly #source: PoolSource
  readonly #limits: TenantPoolLimits
  /** Least recently used first. */
  readonly #pools = new Map<TenantKey, TenantPool>()
  readonly #waiting = new Set<Waiter>()
  #closed = false
  #turning = false

  constructor(source: PoolSource, limits: TenantPoolLimits) {
    this.#source = source
    this.#limits = limits
  }

  /** Connections open or being opened, and tenants that have any. */
  get usage(): { readonly connections: number; readonly tenants: number; readonly waiting: number } {
    return { connections: this.#size, tenants: this.#pools.size, waiting: this.#waiting.size }
  }

  /**
   * A connection of the tenant, as a scope takes it.
   *
   * @throws TenancyError POOL_EXHAUSTED after `waitMs`
   * @throws TenancyError SCHEMA_MISSING, SCHEMA_UNUSABLE or CONNECTION_LOST when the tenant cannot log in
   */
  connect(tenant: TenantKey): Promise<PoolClientLike> {
    if (this.#closed) return Promise.reject(closed())
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const waiter: Waiter = {
        tenant,
        grant: (client) => {
          clearTimeout(timer)
          this.#waiting.delete(waiter)
          resolve(client)
        },
      }
      this.#waiting.add(waiter)
      this.#turn()
      if (!this.#waiting.has(waiter)) return
      timer = setTimeout(() => {
        this.#waiting.delete(waiter)
        this.#discardUnused(tenant)
        reject(exhausted(this.#limits))
      }, this.#limits.waitMs)
    })
  }

  /** Closes everything; resolves when scopes still running have given their connections back. */
  async close(): Promise<void> {
    this.#closed = true
    for (const waiter of this.#waiting) waiter.grant(Promise.reject(closed()))
    const pools = [...this.#pools.values()]
    this.#pools.clear()
    await Promise.all(pools.map((pool) => pool.end()))
  }

  get #size(): number {
    let size = 0
    for (const pool of this.#pools.values()) size += pool.size
    return size
  }

  /** Serves whoever can be served, in the order they came. */
  #turn(): void {
    if (this.#turning || this.#closed) return
    this.#turning = true
    let room = this.#limits.maxConnections - this.#size
    let leaving = 0
    for (const pool of this.#pools.values()) leaving += pool.closing
    for (const waiter of this.#waiting) {
      const pool = this.#poolFor(waiter.tenant)
      if (pool.free > 0) {
        this.#serve(waiter, pool, false)
      } else if (pool.lent + pool.asking >= this.#limits.maxPerTenant) {
      } else if (room > 0) {
        room--
        this.#serve(waiter, pool, true)
      } else if (leaving > 0) {
        leaving--
      } else if (!this.#trimOldest()) {
        break
      }
    }
    this.#turning = false
  }

  #serve(waiter: Waiter, pool: TenantPool, opens: boolean): void {
    // The one used last stands last.
    this.#pools.delete(pool.tenant)
    this.#pools.set(pool.tenant, pool)
    const client = pool.connect(opens)
    waiter.grant(client)
    const after = () => {
      this.#discardUnused(pool.tenant)
      this.#turn()
    }
    client.then(after, after)
  }

  #poolFor(tenant: TenantKey): TenantPool {
    const known = this.#pools.get(tenant)
    if (known) return known
    const pool = new TenantPool(tenant, this.#source, () => {
      this.#discardUnused(tenant)
      this.#turn()
    })
    this.#pools.set(tenant, pool)
    return pool
  }

  /** Closes one connection of the tenant that was idle longest; says whether there was one. */
  #trimOldest(): boolean {
    for (const pool of this.#pools.values()) {
      if (pool.free === 0) continue
      void pool.trim()
      return true
    }
    return false
  }

  /** Forgets a tenant without connections. */
  #discardUnused(tenant: TenantKey): void {
    const pool = this.#pools.get(tenant)
    if (!pool?.unused) return
    for (const waiter of this.#waiting) if (waiter.tenant === tenant) return
    this.#pools.delete(tenant)
    void pool.end()
  }
}

function exhausted({ waitMs, maxConnections, maxPerTenant }: TenantPoolLimits): TenancyError {
  return new TenancyError(
    'POOL_EXHAUSTED',
    `No connection of the tenant became free within ${waitMs} ms. Raise tenantPools.maxConnections or maxPerTenant, or ` +
      'shorten your scopes.',
    { details: { waitMs, maxConnections, maxPerTenant } },
  )
}

function closed(): TenancyError {
  return new TenancyError('CONNECTION_LOST', 'This tenancy was closed; nothing was sent.')
}
