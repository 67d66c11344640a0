import { askTogether, type CachedLookup, cachedLookup, invalidOption, type TenantKey } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import type { ListenConnection, Listener } from './listen.ts'
import type { TenantRecord } from './record.ts'
import type { RegistryPlace } from './registry.ts'

/** How long {@link Tenancy.lookup} remembers, and what makes it forget sooner. */
export interface LookupOptions {
  /** Milliseconds a tenant in service is remembered: how old an answer can be (default 1,000; 0 to 60,000). */
  readonly maxAge?: number
  /** Tenants remembered (default 10,000). */
  readonly max?: number
  /**
   * A connection of its own that listens for changes, so that they are known at once: settings for `pg.Client`, connected
   * directly and not through a pooler (default: none; `maxAge` holds in any case). Any role that may connect will do.
   * Opened at the first look-up, opened again when it is lost, closed by `tenancy.close()`.
   */
  readonly listen?: ListenConnection
  /** Told when that connection cannot be made or is lost (default: a warning of the process, without values). */
  readonly onListenError?: (error: Error) => void
}

export interface Lookups {
  readonly lookup: CachedLookup<TenantRecord>
  /** Opens the connection that listens, if there is to be one. */
  start(): void
  close(): Promise<void>
}

/**
 * @param changed called when something in the registry changed, or may have: of those tenants, or any
 * @throws TenancyError INVALID_OPTION
 */
export function openLookups(
  pool: PoolLike,
  place: RegistryPlace,
  options: LookupOptions = {},
  changed: (which?: (tenant: TenantKey) => boolean) => void = () => {},
): Lookups {
  if (typeof options !== 'object' || options === null) throw invalidOption('lookups', 'an object')
  const { listen, onListenError = warn, ...bounds } = options
  if (listen !== undefined && (typeof listen !== 'object' || listen === null))
    throw invalidOption('lookups.listen', 'settings for pg.Client, such as { connectionString }')
  if (typeof onListenError !== 'function') throw invalidOption('lookups.onListenError', 'a function')
  const ask = async (tenants: readonly TenantKey[]) =>
    (await import('./read.ts')).findEach(pool, place, tenants)
  const lookup = cachedLookup(askTogether(ask), bounds)
  if (!listen) return { lookup, start: () => {}, close: async () => {} }
  const forget = (which?: (tenant: TenantKey) => boolean) => {
    lookup.forget(which)
    changed(which)
  }
  let [listener, closed]: [Promise<Listener> | undefined, boolean] = [undefined, false]
  const open = async (): Promise<Listener> => {
    const { Listener } = await import('./listen.ts')
    const made = new Listener({
      connection: listen,
      channel: place.controlSchema,
      onError: onListenError,
      changed: forget,
    })
    if (!closed) made.start()
    return made
  }
  return {
    lookup,
    start: () => {
      if (!closed) listener ??= open()
    },
    close: async () => {
      closed = true
      await (await listener)?.close()
    },
  }
}

function warn(error: Error): void {
  const { code = 'unknown' } = error as { code?: string }
  process.emitWarning(`pg-tenant: nobody listens for changes of the registry at the moment (${code})`, {
    code: 'PG_TENANT_LISTEN',
  })
}
