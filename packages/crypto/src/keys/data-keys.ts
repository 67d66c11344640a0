import {
  integerOption,
  type OptionNames,
  parseTenantKey,
  type Queryable,
  requireKnownOptions,
  TenancyError,
} from '@org/core'
import type { Envelopes } from '../envelope/envelopes.ts'
import type { KeyList } from '../envelope/held-keys.ts'
import { readOrCreate, remove, rewrap, rotate, sealingAt } from './data-key-changes.ts'
import { dataKeyStore } from './data-key-store.ts'
import type { KeyWrapper } from './key-wrapper.ts'
import { leasedEnvelopes } from './lease.ts'
import { type LoadLease, leaseCache } from './lease-cache.ts'
import type { DataKeyTable } from './sql.ts'
import { wrappingBy } from './wrapping.ts'

/** What timers take: 24 days in milliseconds. */
const MAX_NUMBER = 2 ** 31 - 1

/** What {@link createDataKeys} needs; `schema` and `table` say where the keys are stored. */
export interface DataKeyOptions extends DataKeyTable {
  /** the platform's own connection, e.g. the pool: not a tenant's handle, and outside of transactions */
  readonly db: Queryable
  /** holds the master key */
  readonly wrapper: KeyWrapper
  /**
   * How long envelopes that were handed out work, in milliseconds (default 300,000: five minutes); a tenant's keys
   * are fetched again after half of it. So long can another process open secrets of a destroyed tenant. Give every
   * process the same.
   */
  readonly maxAgeMs?: number
  /** how many tenants' keys are kept in memory (default 1,000) */
  readonly maxTenants?: number
  /** how long the wrapper may take for a key, in milliseconds (default 5,000) */
  readonly timeoutMs?: number
  /** a clock that only goes forward, in milliseconds (default `performance.now`); for tests */
  readonly now?: () => number
}

/** How far {@link DataKeys.rewrap} came. */
export interface RewrapProgress {
  /** tenants whose keys were wrapped anew */
  readonly rewrapped: number
  /** give it as `after` to go on; `null` at the end */
  readonly next: string | null
}

/** A data key for each tenant, wrapped by a master key. */
export interface DataKeys {
  /**
   * The tenant's envelopes (`enc:v2:`); its first data key is made when it has none. Ask for each piece of work:
   * what is returned works for at least half of `maxAgeMs`, and for no longer than all of it.
   *
   * @throws TenancyError INVALID_TENANT_KEY, KEY_MISSING (`details.reason` is `destroyed`), KEY_SERVICE_UNAVAILABLE,
   * ENVELOPE_UNREADABLE when a stored key is not this tenant's, DATABASE_ERROR
   */
  forTenant(tenant: string): Promise<Envelopes>
  /**
   * Adds a data key. It begins to seal after twice `maxAgeMs`, when every process knows it; older ones go on opening.
   *
   * @throws TenancyError as `forTenant`; KEY_IN_USE when the tenant has 16 keys; CONFLICT
   */
  rotate(tenant: string): Promise<void>
  /**
   * Takes an older data key away, after the rotation has sealed everything under a newer one.
   *
   * @throws TenancyError KEY_IN_USE when it is, or will be, the one that seals; KEY_MISSING; CONFLICT
   */
  remove(tenant: string, keyId: string): Promise<void>
  /**
   * Destroys all data keys of the tenant: no secret of it can be opened again. At once in this process, within
   * `maxAgeMs` in others. Backups of the database still have the wrapped keys until they are deleted.
   */
  destroy(tenant: string): Promise<void>
  /**
   * A first data key for a tenant whose keys were destroyed, for those who mean it.
   *
   * @throws TenancyError CONFLICT when they were not, or less than `maxAgeMs` ago
   */
  startOver(tenant: string): Promise<void>
  /**
   * Wraps data keys anew, after the master key was rotated; the secrets stay as they are. Page by page, resumable.
   *
   * @param options.after the tenant to go on after; all of them by default
   * @param options.limit tenants in this call (default 100)
   */
  rewrap(options?: { readonly after?: string; readonly limit?: number }): Promise<RewrapProgress>
}

