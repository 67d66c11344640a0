import type { Belongings, Migration, TenancyCheck } from '@org/core'
import type { PoolLike } from '../driver/types.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import type { NamingOptions } from '../isolation/names.ts'
import type { DistributedSchemas } from '../lifecycle/distributed-schemas.ts'
import type { OnForget, OnProvision } from '../lifecycle/levels/level.ts'
import type { LookupOptions } from '../registry/lookups.ts'
import type { ScopeDefaults } from '../scope/options.ts'
import type { NamedTypes } from '../scope/types/tenant-types.ts'
import type { LevelOptions } from './levels.ts'

/** Options of `createTenancy`; limits given here are the defaults of every scope. */
export interface TenancyOptions extends NamingOptions, LevelOptions, ScopeDefaults {
  /**
   * The application's pool, made and ended by the caller. May go through a transaction-mode pooler. At levels `login`
   * and `database` it only reads the registry, and its settings are those of the tenants' connections.
   * It needs no `maxUses`: see `maxTenantsPerConnection`.
   */
  readonly pool: PoolLike
  /**
   * A pool of the role that may create schemas and roles, connected directly, not through a pooler (default:
   * `pool`). For provisioning, migrations, backups and everything else that is not a scope.
   */
  readonly adminPool?: PoolLike
  /** How tenants are kept apart (default `role`). */
  readonly isolation?: IsolationLevel
  /** What every tenant's schema holds, in this order; `provision` applies what a tenant does not have yet. */
  readonly migrations?: readonly Migration[]
  /**
   * The migration a tenant must have, at least, for a scope of it to open: the id, or with `waitMs` how long to wait for a
   * migration that is under way (default 0). A tenant is asked about once in each process. Not at level `row`, whose
   * tenants are brought up to date together.
   */
  readonly minimumVersion?: string | { readonly id: string; readonly waitMs?: number }
  /** How {@link Tenancy.lookup} remembers. */
  readonly lookups?: LookupOptions
  /**
   * Schemas a migration may name besides `pg_catalog` and `information_schema`, those with shared tables for instance
   * (default: none). What `migrate` refuses, `provision` refuses.
   */
  readonly allowSchemas?: readonly string[] | undefined
  /**
   * Removes what the application keeps of a tenant outside the tenant's own data, when it is off-boarded or dropped: in the
   * transaction that writes the tombstone, as the administrator. When it throws, the tenant is not gone yet and the call is
   * repeated.
   */
  readonly onForget?: OnForget
  /**
   * What packages keep of a tenant outside its own data, taken along when `fleet.move` moves it: `entitlementsOf()` of
   * `@org/rbac/store`, `dataKeysOf()` of `@org/crypto`, … The same list in every cluster (default: none).
   */
  readonly belongings?: readonly Belongings[] | undefined
  /**
   * Makes what the application keeps for a tenant outside the tenant's own schema, when it is provisioned, completed or
   * restored, as the administrator, where the tenant's data lives: at level `database` in its own database, where tables that
   * its role must not own have to be made for each. When it throws, the tenant is not there yet and the call is repeated.
   */
  readonly onProvision?: OnProvision
  /** What else `doctor`, `stats` and `advise` look at: `governanceChecks` of `@org/governance/checks`, or your own (default none). */
  readonly checks?: readonly TenancyCheck[] | undefined
  /**
   * `'citus'`: new tenants' schemas are distributed over the nodes of a Citus cluster (12 or later), by schema-based
   * sharding; `adminPool` must lead to the coordinator (default: not). Level `schema`; with a single node also `role` and
   * `login`. Not with tenants made ahead, nor `resolveUnknownOutcome`. Asked once for a tenancy, before anything is made: INVALID_OPTION where it cannot
   * work. Scopes do not differ. See docs/scale-out.md for what a distributed schema cannot hold.
   */
  readonly distributedSchemas?: DistributedSchemas | undefined
  /**
   * Parsers for types that migrations or extensions make, by name: their OIDs differ from tenant to tenant, so that those of
   * `pg.types` cannot know them. Arrays of enums, domains and other such types are arrays without being named. A type is looked
   * up once in five minutes for a tenant, in one more round trip; enums that are not named are never looked up.
   *
   * @example
   * ```ts
   * createTenancy({ pool, types: { price: (text) => Number(text), 'extensions.vector': (text) => JSON.parse(text) } })
   * ```
   */
  readonly types?: NamedTypes | undefined
  /**
   * How many of a tenant's statements a connection keeps prepared, 0 to 200, as long as that tenant keeps the connection (default
   * 0: each is parsed when it is run). For few tenants that are busy, and for levels `login` and `database`, whose connections have
   * one tenant: `tenancy.query` and the first statement of `withTenant` are then neither parsed nor, after five times, planned.
   * What is older goes first, and all of it when another tenant comes; a plan that a migration has outlived is prepared anew.
   * Statements with the words today, tomorrow, yesterday or now (not `now()`) are never kept, because they mean the time of
   * parsing. Behind a pooler nothing is kept.
   *
   * Until the connection is another tenant's, hostile SQL of a tenant can replace what is kept for that very tenant, and so decide
   * what later statements of the same tenant do, as with `{ name }`. See SECURITY.md, *Statements under names*.
   */
  readonly keepStatements?: number
  /**
   * How many different tenants a connection serves before it is closed and the pool makes another, 1 to 100,000, counted within a
   * few per cent (default 2,000): a backend never forgets a table it has touched. 34 kB for a tenant's two tables, about 1 MB where
   * PL/pgSQL triggers run; give a number that suits. Not behind a pooler, whose `server_lifetime` does it.
   */
  readonly maxTenantsPerConnection?: number
  /** The schema of the registry: which tenants there are, their status and migrations (default `tenancy`). */
  readonly controlSchema?: string
}
