import {
  crossTenant,
  type Migration,
  type Row,
  runWithTenant,
  TenancyError,
  type TenantKey,
  tryCurrentTenant,
} from '@org/core'
import type { BackupOptions, BackupResult } from './backup/backup.ts'
import type { OffboardOptions } from './backup/offboard/offboard.ts'
import type { Receipt } from './backup/offboard/receipt.ts'
import type { RestoreOptions, RestoreResult } from './backup/restore/restore.ts'
import type { TenantConnection } from './credentials/connection.ts'
import type { DiagnoseOptions } from './doctor/diagnose.ts'
import type { Diagnosis } from './doctor/finding.ts'
import { watchPool } from './driver/memory.ts'
import type { PoolLike } from './driver/types.ts'
import type { ExportOptions, ExportResult } from './export/export.ts'
import type { MigrateOptions } from './fleet/options.ts'
import type { MigrateReport } from './fleet/report.ts'
import type { MigrationStatus, MigrationStatusOptions } from './fleet/status.ts'
import { type VersionGate, versionGate } from './fleet/version.ts'
import type { IsolationLevel } from './isolation/isolation.ts'
import { keyFor, type NamingOptions, parseNaming } from './isolation/names.ts'
import { type LevelOptions, openLevel } from './levels.ts'
import { drop } from './lifecycle/drop.ts'
import { type CheckedMigration, parseMigrations } from './lifecycle/migrations.ts'
import { type ProvisionOptions, type ProvisionResult, provision } from './lifecycle/provision.ts'
import { rotateCredentials } from './lifecycle/rotate-credentials.ts'
import { type ReadyTenants, readyTenants } from './ready/ready.ts'
import { parseControlSchema } from './registry/control-schema.ts'
import { explained } from './registry/explain.ts'
import { type LookupOptions, openLookups } from './registry/lookups.ts'
import { find, type ListOptions, list } from './registry/read.ts'
import type { TenantRecord } from './registry/record.ts'
import type { RegistryPlace } from './registry/registry.ts'
import { resume, suspend } from './registry/suspend.ts'
import { nest } from './scope/handle.ts'
import { currentLevel, type Level } from './scope/level.ts'
import { requireCallback } from './scope/misuse.ts'
import { runOneShot } from './scope/one-shot.ts'
import {
  DEFAULTS,
  invalid,
  parseScopeOptions,
  type ScopeOptions,
  type ScopeSettings,
} from './scope/options.ts'
import type { QueryResult } from './scope/result.ts'
import { withRetry } from './scope/retry.ts'
import { runScope } from './scope/run-scope.ts'
import { runStatement } from './scope/run-statement.ts'
import { type QueryConfig, toStatement } from './scope/statement.ts'
import type { TenantDb } from './scope/tenant-db.ts'
import type { FleetStats, StatsOptions } from './stats/stats.ts'
import type { VerifyReport } from './verify/report.ts'
import type { VerifyOptions } from './verify/verify.ts'

/** Options of {@link createTenancy}; limits given here are the defaults of every scope. */
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
   */
  readonly pool: PoolLike
  /**
   * A pool of the role that may create schemas and roles, connected directly, not through a pooler (default:
   * `pool`). Used only by `provision` and `drop`.
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
  /** The schema of the registry: which tenants there are, their status and migrations (default `tenancy`). */
  readonly controlSchema?: string
}