const CREATE_DATA_KEYS_OPTIONS: OptionNames<DataKeyOptions> = {
  db: true,
  wrapper: true,
  maxAgeMs: true,
  maxTenants: true,
  timeoutMs: true,
  now: true,
  schema: true,
  table: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 *
 * @example
 * ```ts
 * import { createDataKeys, dataKeyMigration, keyRingFromEnv, localWrapper } from '@org/crypto'
 *
 * const at = { schema: 'data_keys' }
 * await adminPool.query('create schema data_keys') // once, as the administrator
 * await adminPool.query(dataKeyMigration(at).sql)
 * await adminPool.query(`grant usage on schema data_keys to "${application}"`)
 * await adminPool.query(`grant select, insert, update on data_keys.tenant_data_key to "${application}"`)
 *
 * const ring = keyRingFromEnv(process.env, { format: 'v2' })
 * const keys = createDataKeys({ ...at, db: pool, wrapper: localWrapper(ring) })
 * const place = { tenant: 'acme', table: 'app_settings', name: 'smtp.password' }
 * const acme = await keys.forTenant('acme')
 * const sealed = acme.seal('correct horse', place)
 * acme.open(sealed, place) // → 'correct horse'
 * await keys.destroy('acme') // what was sealed for acme is gone; other tenants notice nothing
 * ```
 */
export function createDataKeys(options: DataKeyOptions): DataKeys {
  requireKnownOptions(options, CREATE_DATA_KEYS_OPTIONS)
  const { maxAgeMs = 300_000, maxTenants = 1_000, timeoutMs = 5_000, now = () => performance.now() } = options
  for (const [name, value] of Object.entries({ maxAgeMs, maxTenants, timeoutMs })) {
    integerOption(name, value, 1, MAX_NUMBER)
  }
  const store = dataKeyStore(options.db, options)
  const wrapping = wrappingBy(options.wrapper, timeoutMs)
  const cache = leaseCache({ max: maxTenants, maxAgeMs, now })

  const loadLease =
    (tenant: string): LoadLease =>
    async (ended) => {
      const stored = await readOrCreate(store, wrapping, tenant)
      const keys = await Promise.all(stored.keys.map((key) => wrapping.unwrap(tenant, key)))
      const at = sealingAt(stored)
      const [sealing] = keys.splice(at, 1)
      if (sealing === undefined) throw new Error('a row without keys is a destroyed one')
      const list: KeyList = [sealing, ...keys]
      return leasedEnvelopes(list, ended)
    }

  return {
    async forTenant(tenant) {
      const key = parseTenantKey(tenant)
      return cache.get(key, loadLease(key))
    },
    async rotate(tenant) {
      const key = parseTenantKey(tenant)
      await rotate(store, wrapping, key, 2 * maxAgeMs)
      cache.forget(key)
    },
    async remove(tenant, keyId) {
      const key = parseTenantKey(tenant)
      await remove(store, key, keyId, maxAgeMs)
      cache.forget(key)
    },
    async destroy(tenant) {
      const key = parseTenantKey(tenant)
      await store.destroy(key)
      cache.revoke(key)
    },
    async startOver(tenant) {
      const key = parseTenantKey(tenant)
      const { id, wrapped } = await wrapping.create(key)
      if (!(await store.startOver(key, id, wrapped, maxAgeMs))) throw notDestroyed()
      cache.forget(key)
    },
    async rewrap({ after = '', limit = 100 } = {}) {
      integerOption('limit', limit, 1, MAX_NUMBER)
      const tenants = await store.page(after, limit)
      let rewrapped = 0
      for (const tenant of tenants) if (await rewrap(store, wrapping, tenant)) rewrapped++
      return { rewrapped, next: tenants.length < limit ? null : (tenants.at(-1) ?? null) }
    },
  }
}

function notDestroyed(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    "This tenant's data keys were not destroyed, or less than maxAgeMs ago, so that another process may still seal " +
      'under the destroyed ones. Wait for maxAgeMs, then try again.',
  )
}
