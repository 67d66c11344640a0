import {
  isTenancyError,
  type OptionNames,
  requireKnownOptions,
  TenancyError,
  type TenantKey,
} from '@org/core'
import { invalid } from '../errors/invalid.ts'
import type { ProvisionOptions, ProvisionResult } from '../lifecycle/provision.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryConfig } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { TenantAccess } from '../tenancy/interface.ts'
import type { PlacedTenancy } from './placed-tenancy.ts'
import type { Places } from './places.ts'

/** Options of {@link createFleet}. */
export interface FleetOptions<T extends PlacedTenancy = PlacedTenancy> {
  /** The clusters by name, each a tenancy over its own pools: `{ eu: createTenancy({ … }), us: … }`. */
  readonly placements: Readonly<Record<string, T>>
  /**
   * Where new tenants go unless `provision` says so (default: there is none, and it must).
   */
  readonly defaultPlacement?: string | undefined
  /** How many tenants' places are remembered, 1 to 1,000,000 (default 10,000). */
  readonly remember?: number | undefined
}

/** Tenants over several clusters: the adapters take it in place of a tenancy. Made by {@link createFleet}. */
export interface Fleet<T extends PlacedTenancy = PlacedTenancy> extends TenantAccess {
  /**
   * The tenancy of the cluster that holds a tenant.
   *
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT (two clusters say they hold it), CONNECTION_LOST
   *   (a cluster did not answer, so that nobody knows)
   */
  of(key: string): Promise<T>
  /**
   * As `Tenancy.provision`, in the cluster that holds the tenant, or for a new one in `placement`.
   *
   * @throws TenancyError INVALID_OPTION (no such placement, or none at all), CONFLICT (it lives elsewhere, or did)
   */
  provision(key: string, options?: ProvisionOptions): Promise<ProvisionResult>
  /** Closes the tenancies of all clusters. */
  close(): Promise<void>
}

const CREATE_FLEET_OPTIONS: OptionNames<FleetOptions<PlacedTenancy>> = {
  placements: true,
  defaultPlacement: true,
  remember: true,
}

/**
 * Routes each tenant to the cluster that holds it: the registries of the clusters know, and what they said is
 * remembered. A wrong memory does no harm: a cluster without the tenant refuses its scope, and the registries are asked
 * again.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function createFleet<T extends PlacedTenancy>(options: FleetOptions<T>): Fleet<T> {
  requireKnownOptions(options, CREATE_FLEET_OPTIONS)
  const { placements, defaultPlacement, remember = 10_000 } = options
  const names = Object.keys(placements ?? {})
  if (names.length === 0) throw invalid('placements', 'tenancies by name')
  if (defaultPlacement !== undefined && !names.includes(defaultPlacement))
    throw invalid('defaultPlacement', `one of ${names.join(', ')}`)
  if (!Number.isInteger(remember) || remember < 1 || remember > 1_000_000)
    throw invalid('remember', 'a whole number from 1 to 1,000,000')
  let loaded: Promise<Places> | undefined
  const places = () => {
    loaded ??= import('./places.ts').then(({ Places }) => new Places(placements, remember))
    return loaded
  }

  const of = async (key: string): Promise<T> => {
    const place = await (await places()).of(key)
    if (place !== undefined) return placements[place] as T
    throw new TenancyError('TENANT_NOT_FOUND', 'No cluster holds this tenant. Run provision(key) first.', {
      details: { tenant: key },
    })
  }
  /** Runs it where the tenant is remembered to be; once more where it is now, if it was not there at all. */
  const there = async <R>(key: string, run: (tenancy: T) => Promise<R>): Promise<R> => {
    const remembered = (await places()).remembered(key)
    try {
      return await run(await of(key))
    } catch (error) {
      const moved = isTenancyError(error, 'SCHEMA_MISSING') && remembered !== undefined
      if (!moved || (await (await places()).ask(key)) === remembered) throw error
      return await run(await of(key))
    }
  }
  return Object.freeze({
    of,
    withTenant: <R>(key: string, fn: (db: TenantDb) => Promise<R>, scope?: ScopeOptions) =>
      there(key, (tenancy) => tenancy.withTenant(key, fn, scope)),
    query: ((key: string, query: QueryConfig, values?: readonly unknown[], scope?: ScopeOptions) =>
      there(key, (tenancy) => tenancy.query(key, query, values, scope))) as Fleet['query'],
    lookup: async (key: string) => {
      const place = await (await places()).of(key)
      const found = place === undefined ? undefined : await placements[place]?.lookup(key)
      if (place === undefined || (found !== undefined && found.status !== 'deleted')) return found
      const moved = await (await places()).ask(key)
      return moved === undefined || moved === place ? found : await placements[moved]?.lookup(key)
    },
    provision: async (key: string, facts: ProvisionOptions = {}) => {
      const held = await (await places()).ask(key, { deleted: true })
      const place = facts.placement ?? held ?? defaultPlacement
      if (place === undefined || !names.includes(place))
        throw invalid('placement', `one of ${names.join(', ')}`)
      if (held !== undefined && held !== place) throw elsewhere(key as TenantKey, held)
      const result = await (placements[place] as T).provision(key, { ...facts, placement: place })
      ;(await places()).learn(key, place)
      return result
    },
    close: async () => {
      await Promise.all(Object.values(placements).map((tenancy) => tenancy.close?.()))
    },
  })
}

function elsewhere(tenant: TenantKey, placement: string): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'Another cluster holds this tenant, or held it before it was dropped. Back it up there and restore it here to move it.',
    { details: { tenant, placement } },
  )
}
