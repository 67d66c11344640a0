import type { Migration, Row } from '@org/core'
import type { Pool } from 'pg'
import type { BackupOptions, BackupResult } from '../archive/backup-options.ts'
import type { ExportOptions, ExportResult } from '../archive/export/export.ts'
import type { RestoreOptions, RestoreResult } from '../archive/restore/options.ts'
import type { TenantConnection } from '../credentials/connection.ts'
import type { DiagnoseOptions } from '../doctor/diagnose.ts'
import type { Diagnosis } from '../doctor/finding.ts'
import type { PoolLike } from '../driver/types.ts'
import type { MigrateOptions } from '../fleet/options.ts'
import type { MigrateReport } from '../fleet/report.ts'
import type { MigrationStatus, MigrationStatusOptions } from '../fleet/status.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import type { NamingOptions } from '../isolation/names.ts'
import type { DistributedSchemas } from '../lifecycle/distributed-schemas.ts'
import type { OnForget } from '../lifecycle/levels/level.ts'
import type { ProvisionOptions, ProvisionResult } from '../lifecycle/provision.ts'
import type { ReadyTenants } from '../lifecycle/ready/ready.ts'
import type { OffboardOptions } from '../offboard/options.ts'
import type { Receipt } from '../offboard/receipt.ts'
import type { TenantPg, TenantPoolOptions } from '../pool/tenant-pool.ts'
import type { LookupOptions } from '../registry/lookups.ts'
import type { ListOptions } from '../registry/read.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { OpenScope } from '../scope/open-scope.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import type { QueryConfig } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { NamedTypes } from '../scope/types/tenant-types.ts'
import type { FleetStats, StatsOptions } from '../stats/stats.ts'
import type { VerifyReport } from '../verify/report.ts'
import type { VerifyOptions } from '../verify/verify.ts'
import type { EachOptions, EachReport } from './each.ts'
import type { LevelOptions } from './levels.ts'

/** Options of `createTenancy`; limits given here are the defaults of every scope. */
export interface TenancyOptions
  extends NamingOptions,
    LevelOptions,
    Pick<
      ScopeOptions,
      | 'statementTimeout'
      | 'lockTimeout'
      | 'idleTimeout'
      | 'connectionTimeout'
      | 'retry'
      | 'resolveUnknownOutcome'
    > {
  /**
   * The application's pool, made and ended by the caller. May go through a transaction-mode pooler. At levels `login`
   * and `database` it only reads the registry, and its settings are those of the tenants' connections.
   *
   * Give it `maxUses` (some thousands): a backend keeps what it knows of every table it has touched, tenant by tenant.
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
  /** The schema of the registry: which tenants there are, their status and migrations (default `tenancy`). */
  readonly controlSchema?: string
}

/** Tenant-scoped data access. Made by `createTenancy`. */
export interface Tenancy {
  readonly isolation: IsolationLevel

  /**
   * Runs `fn` inside one transaction of one tenant and commits it: what `fn` returns is returned after COMMIT has
   * been answered; when anything fails, everything is rolled back and the error says what happened.
   *
   * Inside a scope of the same tenant it becomes a savepoint of that scope.
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION or CROSS_TENANT before anything is sent
   * @throws TenancyError SCHEMA_MISSING, SCHEMA_UNUSABLE, POOL_EXHAUSTED or CONNECTION_LOST when it cannot open
   * @throws TenancyError SERVICE_UNAVAILABLE when the tenant is below `minimumVersion`
   * @throws TenancyError QUERY_NOT_AWAITED, SILENT_ROLLBACK or SCOPE_ESCAPED when `fn` broke the rules
   * @throws TenancyError TIMEOUT, ABORTED or CONFLICT when it cannot finish
   * @throws TenancyError UNKNOWN_OUTCOME when the connection was lost at COMMIT: the only error after which the work
   *   may have been committed
   */
  withTenant<T>(key: string, fn: (db: TenantDb) => Promise<T>, options?: ScopeOptions): Promise<T>