/** Tenant-scoped data access. Made by {@link createTenancy}. */
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
   * Creates what the tenant needs, or completes it: role, schema, privileges, marker, migrations. In one
   * transaction, so that it is there or not; may be repeated, also by several processes at once.
   *
   * A suspended tenant is brought up to date and stays suspended.
   *
   * @throws TenancyError INVALID_TENANT_KEY, CONFLICT (the names belong to something else, or a tenant of that key was
   *   dropped), DATABASE_ERROR
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
   * What fails for one tenant is in the report and does not reject; run it again after anything. When nobody is behind it
   * costs one query.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY; STATEMENT_REFUSED (a migration that would break the second
   *   tenant; see `lintMigrations`); CONFLICT when a migration was edited or is unknown; in each case nothing was run
   * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR when it could not begin
   */
  migrate(options?: MigrateOptions): Promise<MigrateReport>

  /**
   * Who is behind: for each migration how many tenants have it, and who does not (levels with a schema for each tenant).
   *
   * @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR
   */
  migrationStatus(options?: MigrationStatusOptions): Promise<MigrationStatus[]>

  /**
   * Looks for what is wrong with the tenants or will be (drift, orphans, privileges, names that fall through …): a few
   * queries for the whole fleet, in one transaction that cannot change anything. Levels with a schema for each tenant.
   *
   * @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR
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
   * Writes a tenant's data to an archive (BACKUP.md): one consistent snapshot, in constant memory, with checksums. Levels
   * with a schema for each tenant in one database.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT, DATABASE_ERROR
   */
  backup(key: string, options: BackupOptions): Promise<BackupResult>

  /**
   * Restores an archive into a tenant that is not there or empty, also under another key, in one transaction; rows and
   * checksums are compared before COMMIT.
   *
   * @throws TenancyError VALIDATION_ERROR (the archive is damaged), CONFLICT (there is data already, or the migrations
   *   differ), INVALID_OPTION, INVALID_TENANT_KEY, DATABASE_ERROR
   */
  restore(key: string, options: RestoreOptions): Promise<RestoreResult>

  /**
   * Writes a tenant's rows as JSON Lines or CSV (RFC 4180), for people; sealed values are masked.
   *
   * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, TENANT_NOT_FOUND, CONFLICT, DATABASE_ERROR
   */
  export(key: string, options: ExportOptions): Promise<ExportResult>

  /**
   * Ends a tenant for good and leaves a receipt: no new scope opens, running ones are waited for, a backup is taken unless
   * `backup: 'skip'`, then everything goes in batches. Cut off at any point, it is run again and goes on.
   *
   * @throws TenancyError VALIDATION_ERROR (`confirm` is not the key), TENANT_NOT_FOUND, TIMEOUT (scopes stay), CONFLICT,
   *   INVALID_OPTION, DATABASE_ERROR
   */
  offboard(key: string, options: OffboardOptions): Promise<Receipt>

  /**
   * Drops the tenant's schema with everything in it, and its role. There is no way back: {@link Tenancy.offboard} takes a
   * backup first.
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

const KNOWN: ReadonlySet<string> = new Set([
  'pool',
  'adminPool',
  'isolation',
  'migrations',
  'controlSchema',
  'minimumVersion',
  'lookups',
  'credentials',
  'tenantPools',
  'databaseTemplate',
  'row',
  'schemaPrefix',
  'rolePrefix',
  'sharedSchemas',
  'statementTimeout',
  'lockTimeout',
  'idleTimeout',
  'connectionTimeout',
  'retry',
  'resolveUnknownOutcome',
] satisfies (keyof TenancyOptions)[])

/**
 * Makes a tenancy over a `pg` pool.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function createTenancy(options: TenancyOptions): Tenancy {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'an object with a pool')
  for (const name of Object.keys(options)) if (!KNOWN.has(name)) throw invalid(name, 'an option there is')
  const { isolation: level = 'role', pool, adminPool = pool } = options
  requirePool(pool, 'pool')
  requirePool(adminPool, 'adminPool')
  const naming = parseNaming(options)
  const migrations = parseMigrations(options.migrations ?? [])
  const defaults = parseScopeOptions(limitsOf(options), DEFAULTS)
  const registry = { controlSchema: parseControlSchema(options.controlSchema), prefix: naming.schemaPrefix }
  const { connectionTimeout } = defaults
  const open = openLevel(level, { pool, naming, registry, connectionTimeout }, options)
  const { isolation, ofLevel, keeper } = open
  watchPool(pool)
  watchPool(adminPool)
  const identity = {}
  const gate = openGate(level, pool, registry, migrations, options.minimumVersion)
  const lookups = openLookups(pool, registry, options.lookups, () => gate?.forget())

  /** The scope this call runs in, if it is one of ours and still alive. */
  const enclosing = (key: string): Level | undefined => {
    const running = currentLevel.getStore()
    if (!running || running.ended || running.owner !== identity) return undefined
    if (running.tenant !== key) throw crossTenant()
    return running
  }

  const lifecycle = { level, ofLevel, naming, pool, adminPool, migrations, registry }
  /** What changed here is known here at once. */
  const changing = async <T>(tenant: TenantKey, work: (tenant: TenantKey) => Promise<T>): Promise<T> => {
    try {
      return await work(tenant)
    } finally {
      lookups.lookup.forget(tenant)
      gate?.forget(tenant)
    }
  }
  /** Nothing to wait for when the tenant is known to be recent enough. */
  const askVersion = (tenant: TenantKey): Promise<void> | undefined => {
    if (!gate) return undefined
    lookups.start()
    return gate.assertVersion(tenant)
  }
  const tenancy = {
    isolation: level,
    withTenant: async <T>(
      key: string,
      fn: (db: TenantDb) => Promise<T>,
      scope?: ScopeOptions,
    ): Promise<T> => {
      const tenant = keyFor(naming, key)
      requireCallback(fn)
      const settings = parseScopeOptions(scope, defaults)
      const outer = enclosing(tenant)
      if (outer) {
        requireSameMode(settings, outer)
        return await nest(outer, fn)
      }
      try {
        const old = askVersion(tenant)
        if (old) await old
        return await runWithTenant(tenant, () =>
          withRetry(settings, () => runScope(identity, isolation, tenant, fn, settings)),
        )
      } catch (error) {
        throw await explained(error, pool, registry, tenant)
      }
    },
    query: async (
      key: string,
      query: string | QueryConfig,
      values?: readonly unknown[],
      scope?: ScopeOptions,
    ): Promise<QueryResult<Row>> => {
      const tenant = keyFor(naming, key)
      const statement = toStatement(query, values)
      const settings = parseScopeOptions(scope, defaults)
      const outer = enclosing(tenant)
      if (outer) {
        requireSameMode(settings, outer)
        return await runStatement(outer, query, values)
      }
      const current = tryCurrentTenant()
      if (current !== undefined && current !== tenant) throw crossTenant()
      const run = () => {
        if (settings.signal)
          return runScope(
            identity,
            isolation,
            tenant,
            (db) => db.query(query as QueryConfig, values),
            settings,
          )
        return runOneShot<Row>(isolation, tenant, statement, settings)
      }
      try {
        const old = askVersion(tenant)
        if (old) await old
        return await withRetry(settings, run)
      } catch (error) {
        throw await explained(error, pool, registry, tenant)
      }
    },
    provision: async (key: string, facts?: ProvisionOptions) =>
      changing(keyFor(naming, key), (tenant) => provision(lifecycle, tenant, facts)),
    suspend: async (key: string, reason?: string) =>
      changing(keyFor(naming, key), (tenant) => suspend(lifecycle, tenant, reason ?? null)),
    resume: async (key: string) => changing(keyFor(naming, key), (tenant) => resume(lifecycle, tenant)),
    find: async (key: string) => find(pool, registry, keyFor(naming, key)),
    lookup: async (key: string) => {
      const tenant = keyFor(naming, key)
      lookups.start()
      return lookups.lookup(tenant)
    },
    ready: readyTenants(lifecycle),
    list: async (page?: ListOptions) => list(pool, registry, page),
    // Loaded when asked for: a server that only scopes queries never reads this code.
    migrate: async (how?: MigrateOptions) =>
      (await import('./fleet/other-levels.ts')).migrate(lifecycle, how),
    migrationStatus: async (which?: MigrationStatusOptions) =>
      (await import('./fleet/status.ts')).migrationStatus(lifecycle, which),
    doctor: async (how?: DiagnoseOptions) => (await import('./doctor/diagnose.ts')).diagnose(lifecycle, how),
    verify: async (how?: VerifyOptions) => {
      const { verifyIsolation } = await import('./verify/verify.ts')
      return verifyIsolation(lifecycle, (tenant, fn) => runScope({}, isolation, tenant, fn, defaults), how)
    },
    stats: async (which?: StatsOptions) => (await import('./stats/stats.ts')).tenantStats(lifecycle, which),
    backup: async (key: string, how: BackupOptions) =>
      (await import('./backup/backup.ts')).backupTenant(lifecycle, keyFor(naming, key), how),
    restore: async (key: string, how: RestoreOptions) => {
      const { restoreTenant } = await import('./backup/restore/restore.ts')
      return changing(keyFor(naming, key), (tenant) => restoreTenant(lifecycle, tenant, how))
    },
    export: async (key: string, how: ExportOptions) =>
      (await import('./export/export.ts')).exportTenant(lifecycle, keyFor(naming, key), how),
    offboard: async (key: string, how: OffboardOptions) => {
      const { offboard } = await import('./backup/offboard/offboard.ts')
      return changing(keyFor(naming, key), (tenant) => offboard(lifecycle, tenant, how))
    },
    drop: async (key: string) => changing(keyFor(naming, key), (tenant) => drop(lifecycle, tenant)),
    rotateCredentials: async (key: string) => rotateCredentials(lifecycle, keeper, keyFor(naming, key)),
    resealCredentials: async () =>
      (await import('./credentials/reseal.ts')).resealCredentials(lifecycle, keeper),
    close: async () => {
      await lookups.close()
      await open.close()
    },
  }
  return Object.freeze(tenancy) as Tenancy
}

