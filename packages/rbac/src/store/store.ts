import {
  type Actor,
  codedControl,
  integerOption,
  invalidOption,
  type OptionNames,
  type Queryable,
  requireKnownOptions,
  type TenantKey,
  type TenantQueryable,
  type TenantStatement,
} from '@org/core'
import type { Catalog } from '../catalog/model.ts'
import type { Evaluator } from '../evaluate/evaluator.ts'
import type { Snapshot } from '../snapshot/model.ts'
import { parseSnapshot } from '../snapshot/parse.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { EvaluatorCache } from './cache.ts'
import { type ChangeOptions, changesOf } from './change.ts'
import { type Entitlements, entitlementsOf } from './control-changes.ts'
import { type Entitlement, readEntitlement } from './entitlement.ts'
import { readGrants, snapshotOf } from './grants.ts'
import { type Groups, groupsOf } from './groups.ts'
import { parseControlSchema } from './install.ts'
import { type WideGrant, wideGrants } from './report.ts'
import { requireHandle, type SeedOptions, type SeedReport, seedTenant } from './seed.ts'
import { type SyncReport, syncCatalog } from './sync-catalog.ts'
import { type Users, usersOf } from './users.ts'

export interface RbacStoreOptions<
  Tool extends string = string,
  Action extends string = string,
  Package extends string = string,
  Limit extends string = string,
> {
  readonly catalog: Catalog<Tool, Action, Package, Limit>
  /** A pool on the database of the control schema, as one of its `managers` (or `readers`). Not a transaction. */
  readonly control: Queryable
  /** Default `rbac`. One for each tenancy: tenants are known by their keys alone. */
  readonly controlSchema?: string | undefined
  /** Runs one statement of a tenant: the `tenancy` of `@org/pg-tenant`. */
  readonly tenants: TenantStatement
  /** Packages are edited in the database while the program runs (default: the catalogue's own are what counts). */
  readonly storedPackages?: boolean | undefined
  /** The tenants have an `api_key` table, with {@link RBAC_API_KEY_MIGRATION} behind it (default `false`). */
  readonly apiKeys?: boolean | undefined
  /** Milliseconds for which what was read counts unasked: 0 to 1,000 (default 1,000). */
  readonly maxAge?: number | undefined
  /** Evaluators kept (default 10,000). */
  readonly maxActors?: number | undefined
  /** Tenants kept (default 10,000). */
  readonly maxTenants?: number | undefined
  /** Milliseconds since anything; they never go back (default `performance.now`). */
  readonly now?: (() => number) | undefined
  /** Milliseconds since 1970, for what expires (default `Date.now`). */
  readonly clock?: (() => number) | undefined
}

/** Who may do what, stored. Made by {@link createRbacStore}. */
export interface RbacStore<
  Action extends string = string,
  Package extends string = string,
  Limit extends string = string,
> extends Entitlements<Action, Package> {
  readonly users: Users
  readonly groups: Groups<Action>
  /**
   * Stores the catalogue, idempotently, and says what that changed. What the program no longer defines stays,
   * deprecated.
   */
  syncCatalog(): Promise<SyncReport>
  /**
   * What the actor may do, usually from memory. A change made through this store counts from the next call on, once it
   * is committed; any other within `maxAge`, never later.
   *
   * @throws TenancyError SERVICE_UNAVAILABLE and what a scope throws: what cannot be read permits nothing
   */
  evaluatorFor(who: {
    readonly tenant: TenantKey
    readonly actor: Actor
  }): Promise<Evaluator<Action, Package, Limit>>
  /** All that decides what the actor may do, as it is now: inside the transaction of `db`, past every cache. */
  loadSnapshot(db: TenantQueryable, actor: Actor): Promise<Snapshot>
  /** Gives a tenant its first groups, administrator and package; may be repeated. */
  seed(db: TenantQueryable, options?: SeedOptions<Action, Package>): Promise<SeedReport>
  /**
   * Runs a change that is not made through this store (a key of `@org/crypto`, SQL of yours), so that it too counts from
   * the next call on, once it is committed: `store.changing(db, () => apiKeys.revoke(db, id))`. Without it, within `maxAge`.
   *
   * @throws TenancyError CONFLICT when nobody would be left who may administer the tenant
   */
  changing<T>(db: TenantQueryable, run: () => Promise<T>, options?: ChangeOptions): Promise<T>
  /**
   * What was committed elsewhere (a transaction of the control schema, another process) counts from the next call on, not
   * only within `maxAge`.
   */
  refresh(): void
  /** Grants of groups, and keys, that go beyond what the tenant is entitled to. */
  wideGrants(db: TenantQueryable): Promise<WideGrant[]>
}

