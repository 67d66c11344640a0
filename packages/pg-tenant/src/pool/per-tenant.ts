import { integerOption, invalidOption, parseTenantKey, TenancyError } from '@org/core'

/** Options of {@link perTenant}. */
export interface PerTenantOptions<T> {
  /** How many are kept, 1 to 10,000 (default 100). Beyond that the one least recently used makes room, once nobody uses it. */
  readonly max?: number
  /** Closes one that is given up. What it throws reaches nobody. */
  readonly close?: (client: T) => unknown
}

/** Clients that must be one for each tenant. */
export interface PerTenant<T> {
  /** Runs `fn` with the tenant's client, made when it is not there. It is not closed while `fn` runs. */
  use<R>(key: string, fn: (client: T) => R | Promise<R>): Promise<R>
  /** How many are kept now. */
  readonly size: number
  /** Closes all, each when nobody uses it any more; afterwards `use` is refused. */
  close(): Promise<void>
}

interface Entry<T> {
  readonly client: Promise<T>
  users: number
  given: boolean
  closed: PromiseWithResolvers<void>
}

/**
 * A bounded number of clients, one for each tenant: for libraries whose client remembers whose it is (Prisma: one client for
 * several tenants answers one with another's rows). Least recently used first out; never while it is used.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { perTenant } from '@org/pg-tenant'
 * import { Kysely, PostgresDialect } from 'kysely'
 *
 * interface Database {
 *   notes: { body: string }
 * }
 * const clients = perTenant(
 *   (key) => new Kysely<Database>({ dialect: new PostgresDialect({ pool: tenancy.pool(key) }) }),
 *   { max: 50, close: (client) => client.destroy() },
 * )
 * const notes = await clients.use('acme', (client) => client.selectFrom('notes').selectAll().execute())
 * Array.isArray(notes) // → true
 * ```
 */
export function perTenant<T>(
  make: (key: string) => T | Promise<T>,
  { max = 100, close = () => {} }: PerTenantOptions<T> = {},
): PerTenant<T> {
  if (typeof make !== 'function') throw invalidOption('make', 'a function that makes a client for a tenant')
  integerOption('max', max, 1, 10_000)
  const entries = new Map<string, Entry<T>>()
  let over = false

  const end = (entry: Entry<T>) => {
    if (entry.users > 0 || !entry.given) return
    entry.client
      .then(close)
      .catch(() => {})
      .finally(() => entry.closed.resolve())
  }
  const giveUp = (key: string, entry: Entry<T>) => {
    entries.delete(key)
    entry.given = true
    end(entry)
  }
  const take = (key: string): Entry<T> => {
    const known = entries.get(key)
    const entry = known ?? {
      client: (async () => make(key))(),
      users: 0,
      given: false,
      closed: Promise.withResolvers<void>(),
    }
    // The order of the map is that of use.
    entries.delete(key)
    entries.set(key, entry)
    entry.users++
    if (!known) entry.client.catch(() => entries.get(key) === entry && giveUp(key, entry))
    for (const [oldest, one] of entries) {
      if (entries.size <= max) break
      if (oldest !== key) giveUp(oldest, one)
    }
    return entry
  }
  return {
    async use(key, fn) {
      const tenant = parseTenantKey(key)
      if (over) throw new TenancyError('SCOPE_ENDED', 'These clients have been closed. Make others.')
      const entry = take(tenant)
      try {
        return await fn(await entry.client)
      } finally {
        entry.users--
        end(entry)
      }
    },
    get size() {
      return entries.size
    },
    async close() {
      over = true
      const all = [...entries]
      for (const [key, entry] of all) giveUp(key, entry)
      await Promise.all(all.map(([, { closed }]) => closed.promise))
    },
  }
}
