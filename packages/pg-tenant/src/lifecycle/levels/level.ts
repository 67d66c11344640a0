import type { Belongings, Queryable, TenancyCheck, TenantKey } from '@org/core'
import type { AdminSession } from '../../admin/session.ts'
import type { Admin } from '../../admin/transaction.ts'
import type { TenantConnection } from '../../credentials/connection.ts'
import type { CredentialKeeper } from '../../credentials/keeper.ts'
import type { PoolLike } from '../../driver/types.ts'
import type { IsolationLevel } from '../../isolation/isolation.ts'
import type { Naming } from '../../isolation/names.ts'
import type { RowPlace } from '../../isolation/row.ts'
import type { CheckedMigration } from '../../migrations/migrations.ts'
import type { TenantStatus } from '../../registry/record.ts'
import type { RegistryPlace } from '../../registry/registry.ts'
import type { DistributedSchemas } from '../distributed-schemas.ts'

/** One piece of administrative work on one tenant, in a transaction that holds the tenant's lock. */
export interface TenantWork {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  /** The transaction in the database that holds the control schema. */
  readonly admin: Admin
  /** At levels that say `staged`: a connection outside that transaction, for what cannot run in one. */
  readonly session: AdminSession | undefined
  /** The role the application logs in with. */
  readonly application: string
  /** What the registry said of the tenant when the work began. */
  readonly status: TenantStatus
}

/** What provisioning made. */
export interface Furnished {
  /** Whether the tenant was new. */
  readonly created: boolean
  /** Ids of the migrations applied now. */
  readonly migrations: readonly string[]
  /** There are more, for another transaction. */
  readonly more?: true
}

/**
 * What differs between isolation levels in the life of a tenant; its counterpart in a scope is `Isolation`. Every
 * method may be repeated and completes what is missing. The registry (status, tombstones) is not its business.
 */
export interface LevelLifecycle {
  readonly level: IsolationLevel
  /** Where the shared tables are; only at level `row`. */
  readonly row?: RowPlace
  /** Where tenants' passwords are; only where tenants log in by themselves. */
  readonly keeper?: CredentialKeeper
  /**
   * Whether a tenant is more than one transaction can make or remove. The registry's `provisioning` and `deleting` are
   * then committed ahead of the work, and whoever runs it next finishes what was cut off.
   */
  readonly staged: boolean
  /**
   * The roles the tenant needs in this server; committed before {@link furnish} where the level is staged.
   *
   * @returns the tenant's own connection, when one was issued now
   */
  ensureRoles(work: TenantWork): Promise<TenantConnection | undefined>
  /** What its data lives in, the privileges to it, and the migrations. Leaves the tenant in service. */
  furnish(work: TenantWork): Promise<Furnished>
  /** Where tenants share their tables: brings those up to date, once for all tenants. */
  migrateShared?(lifecycle: Lifecycle): Promise<readonly string[]>
  /** The role migrations run as, so that it owns its tables; `undefined`: the administrator. */
  ownerOf(lifecycle: Pick<Lifecycle, 'naming' | 'distributedSchemas'>, tenant: TenantKey): string | undefined
  /** The tenant's own database; left out where tenants are in that of the registry. */
  databaseOf?(lifecycle: Pick<Lifecycle, 'naming'>, tenant: TenantKey): string
  /**
   * Runs `fn` where the tenant's data lives: in the transaction of `work`, or in one of its own in another database,
   * which commits before that of `work`.
   */
  atHome<T>(work: TenantWork, fn: (home: Admin) => Promise<T>): Promise<T>
  /** From COMMIT on no scope of the tenant opens, in any process, and no request pays for asking. */
  takeOutOfService(work: TenantWork): Promise<void>
  putBackIntoService(work: TenantWork): Promise<void>
  /**
   * Whether there is anything of the tenant to drop.
   *
   * @throws TenancyError CONFLICT when what is there belongs to somebody else
   */
  exists(work: TenantWork): Promise<boolean>
  /**
   * Waits for running scopes to end and lets no new one in, until the transaction ends or, at staged levels, for ever.
   *
   * @throws TenancyError TIMEOUT when they stay
   */
  drain(work: TenantWork): Promise<void>
  /** Removes the tenant's data and roles. */
  takeDown(work: TenantWork): Promise<void>
  /** How tenants are made ahead; left out where they are not. */
  readonly ready?: ReadySteps
}

/** Tenants made ahead and given to an owner later, by new names: what hangs on names, and what only an owner gets. */
export interface ReadySteps {
  /** As `ensureRoles`, without anything by which somebody could get in. */
  ensureRoles(work: TenantWork): Promise<void>
  /**
   * Renames what was made for `from` and lets the tenant of `work` in.
   *
   * @returns the tenant's own connection, where it has one
   */
  adopt(work: TenantWork, from: TenantKey): Promise<TenantConnection | undefined>
}

/**
 * Removes what an application keeps of a tenant outside the tenant's own data: its rows in tables of the control schema, for
 * instance. `control` runs single statements as the administrator, in the transaction that writes the tombstone; names are
 * to be qualified.
 */
export type OnForget = (control: Queryable, tenant: TenantKey) => Promise<unknown>

/**
 * Makes what an application keeps for a tenant outside the tenant's own schema, as the administrator, in the database that
 * holds the tenant and, but for level `database`, in the transaction that makes it. `home` is of use as long as the hook
 * runs; names are to be qualified. It may be called again for a tenant that is there.
 */
export type OnProvision = (home: Queryable, tenant: TenantKey) => Promise<unknown>

/** What provisioning and dropping need to know of a tenancy. */
export interface Lifecycle {
  readonly level: IsolationLevel
  /** What differs between the levels. */
  readonly ofLevel: LevelLifecycle
  readonly naming: Naming
  readonly pool: PoolLike
  readonly adminPool: PoolLike
  readonly registry: RegistryPlace
  readonly migrations: readonly CheckedMigration[]
  /** Schemas a migration may name besides the catalogue's (default: none). */
  readonly allowSchemas?: readonly string[] | undefined
  /** What spreads the schemas of tenants over several nodes, where something does. */
  readonly distributedSchemas?: DistributedSchemas | undefined
  /** What the application does when a tenant goes for good. */
  readonly onForget?: OnForget | undefined
  /** What packages keep of a tenant outside its own data. */
  readonly belongings?: readonly Belongings[] | undefined
  /** What it does when one is made or completed. */
  readonly onProvision?: OnProvision | undefined
  /** What other packages know that can be wrong. */
  readonly checks?: readonly TenancyCheck[] | undefined
}