/** @throws TenancyError INVALID_OPTION */
function openGate(
  level: IsolationLevel,
  pool: PoolLike,
  registry: RegistryPlace,
  migrations: readonly CheckedMigration[],
  minimum: TenancyOptions['minimumVersion'],
): VersionGate | undefined {
  if (minimum === undefined) return undefined
  const { id, waitMs = 0 } = typeof minimum === 'string' ? { id: minimum } : (minimum ?? {})
  if (typeof id !== 'string') throw invalid('minimumVersion', 'the id of a migration, or { id, waitMs }')
  if (!Number.isInteger(waitMs) || waitMs < 0 || waitMs > 3_600_000)
    throw invalid('minimumVersion.waitMs', 'a whole number of milliseconds from 0 to 3600000')
  if (level === 'row') throw invalid('minimumVersion', 'left out at level row: its tenants share one schema')
  return versionGate(pool, registry, migrations, { minimumVersion: id, waitMs })
}

/** A nested scope shares its transaction, so it cannot ask for another mode than the outer one has. */
function requireSameMode(settings: ScopeSettings, outer: Level): void {
  const { mode } = outer.transaction.settings
  if (settings.mode === '' || settings.mode === mode) return
  throw new TenancyError(
    'INVALID_OPTION',
    'A nested withTenant joins the transaction around it and cannot change readOnly, isolationLevel or deferrable.',
    { details: { option: 'isolationLevel' } },
  )
}

function requirePool(pool: unknown, option: string): void {
  const candidate = pool as Partial<PoolLike> | undefined
  if (typeof candidate?.connect === 'function' && typeof candidate.on === 'function') return
  throw invalid(option, 'a pg.Pool: createTenancy({ pool: new pg.Pool({ connectionString }) })')
}

function limitsOf(options: TenancyOptions): ScopeOptions {
  const { statementTimeout, lockTimeout, idleTimeout, connectionTimeout, retry, resolveUnknownOutcome } =
    options
  return Object.fromEntries(
    Object.entries({
      statementTimeout,
      lockTimeout,
      idleTimeout,
      connectionTimeout,
      retry,
      resolveUnknownOutcome,
    }).filter(([, value]) => value !== undefined),
  )
}
