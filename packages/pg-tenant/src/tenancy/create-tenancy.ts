import {
  crossTenant,
  type Row,
  requireKnownOptions,
  runWithTenant,
  type TenantKey,
  tryCurrentTenant,
} from '@org/core'
import type { PoolConfig } from 'pg'
import type { BackupOptions } from '../archive/backup-options.ts'
import type { ExportOptions } from '../archive/export/export.ts'
import type { RestoreOptions } from '../archive/restore/options.ts'
import type { DiagnoseOptions } from '../doctor/diagnose.ts'
import { watchPool } from '../driver/memory.ts'
import type { PoolLike } from '../driver/types.ts'
import { invalid } from '../errors/invalid.ts'
import type { MigrateOptions } from '../fleet/options.ts'
import type { MigrationStatusOptions } from '../fleet/status.ts'
import { type VersionGate, versionGate } from '../fleet/version.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { keyFor, type Naming, parseNaming, schemaOf } from '../isolation/names.ts'
import type { RowPlace } from '../isolation/row-place.ts'
import { parseDistributedSchemas } from '../lifecycle/distributed-schemas.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { ProvisionOptions } from '../lifecycle/provision.ts'
import { type CheckedMigration, parseMigrations } from '../migrations/migrations.ts'
import type { OffboardOptions } from '../offboard/options.ts'
import type { Reach } from '../pool/connection.ts'
import { parsePoolOptions, type TenantPoolOptions, tenantPg, tenantPool } from '../pool/tenant-pool.ts'
import { parseControlSchema } from '../registry/control-schema.ts'
import { openLookups } from '../registry/lookups.ts'
import { find, type ListOptions, list } from '../registry/read.ts'
import type { TenantRecord } from '../registry/record.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { createHandle, join, nest } from '../scope/handle.ts'
import { requireCallback } from '../scope/misuse.ts'
import { runOneShot } from '../scope/one-shot.ts'
import { type OpenScope, openScope, openWithin } from '../scope/open-scope.ts'
import { DEFAULTS, parseScopeOptions, type ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import { runBlock, runScope } from '../scope/run-scope.ts'
import { type QueryConfig, type Statement, toStatement } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import { parseNamedTypes, TenantTypes } from '../scope/types/tenant-types.ts'
import type { StatsOptions } from '../stats/stats.ts'
import type { VerifyOptions } from '../verify/verify.ts'
import type { Administrator } from './administrator.ts'
import { type EachOptions, each } from './each.ts'
import { enclosing, enter, requireSameMode } from './enter.ts'
import type { Tenancy, TenancyOptions } from './interface.ts'
import { openLevel } from './levels.ts'
import { atTheEdge, TENANCY, WITHIN } from './option-names.ts'

/**
 * Makes a tenancy over a `pg` pool.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function createTenancy(options: TenancyOptions): Tenancy {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'an object with a pool')
  requireKnownOptions(options, TENANCY)
  for (const [name, names] of Object.entries(WITHIN)) {
    requireKnownOptions(options[name as keyof typeof WITHIN], names, name)
  }
  const { isolation: level = 'role', pool, adminPool = pool } = options
  requirePool(pool, 'pool')
  requirePool(adminPool, 'adminPool')
  const naming = parseNaming(options)
  const migrations = parseMigrations(options.migrations ?? [])
  const limits = parseScopeOptions(limitsOf(options), DEFAULTS)
  const distributedSchemas = parseDistributedSchemas(
    options.distributedSchemas,
    level,
    limits.resolveUnknownOutcome,
  )
  const registry = { controlSchema: parseControlSchema(options.controlSchema), prefix: naming.schemaPrefix }
  const { connectionTimeout } = limits
  const open = openLevel(level, { pool, naming, registry, connectionTimeout }, options)
  const { isolation, keeper } = open
  const types = new TenantTypes(parseNamedTypes(options.types), schemasOfAll(level, naming, open.row))
  const defaults = { ...limits, distributed: distributedSchemas !== undefined, types }
  watchPool(pool)
  watchPool(adminPool)
  const identity = {}
  const gate = openGate(level, pool, registry, migrations, options.minimumVersion)
  const lookups = openLookups(pool, registry, options.lookups, () => gate?.forget())

  const { onForget } = options
  if (onForget !== undefined && typeof onForget !== 'function') throw invalid('onForget', 'a function')
  const allowSchemas = parseAllowSchemas(options.allowSchemas)
  let loaded: Promise<Lifecycle> | undefined
  /** What administration works on; it and its code are loaded at the first call. */
  const lifecycle = (): Promise<Lifecycle> => {
    loaded ??= open.loadLifecycle().then((ofLevel) => ({
      level,
      ofLevel,
      naming,
      pool,
      adminPool,
      migrations,
      allowSchemas,
      registry,
      onForget,
      distributedSchemas,
    }))
    return loaded
  }
  const readyTenants = async () =>
    (await import('../lifecycle/ready/ready.ts')).readyTenants(await lifecycle())
  /** What changed here is known here at once. */
  const changing = async <T>(tenant: TenantKey, work: (tenant: TenantKey) => Promise<T>): Promise<T> => {
    try {
      return await work(tenant)
    } finally {
      types.forget()
      lookups.lookup.forget(tenant)
      gate?.forget(tenant)
    }
  }
  /** Lists of keys among options; anything else is refused where it is read. */
  const requireNamed = async (...lists: readonly unknown[]): Promise<void> => {
    const keys = lists.flatMap((list): unknown[] => (Array.isArray(list) ? list : []))
    if (keys.length === 0) return
    const { requireTenants } = await import('../registry/require-tenants.ts')
    await requireTenants(
      adminPool,
      registry,
      keys.map((key) => keyFor(naming, key as string)),
    )
  }
  /** Nothing to wait for when the tenant is known to be recent enough. */
  const askVersion = (tenant: TenantKey): Promise<void> | undefined => {
    if (!gate) return undefined
    lookups.start()
    return gate.assertVersion(tenant)
  }
  const entry = { identity, naming, defaults, pool, registry, askVersion }
  const tenancy = {
    isolation: level,
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>, scope?: ScopeOptions): Promise<T> =>
      enter(entry, key, scope, {
        join: (outer) => nest(outer, fn),
        check: () => requireCallback(fn),
        open: (tenant, settings) =>
          runWithTenant(tenant, () => runScope(identity, isolation, tenant, fn, settings)),
      }),
    query: (
      key: string,
      query: string | QueryConfig,
      values?: readonly unknown[],
      scope?: ScopeOptions,
    ): Promise<QueryResult<Row>> => {
      let statement: Statement
      return enter<QueryResult<Row>>(entry, key, scope, {
        check: () => {
          statement = toStatement(query, values)
        },
        join: (outer) => join<Row>(outer, statement),
        open: (tenant, settings) => {
          const current = tryCurrentTenant()
          if (current !== undefined && current !== tenant) throw crossTenant()
          if (!settings.signal) return runOneShot<Row>(isolation, tenant, statement, settings)
          return runBlock(identity, isolation, tenant, (block) => join<Row>(block, statement), settings)
        },
      })
    },
    open: (key: string, scope?: ScopeOptions): OpenScope => {
      const tenant = keyFor(naming, key)
      const settings = parseScopeOptions(scope, defaults)
      const outer = enclosing(identity, tenant)
      if (!outer) return openScope(identity, isolation, tenant, settings)
      requireSameMode(settings, outer)
      return openWithin(createHandle(outer))
    },
    pool: (key: string, options: TenantPoolOptions = {}) => {
      const parsed = parsePoolOptions(options)
      return tenantPool(keyFor(naming, key), reachOf(key, parsed.scope), parsed)
    },
    pg: (key: string, options: TenantPoolOptions = {}) => {
      const { scope, ...shown } = parsePoolOptions(options)
      return tenantPg(keyFor(naming, key), reachOf(key, scope), shown)
    },
    each: async (fn: (db: TenantDb, tenant: TenantRecord) => Promise<unknown>, how?: EachOptions) =>
      each(tenancy, fn, how),
    schemaOf: (key: string) => {
      const tenant = keyFor(naming, key)
      return open.row?.schema ?? schemaOf(naming, tenant)
    },
    // What follows is loaded when asked for: a server that only scopes queries never reads this code.
    provision: async (key: string, facts?: ProvisionOptions) =>
      changing(keyFor(naming, key), async (tenant) =>
        (await import('../lifecycle/provision.ts')).provision(await lifecycle(), tenant, facts),
      ),
    suspend: async (key: string, reason?: string) =>
      changing(keyFor(naming, key), async (tenant) =>
        (await import('../lifecycle/suspend.ts')).suspend(await lifecycle(), tenant, reason ?? null),
      ),
    resume: async (key: string) =>
      changing(keyFor(naming, key), async (tenant) =>
        (await import('../lifecycle/suspend.ts')).resume(await lifecycle(), tenant),
      ),
    find: async (key: string) => find(pool, registry, keyFor(naming, key)),
    lookup: async (key: string) => {
      const tenant = keyFor(naming, key)
      lookups.start()
      return lookups.lookup(tenant)
    },
    ready: Object.freeze({
      fill: async (count: number) => (await readyTenants()).fill(count),
      count: async () => (await readyTenants()).count(),
      clear: async () => (await readyTenants()).clear(),
    }),
    list: async (page?: ListOptions) => list(pool, registry, page),
    migrate: async (how?: MigrateOptions) => {
      if (level !== 'row') await requireNamed(how?.only, how?.canary)
      const { migrate } = await import('../fleet/migrate.ts')
      const { requireMigrated } = await import('./migration-failed.ts')
      try {
        return requireMigrated(await migrate(await lifecycle(), how), how)
      } finally {
        types.forget()
      }
    },
    migrationStatus: async (which?: MigrationStatusOptions) => {
      await requireNamed(which?.only)
      return (await import('../fleet/status.ts')).migrationStatus(await lifecycle(), which)
    },
    doctor: async (how?: DiagnoseOptions) =>
      (await import('../doctor/diagnose.ts')).diagnose(await lifecycle(), how),
    verify: async (how?: VerifyOptions) => {
      const { verifyIsolation } = await import('../verify/verify.ts')
      return verifyIsolation(
        await lifecycle(),
        (tenant, fn) => runScope({}, isolation, tenant, fn, defaults),
        how,
      )
    },
    stats: async (which?: StatsOptions) =>
      (await import('../stats/stats.ts')).tenantStats(await lifecycle(), which),
    backup: async (key: string, how: BackupOptions) =>
      (await import('../archive/backup.ts')).backupTenant(await lifecycle(), keyFor(naming, key), how),
    restore: async (key: string, how: RestoreOptions) => {
      const { restoreTenant } = await import('../archive/restore/restore.ts')
      return changing(keyFor(naming, key), async (tenant) => restoreTenant(await lifecycle(), tenant, how))
    },
    export: async (key: string, how: ExportOptions) =>
      (await import('../archive/export/export.ts')).exportTenant(await lifecycle(), keyFor(naming, key), how),
    offboard: async (key: string, how: OffboardOptions) => {
      const { offboard } = await import('../offboard/offboard.ts')
      return changing(keyFor(naming, key), async (tenant) => offboard(await lifecycle(), tenant, how))
    },
    drop: async (key: string) =>
      changing(keyFor(naming, key), async (tenant) =>
        (await import('../lifecycle/drop.ts')).drop(await lifecycle(), tenant),
      ),
    rotateCredentials: async (key: string) =>
      (await import('../lifecycle/rotate-credentials.ts')).rotateCredentials(
        await lifecycle(),
        keeper,
        keyFor(naming, key),
      ),
    resealCredentials: async () =>
      (await import('../lifecycle/reseal.ts')).resealCredentials(await lifecycle(), keeper),
    close: async () => {
      await lookups.close()
      await open.close()
    },
  }
  /** What a tenant's pool runs, it runs through these. */
  function reachOf(key: string, scope: ScopeOptions): Reach {
    parseScopeOptions(scope, defaults)
    return {
      once: (query) => tenancy.query(key, query, undefined, scope),
      open: (mode) => tenancy.open(key, { ...scope, ...mode }),
    }
  }
  return Object.freeze(atTheEdge(tenancy, administratorOf(options))) as Tenancy
}

function administratorOf({ pool, adminPool }: TenancyOptions): Administrator {
  if (adminPool === undefined) return 'none given'
  // `pg.Pool` keeps its configuration; another kind of pool is told from the first by itself.
  const urlOf = (one: PoolLike) =>
    ('options' in one ? (one.options as PoolConfig | undefined) : undefined)?.connectionString
  const same = adminPool === pool || (urlOf(pool) !== undefined && urlOf(adminPool) === urlOf(pool))
  return same ? 'the same pool' : 'given'
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

/** @throws TenancyError INVALID_OPTION */
function parseAllowSchemas(names: TenancyOptions['allowSchemas']): readonly string[] | undefined {
  if (names === undefined) return undefined
  if (Array.isArray(names) && names.every((name) => typeof name === 'string' && name !== ''))
    return [...names]
  throw invalid('allowSchemas', 'a list of names of schemas')
}

/** Schemas whose types have one OID for all tenants. */
function schemasOfAll(level: IsolationLevel, { sharedSchemas }: Naming, row?: RowPlace): readonly string[] {
  if (level === 'database') return []
  return row ? [...sharedSchemas, row.schema] : sharedSchemas
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