const NOT_STORED =
  'The stored catalogue has no such package, tool or action, or there is no such plan. Run syncCatalog(), or putPlan().'

const CREATE_RBAC_STORE_OPTIONS: OptionNames<RbacStoreOptions<string, string, string, string>> = {
  catalog: true,
  control: true,
  controlSchema: true,
  tenants: true,
  storedPackages: true,
  apiKeys: true,
  maxAge: true,
  maxActors: true,
  maxTenants: true,
  now: true,
  clock: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 *
 * @example
 * ```ts
 * import { defineCatalog } from '@org/rbac'
 * import { createRbacStore, installRbac } from '@org/rbac/store'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.read': { name: 'Read notes', kind: 'read' } },
 *   packages: { basic: { name: 'Basic', actions: ['notes.*'] } },
 * })
 * await installRbac(adminPool, { managers: [application] })
 * const store = createRbacStore({ catalog, control: pool, tenants: tenancy }) // RBAC_MIGRATION is one of its migrations
 * await store.syncCatalog()
 * const admin = { email: 'ana@example.com', name: 'Ana' }
 * const { packageAssigned } = await tenancy.withTenant('acme', (db) => store.seed(db, { admin, package: 'basic' }))
 * packageAssigned // → true
 * ```
 */
export function createRbacStore<
  Tool extends string,
  Action extends string,
  Package extends string,
  Limit extends string,
>(options: RbacStoreOptions<Tool, Action, Package, Limit>): RbacStore<Action, Package, Limit> {
  requireKnownOptions(options, CREATE_RBAC_STORE_OPTIONS)
  const settings = parse(options)
  const { schema, storedPackages, apiKeys, clock } = settings
  const catalog: Catalog = options.catalog
  const cache = new EvaluatorCache(settings)
  const control = codedControl(settings.control, 'installRbac(admin, { managers: [role] })', NOT_STORED)
  const changed = () => cache.controlChanged()
  const change = changesOf(cache)
  const entitlement = async (tenant: TenantKey): Promise<Entitlement> =>
    (await readEntitlement(settings.control, schema, tenant, storedPackages)).value
  return {
    ...entitlementsOf<Action, Package>(control, schema, catalog, changed),
    users: usersOf(change),
    groups: groupsOf<Action>(change, catalog),
    syncCatalog: () => syncCatalog(control, schema, catalog, storedPackages).finally(changed),
    evaluatorFor: async ({ tenant, actor }) =>
      cache.evaluatorFor(tenant, actor) as Evaluator<Action, Package, Limit>,
    async loadSnapshot(db, actor) {
      requireHandle(db)
      const [entitled, grants] = await Promise.all([entitlement(db.tenant), readGrants(db, actor, apiKeys)])
      return parseSnapshot(snapshotOf(entitled, grants.value))
    },
    async seed(db, seeds = {}) {
      requireHandle(db)
      const assign = (text: string, values: unknown[]) => control.query(text, values).finally(changed)
      return seedTenant(db, { change, catalog, assign, schema }, seeds)
    },
    async changing(db, run, changeOptions) {
      requireHandle(db)
      return change(db, run, changeOptions)
    },
    refresh: changed,
    async wideGrants(db) {
      requireHandle(db)
      return wideGrants(db, catalog, await entitlement(db.tenant), { apiKeys, now: clock })
    },
  }
}

function parse<T extends string, A extends string, P extends string, L extends string>(
  options: RbacStoreOptions<T, A, P, L>,
) {
  const { catalog, control, tenants, maxAge = 1_000, maxActors = 10_000, maxTenants = 10_000 } = options ?? {}
  if (typeof catalog?.has !== 'function') throw invalidOption('catalog', 'made by defineCatalog')
  if (typeof control?.query !== 'function') throw invalidOption('control', 'a pool')
  if (typeof tenants?.query !== 'function') throw invalidOption('tenants', 'a tenancy')
  if (!(maxAge >= 0 && maxAge <= 1_000)) throw invalidOption('maxAge', '0 to 1000 milliseconds')
  for (const [name, value] of Object.entries({ maxActors, maxTenants })) {
    integerOption(name, value, 1)
  }
  return {
    catalog: catalog as Catalog,
    control,
    tenants,
    maxAge,
    maxActors,
    maxTenants,
    schema: quoteIdentifier(parseControlSchema(options.controlSchema)),
    storedPackages: options.storedPackages === true,
    apiKeys: options.apiKeys === true,
    now: options.now ?? (() => performance.now()),
    clock: options.clock ?? Date.now,
  }
}