  /**
   * One statement in a scope of its own, in one round trip. Inside a scope of the same tenant it joins that scope.
   * Errors as {@link Tenancy.withTenant} and {@link TenantDb.query}.
   */
  query<R extends object = Row>(
    key: string,
    text: string,
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<R>>
  query<R extends readonly unknown[] = unknown[]>(
    key: string,
    query: QueryConfig & { readonly rowMode: 'array' },
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<R>>
  query<R extends object = Row>(
    key: string,
    query: QueryConfig,
    values?: readonly unknown[],
    options?: ScopeOptions,
  ): Promise<QueryResult<R>>

  /**
   * A scope that is opened and closed by hand, for code that cannot be put into a callback. It opens with its first statement;
   * `await using scope = tenancy.open(key)` rolls back what nobody has committed.
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION or CROSS_TENANT; its statements and `commit` as
   *   {@link Tenancy.withTenant}
   */
  open(key: string, options?: ScopeOptions): OpenScope

  /**
   * A `pg.Pool` bound to one tenant for good, for libraries over `pg` (Kysely, Drizzle, Prisma, …). A query is a scope of its
   * own, in one round trip; between BEGIN and COMMIT of a client it is one scope. Its clients hold no connection while they
   * idle, so that one for each tenant costs little. LISTEN, PREPARE and SET of what a scope depends on are refused.
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION
   */
  pool(key: string, options?: TenantPoolOptions): Pool

  /**
   * The module `pg` with `Pool` and `Client` bound to the tenant, for libraries that want the module (Knex, TypeORM,
   * Sequelize, MikroORM).
   *
   * @throws TenancyError INVALID_TENANT_KEY, INVALID_OPTION
   */
  pg(key: string, options?: TenantPoolOptions): TenantPg

  /**
   * Runs `fn` in a scope of every active tenant, in the byte order of their keys, several at once: for workers and scripts. One
   * tenant's failure does not stop the others. A run that was cut off goes on with `after: report.resumeAfter`.
   *
   * @throws TenancyError INVALID_OPTION, VALIDATION_ERROR; what `onTenant` throws
   */
  each(
    fn: (db: TenantDb, tenant: TenantRecord) => Promise<unknown>,
    options?: EachOptions,
  ): Promise<EachReport>

  /** The schema a tenant's tables are in, for libraries that qualify every name. @throws TenancyError INVALID_TENANT_KEY */
  schemaOf(key: string): string

  /**
   * Creates what the tenant needs, or completes it: role, schema, privileges, marker, migrations. In one
   * transaction, so that it is there or not; may be repeated, also by several processes at once.
   *
   * A suspended tenant is brought up to date and stays suspended.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONFLICT (the names belong to something else, or a tenant of that key was
   *   dropped), INVALID_OPTION (the administrator lacks a right: the message says which), DATABASE_ERROR
   */
  provision(key: string, options?: ProvisionOptions): Promise<ProvisionResult>

  /**
   * Takes the tenant out of service: as soon as this resolves, no scope of it opens in any process
   * (`TENANT_SUSPENDED`), and what a scope still running reads or writes fails. Its data stays.
   *
   * @param reason for the registry; it is not told to the tenant
   * @returns whether it was in service
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND
   */
  suspend(key: string, reason?: string): Promise<boolean>

  /**
   * Puts a suspended tenant back into service.
   *
   * @returns whether it was suspended
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND
   */
  resume(key: string): Promise<boolean>

  /**
   * What the registry knows of a tenant, `undefined` when it was never provisioned.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
   */
  find(key: string): Promise<TenantRecord | undefined>

  /**
   * As `find`, for every request: a tenant in service is remembered for `lookups.maxAge` (1 second), and forgotten when
   * this tenancy changes it or `lookups.listen` hears of a change. What was suspended or dropped elsewhere may so be found
   * in service for that long; no scope of it opens.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
   */
  lookup(key: string): Promise<TenantRecord | undefined>

  /** Tenants made ahead, for sign-ups in milliseconds. */
  readonly ready: ReadyTenants

  /**
   * The tenants in the registry, a page at a time, in the byte order of their keys.
   *
   * @throws TenancyError VALIDATION_ERROR, CONNECTION_LOST, DATABASE_ERROR
   */
  list(options?: ListOptions): Promise<TenantRecord[]>

  /**
   * Brings every tenant that is behind up to date: several at once, each in one transaction, both ledgers written in it.
   * When a tenant failed or was left, it rejects with `MigrationFailed`, which has the report, once those under way are done;
   * with `throwOnFailure: false` it resolves with the report. Run it again after anything. When nobody is behind it costs one
   * query.
   *
   * At level `database` each tenant is completed as `provision` does it: files marked no-transaction run in the transaction,
   * without CONCURRENTLY, and those with VACUUM or REINDEX are refused. At level `row` one run migrates all tenants. Options that a level cannot honour are refused.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY; STATEMENT_REFUSED (a migration that would break the second
   *   tenant; see `lintMigrations`); CONFLICT when a migration was edited or is unknown; in each case nothing was run
   * @throws TenancyError TENANT_NOT_FOUND for a key among the options that is no tenant's
   * @throws TenancyError MIGRATION_FAILED (`MigrationFailed`): `report` says what became of each tenant
   * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR when it could not begin
   */
  migrate(options?: MigrateOptions): Promise<MigrateReport>

  /**
   * Who is behind: for each migration how many tenants have it, and who does not. At level `row` all tenants share one
   * history: all have a migration or all lack it.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONNECTION_LOST, DATABASE_ERROR
   */
  migrationStatus(options?: MigrationStatusOptions): Promise<MigrationStatus[]>

  /**
   * Looks for what is wrong with the tenants or will be (drift, orphans, privileges, names that fall through …): a few
   * queries for the whole fleet, in one transaction that cannot change anything. Level `row`: the shared tables and whatever
   * could go past their policies; level `database`: the server, and each tenant's database on a few connections.
   *
   * @throws TenancyError INVALID_OPTION, TENANT_NOT_FOUND (no tenant `reference`), CONNECTION_LOST, POOL_EXHAUSTED,
   *   DATABASE_ERROR
   */
  doctor(options?: DiagnoseOptions): Promise<Diagnosis>

  /**
   * Enters tenants through the application's own pool, and so through its pooler, and tries what must not work; what the
   * level does not promise is said, not hidden. Nothing of it stays.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>

  /**
   * Sizes, rows, versions and connections by tenant, and of the whole server: see `advise` for what to do about it.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
   */
  stats(options?: StatsOptions): Promise<FleetStats>

  /**
   * Writes a tenant's data to an archive (BACKUP.md): one consistent snapshot, in constant memory, with checksums, at every
   * level. With `format: 'pg_dump'` to a file of that program, with a manifest beside it.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT, SERVICE_UNAVAILABLE (it cannot be
   *   written; no `pg_dump`, or one older than the server), TIMEOUT, ABORTED, DATABASE_ERROR
   */
  backup(key: string, options: BackupOptions): Promise<BackupResult>

  /**
   * Restores a backup into a tenant that is not there or empty; an archive also under another key or at another level with
   * tables of its own. Rows and checksums are compared before COMMIT, and nothing is ever overwritten in silence.
   *
   * @throws TenancyError VALIDATION_ERROR (the backup is damaged), NOT_FOUND (no such file), CONFLICT (there is data already,
   *   the migrations differ, or see `details.reason`), SERVICE_UNAVAILABLE (no `pg_restore`), INVALID_OPTION,
   *   INVALID_TENANT_KEY, TIMEOUT, ABORTED, DATABASE_ERROR
   */
  restore(key: string, options: RestoreOptions): Promise<RestoreResult>

  /**
   * Writes a tenant's rows as JSON Lines or CSV (RFC 4180), for people; sealed values are masked.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT, ABORTED, DATABASE_ERROR
   */
  export(key: string, options: ExportOptions): Promise<ExportResult>

  /**
   * Ends a tenant for good and leaves a receipt: no new scope opens, running ones are waited for, a backup is taken unless
   * `backup: 'skip'`, then everything goes in batches and `onForget` is called. Cut off at any point, it is run again and
   * goes on.
   *
   * @throws TenancyError VALIDATION_ERROR (`confirm` is not the key), TENANT_NOT_FOUND, TIMEOUT (scopes stay), CONFLICT,
   *   ABORTED, INVALID_OPTION, DATABASE_ERROR
   */
  offboard(key: string, options: OffboardOptions): Promise<Receipt>

  /**
   * The plain removal under {@link Tenancy.offboard}: waits for running scopes (10 seconds), then drops the tenant with all it
   * has, and its role, database and credentials, and calls `onForget`. It asks nobody, takes no backup and leaves no
   * receipt, only the tombstone; and a tenant with thousands of tables goes in one transaction, with a lock for each. For
   * tests and for tenants that never had data; for everybody else there is `offboard`.
   *
   * @returns whether there was anything to drop
   * @throws TenancyError INVALID_TENANT_KEY, CONFLICT (the schema is not a tenant's), TIMEOUT (scopes still use it)
   */
  drop(key: string): Promise<boolean>

  /**
   * Gives a tenant's login role a new password, at levels `login` and `database`. Connections that are open stay;
   * processes that know the old one fetch the new one when they connect next.
   *
   * @returns the tenant's connection, shown this once. Where you supply credentials yourself, keep it: the tenant's next
   *   connection needs it
   * @throws TenancyError INVALID_TENANT_KEY, TENANT_NOT_FOUND, INVALID_OPTION (a level without logins), DATABASE_ERROR
   */
  rotateCredentials(key: string): Promise<TenantConnection>

  /**
   * Seals the stored passwords of tenants anew, under the key that seals now (levels `login` and `database`, where
   * `credentials` seals them): before a retired key is taken away.
   *
   * @returns how many were sealed anew; 0 at levels without logins
   * @throws TenancyError what the sealing throws; CONNECTION_LOST, DATABASE_ERROR
   */
  resealCredentials(): Promise<number>

  /**
   * Closes the connections this tenancy opened itself (levels `login` and `database`, once the scopes on them have ended;
   * `lookups.listen`). `pool` and `adminPool` are yours.
   */
  close(): Promise<void>
}
