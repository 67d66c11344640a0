import { type CheckMeasure, invalidOption, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { databaseOf, keyFor, roleOf, schemaOf } from '../isolation/names.ts'
import type { RowPlace } from '../isolation/row.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER } from '../lifecycle/levels/row/migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { TenantStatus } from '../registry/record.ts'
import { qualify } from '../sql/identifier.ts'
import { measuresOf } from './brought-checks.ts'
import { type ClusterStats, readCluster } from './cluster.ts'
import { insideHomes } from './homes.ts'
import { rowsOfTenants, type Space, sharedMigrations, wholeSpace } from './shared-tables.ts'
import {
  ACTIVITY,
  CONNECTIONS,
  DATABASES,
  ESTIMATED,
  EXACT,
  homesOf,
  slowestSql,
  tenantsSql,
} from './stats-sql.ts'

/** Options of `stats`. */
export interface StatsOptions {
  /** Only these (default all). */
  readonly tenants?: readonly string[] | undefined
  /**
   * Sizes as on disk now instead of as of the last VACUUM or ANALYZE (default: when at most 100 `tenants` are named).
   * Opens every table: for thousands of tenants it takes long and much memory of the server. Level `database`: connects to
   * each tenant's, a few at a time, and counts tables and rows as well; level `row`: reads each tenant's rows.
   */
  readonly exact?: boolean | undefined
  /** When each tenant's tables were last read; PostgreSQL 16 and later, one look at every table's statistics (default false). */
  readonly activity?: boolean | undefined
}

/** What one tenant takes up. */
export interface TenantStats {
  readonly key: TenantKey
  readonly status: TenantStatus
  readonly plan: string | null
  readonly placement: string
  readonly schemaVersion: string | null
  /**
   * Tables with their indexes and TOAST, in bytes; level `database`: the whole database. Level `row`: the tenant's rows
   * alone, and `null` unless `exact`.
   */
  readonly bytes: number | null
  /** Rows as last counted by ANALYZE or VACUUM; level `row`: counted now. `null` at levels `row` and `database` unless `exact`. */
  readonly rows: number | null
  /** Level `row`: shared tables that hold rows of it. `null` as `rows`. */
  readonly tables: number | null
  /** Tables, indexes, sequences, TOAST: each takes a lock when the schema is dropped or dumped. `null` as `rows`; always at level `row`. */
  readonly relations: number | null
  /** Connections of its own role, at levels `login` and `database`. */
  readonly connections: number | null
  readonly lastActivity: Date | null
}

export interface RoleConnections {
  readonly role: string
  readonly connections: number
  /** This and the next are 0 for roles of others, unless the administrator has `pg_monitor`. */
  readonly active: number
  readonly idleInTransaction: number
}

export interface SlowMigration {
  /** `null` at level `row`, where a migration is of all tenants. */
  readonly key: TenantKey | null
  readonly id: string
  readonly durationMs: number
  readonly appliedAt: Date
}

/** Sizes, rows, connections and versions: of each tenant and of all of them. */
export interface FleetStats {
  readonly level: IsolationLevel
  /** Where `bytes` come from: the disk, or the last VACUUM or ANALYZE. */
  readonly sizes: 'exact' | 'estimated'
  readonly tenants: readonly TenantStats[]
  /** The sum of the tenants that were asked for; at level `row`, for bytes, rows, tables and relations, the shared tables whole. */
  readonly totals: {
    readonly tenants: number
    readonly byStatus: Readonly<Partial<Record<TenantStatus, number>>>
    readonly bytes: number
    readonly rows: number
    readonly tables: number
    readonly relations: number
    readonly maxRelationsOfATenant: number
  }
  /** How many have which newest migration; `null` stands for none. Oldest first, as far as they are known here. */
  readonly versions: readonly { readonly version: string | null; readonly tenants: number }[]
  /** The oldest of them. */
  readonly oldestVersion: string | null
  readonly slowestMigrations: readonly SlowMigration[]
  readonly connections: readonly RoleConnections[]
  readonly cluster: ClusterStats
  /** What checks of other packages measured that has passed its threshold (`createTenancy({ checks })`). */
  readonly measures?: readonly CheckMeasure[]
}

const EXACT_UP_TO = 100

/**
 * Statistics of the tenants, in a handful of queries however many there are. Runs as the administrator, read-only.
 *
 * @throws TenancyError INVALID_OPTION, INVALID_TENANT_KEY, CONNECTION_LOST, DATABASE_ERROR
 */
export async function tenantStats(lifecycle: Lifecycle, options: StatsOptions = {}): Promise<FleetStats> {
  const { adminPool, level, naming } = lifecycle
  const { tenants, activity = false } = options
  if (tenants !== undefined && !Array.isArray(tenants)) throw invalidOption('tenants', 'an array of keys')
  const keys = tenants?.map((key) => keyFor(naming, key)) ?? null
  const exact = options.exact ?? (keys !== null && keys.length <= EXACT_UP_TO)
  const { logsIn, ownDatabase } = traitsOf(level)
  const inside = ownDatabase && exact
  return await inAdminTransaction(adminPool, async (admin) => {
    await admin.run('set transaction isolation level repeatable read read only')
    const begun = await hasControlSchema(admin, lifecycle)
    const facts = begun ? await registered(admin, lifecycle, keys) : []
    const all = facts.map(({ key }) => key as TenantKey)
    const space = inside ? await insideHomes(lifecycle, all) : await spaceOf(admin, lifecycle, all, exact)
    const row = begun ? lifecycle.ofLevel.row : undefined
    const shared = row && (await sharedOf(admin, lifecycle, row))
    const seen = activity ? await activityOf(admin, lifecycle, all) : new Map<string, Date>()
    const connections = (await admin.run(CONNECTIONS)) as unknown[] as RoleConnections[]
    const ofRole = new Map(connections.map((row) => [row.role, row.connections]))
    const described = facts.map((tenant) => ({
      ...tenant,
      ...(shared && { schemaVersion: shared.version }),
      ...(space.get(tenant.key) ?? NO_SPACE),
      connections: logsIn ? (ofRole.get(roleOf(naming, tenant.key)) ?? 0) : null,
      lastActivity: seen.get(tenant.key) ?? null,
    }))
    const versions = versionsOf(described, lifecycle)
    return {
      level,
      sizes: ownDatabase || exact ? 'exact' : 'estimated',
      tenants: described,
      totals: { ...totalsOf(described), ...shared?.space },
      versions,
      oldestVersion: versions[0]?.version ?? null,
      slowestMigrations: shared?.slowest ?? (begun ? await slowestOf(admin, lifecycle, keys) : []),
      connections,
      cluster: await readCluster(admin),
      ...(lifecycle.checks && { measures: await measuresOf(looking(admin), lifecycle) }),
    }
  })
}

/** The rows of a statement, as whoever asks for them says they are. */
const looking =
  (admin: Admin) =>
  async <R extends object>(sql: string, values: readonly unknown[] = []): Promise<R[]> =>
    (await admin.run(sql, values)) as R[]

type Facts = Pick<TenantStats, 'key' | 'status' | 'plan' | 'placement' | 'schemaVersion'>
const NO_SPACE: Space = { bytes: null, rows: null, tables: null, relations: null }

/** A cluster has none before its first tenant: one that was added to a fleet, say, to move tenants to. */
async function hasControlSchema(admin: Admin, { registry }: Lifecycle): Promise<boolean> {
  const [found] = await admin.run('select exists (select from pg_namespace where nspname = $1) as there', [
    registry.controlSchema,
  ])
  return found?.there === true
}

async function registered(
  admin: Admin,
  { registry, level }: Lifecycle,
  keys: readonly string[] | null,
): Promise<Facts[]> {
  const rows = await admin.run<Facts & { isolation: string }>(tenantsSql(registry), [registry.prefix, keys])
  return rows.filter(({ isolation }) => isolation === level).map(({ isolation: _, ...facts }) => facts)
}

async function spaceOf(
  admin: Admin,
  { distributedSchemas, level, naming, ofLevel }: Lifecycle,
  keys: readonly TenantKey[],
  exact: boolean,
): Promise<Map<string, Space>> {
  if (ofLevel.row) {
    return exact ? rowsOfTenants(admin, ofLevel.row, keys) : new Map()
  }
  if (traitsOf(level).ownDatabase) {
    const rows = await admin.run(DATABASES, [keys, keys.map((key) => databaseOf(naming, key))])
    return new Map(
      rows.map(({ key, bytes }) => [String(key), { ...NO_SPACE, bytes: bytes as number | null }]),
    )
  }
  const rows = await admin.run<Space & { key: string }>(exact ? EXACT : ESTIMATED, homesOf(naming, keys))
  const space = new Map(rows.map(({ key, ...space }) => [key, space as Space]))
  if (!distributedSchemas) return space
  const { spaceOnNodes } = await import('./nodes.ts')
  const elsewhere = await spaceOnNodes(admin)
  for (const key of keys) {
    const [here, there] = [space.get(key), elsewhere.get(schemaOf(naming, key))]
    if (here && there) space.set(key, { ...here, ...there })
  }
  return space
}

async function slowestOf(
  admin: Admin,
  { registry }: Lifecycle,
  keys: readonly string[] | null,
): Promise<readonly SlowMigration[]> {
  const rows = await admin.run(slowestSql(registry), [registry.prefix, keys])
  return rows as unknown[] as SlowMigration[]
}

const SLOWEST = 10

/** Level `row`: the tables that all tenants share, and what migrations they have. */
async function sharedOf(admin: Admin, { registry, migrations }: Lifecycle, row: RowPlace) {
  const applied = await sharedMigrations(admin, qualify(registry.controlSchema, LEDGER), registry.prefix)
  const ids = new Set(applied.map(({ id }) => id))
  const version = migrations.findLast(({ id }) => ids.has(id))?.id ?? applied.at(-1)?.id ?? null
  const slowest = [...applied]
    .sort((a, b) => b.durationMs - a.durationMs)
    .slice(0, SLOWEST)
    .map((one): SlowMigration => ({ key: null, ...one }))
  const { bytes, rows, tables, relations } = await wholeSpace(admin, row)
  const space = { bytes: bytes ?? 0, rows: rows ?? 0, tables: tables ?? 0, relations: relations ?? 0 }
  return { version, slowest, space }
}

async function activityOf(
  admin: Admin,
  { level, naming }: Lifecycle,
  keys: readonly TenantKey[],
): Promise<Map<string, Date>> {
  const [known] = await admin.run(`select to_regproc('pg_stat_get_lastscan') is not null as known`)
  const { shared, ownDatabase } = traitsOf(level)
  if (!known?.known || shared || ownDatabase) return new Map()
  const rows = await admin.run(ACTIVITY, homesOf(naming, keys).slice(0, 2))
  return new Map(rows.map(({ key, lastActivity }) => [String(key), lastActivity as Date]))
}

function totalsOf(all: readonly TenantStats[]): FleetStats['totals'] {
  const byStatus: Partial<Record<TenantStatus, number>> = {}
  for (const { status } of all) byStatus[status] = (byStatus[status] ?? 0) + 1
  const sum = (name: 'bytes' | 'rows' | 'tables' | 'relations') =>
    all.reduce((total, tenant) => total + (tenant[name] ?? 0), 0)
  return {
    tenants: all.length,
    byStatus,
    bytes: sum('bytes'),
    rows: sum('rows'),
    tables: sum('tables'),
    relations: sum('relations'),
    maxRelationsOfATenant: all.reduce((most, { relations }) => Math.max(most, relations ?? 0), 0),
  }
}

/** Oldest first: none at all, then unknown ones by name, then in the order of the tenancy's migrations. */
function versionsOf(all: readonly TenantStats[], { migrations }: Lifecycle): FleetStats['versions'] {
  const counts = new Map<string | null, number>()
  for (const { schemaVersion } of all) counts.set(schemaVersion, (counts.get(schemaVersion) ?? 0) + 1)
  const order = migrations.map(({ id }) => id)
  const rank = (version: string | null) => (version === null ? -2 : order.indexOf(version))
  return [...counts]
    .map(([version, tenants]) => ({ version, tenants }))
    .sort((a, b) => rank(a.version) - rank(b.version) || String(a.version).localeCompare(String(b.version)))
}
