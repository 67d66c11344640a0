import { integerOption, invalidOption, type OptionNames, requireKnownOptions } from '@org/core'
import type { ProvisionOptions, ProvisionResult } from '../lifecycle/provision.ts'
import type { MoveResult } from '../move/move.ts'
import type { MoveOptions } from '../move/options.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryConfig } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { TenantAccess } from '../tenancy/interface.ts'
import type { FleetOptions } from './options.ts'
import type { PlacedTenancy } from './placed-tenancy.ts'
import type { Routing } from './routing.ts'

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
  /** The record of a tenant where it is, as a directory for `resolveTenant`. */
  find(key: string): Promise<TenantRecord | undefined>
  /**
   * Moves a tenant to another cluster, with all that its `belongings` keep of it. It is out of service from the end of its last
   * scope here to its first one there; `withTenant` and `query` of a fleet wait for that as long as `waitForMove` says.
   *
   * Every scope that was acknowledged is in what moves: it waits for running ones first, as off-boarding does. Cut off at any
   * moment, the same call goes on; until the tenant changes hands a failure, or `undo`, leaves it where it was. `onForget` is
   * not called: it lives on. Change what its belongings hold only through the cluster that has it.
   *
   * @throws TenancyError INVALID_OPTION (no such placement, a right lacks), TENANT_NOT_FOUND, TIMEOUT (scopes did not end)
   * @throws TenancyError CONFLICT, with `details.reason`: `names`, `named`, `tables`, `version`, `key_taken`, `belongings`, `stays`,
   *   `unconfirmed`, `not_archived`, `dependents`, `room`, `replication`, `from`, `under_way`, `switched`, `sequence`
   *   (into shared tables, with a number that would leave the others hardly any); before anything was closed; `changed` (DDL meanwhile: called off); `difference` (see `copy`: changed hands, and nothing was taken down)
   * @throws TenancyError ABORTED, DATABASE_ERROR, CONNECTION_LOST, UNKNOWN_OUTCOME (run it again)
   * @example
   * await fleet.move('acme', 'us')
   */
  move(key: string, to: string, options?: MoveOptions): Promise<MoveResult>
  /** Closes the tenancies of all clusters. */
  close(): Promise<void>
}

const CREATE_FLEET_OPTIONS: OptionNames<FleetOptions<PlacedTenancy>> = {
  placements: true,
  defaultPlacement: true,
  remember: true,
  rememberMissing: true,
  answerWithin: true,
  directory: true,
  waitForMove: true,
}

/**
 * Routes each tenant to the cluster that holds it: the registries of the clusters know, and what they said is
 * remembered. A wrong memory does no harm: a cluster without the tenant refuses its scope, and the registries are asked
 * again.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { createFleet } from '@org/pg-tenant'
 *
 * // One tenancy for each cluster.
 * const fleet = createFleet({ placements: { eu: tenancy }, defaultPlacement: 'eu' })
 * const { rows } = await fleet.query('acme', 'select count(*)::int as notes from notes')
 * typeof rows[0]?.notes // → 'number'
 * ```
 */
export function createFleet<T extends PlacedTenancy>(options: FleetOptions<T>): Fleet<T> {
  requireFleetOptions(options)
  let loaded: Promise<Routing<T>> | undefined
  const routing = () => {
    loaded ??= import('./routing.ts').then(({ Routing }) => new Routing(options))
    return loaded
  }
  return Object.freeze({
    of: async (key: string) => (await routing()).of(key),
    withTenant: async <R>(key: string, fn: (db: TenantDb) => Promise<R>, scope?: ScopeOptions) =>
      (await routing()).run(key, (tenancy) => tenancy.withTenant(key, fn, scope)),
    query: (async (key: string, query: QueryConfig, values?: readonly unknown[], scope?: ScopeOptions) =>
      (await routing()).run(key, (tenancy) => tenancy.query(key, query, values, scope))) as Fleet['query'],
    lookup: async (key: string) => (await routing()).lookup(key),
    find: async (key: string) => (await routing()).find(key),
    provision: async (key: string, facts?: ProvisionOptions) => (await routing()).provision(key, facts),
    move: async (key: string, to: string, how?: MoveOptions) => (await routing()).move(key, to, how),
    close: async () => {
      await Promise.all(Object.values(options.placements).map((tenancy) => tenancy.close?.()))
    },
  })
}

/** @throws TenancyError INVALID_OPTION */
function requireFleetOptions(options: FleetOptions): void {
  requireKnownOptions(options, CREATE_FLEET_OPTIONS)
  const { placements, defaultPlacement, remember = 1, directory } = options
  const { answerWithin = 1, rememberMissing = 0, waitForMove = 0 } = options
  const names = Object.keys(placements ?? {})
  if (names.length === 0) throw invalidOption('placements', 'tenancies by name')
  if (defaultPlacement !== undefined && !names.includes(defaultPlacement))
    throw invalidOption('defaultPlacement', `one of ${names.join(', ')}`)
  integerOption('remember', remember, 1, 1_000_000)
  if (directory !== undefined && typeof directory !== 'function')
    throw invalidOption('directory', 'a function')
  integerOption('answerWithin', answerWithin, 1, 60_000, 'milliseconds')
  integerOption('rememberMissing', rememberMissing, 0, 60_000, 'milliseconds')
  integerOption('waitForMove', waitForMove, 0, 60_000, 'milliseconds')
}
