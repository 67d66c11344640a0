import { type Belongings, integerOption, invalidOption, requireKnownOptions, type TenantKey } from '@org/core'
import type { PoolConfig } from 'pg'
import { watchPool } from '../driver/memory.ts'
import type { PoolLike } from '../driver/types.ts'
import type { VersionGate } from '../fleet/version.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { type Naming, parseControlSchema, parseNaming } from '../isolation/names.ts'
import { parseRowPlace, type RowPlace } from '../isolation/row.ts'
import { isLevel, traitsOf } from '../isolation/traits.ts'
import type { DistributedSchemas } from '../lifecycle/distributed-schemas.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { type CheckedMigration, parseMigrations } from '../migrations/migrations.ts'
import { type Lookups, openLookups } from '../registry/lookups.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import {
  DEFAULTS,
  NODES_COMMIT,
  parseScopeOptions,
  SCOPE_DEFAULTS,
  type ScopeOptions,
  type ScopeSettings,
} from '../scope/options.ts'
import { parseNamedTypes, TenantTypes } from '../scope/types/tenant-types.ts'
import type { Administrator } from './administrator.ts'
import { type OpenLevel, openLevel } from './levels.ts'
import { TENANCY, WITHIN } from './option-names.ts'
import type { TenancyOptions } from './options.ts'

/** What the parts of a tenancy stand on: its options, checked, and what is open as long as it lives. */
export interface Ground
  extends Pick<Lifecycle, 'allowSchemas' | 'onForget' | 'onProvision' | 'belongings' | 'checks'> {
  /** Scopes of other tenancies are not ours to join. */
  readonly identity: object
  readonly level: IsolationLevel
  readonly naming: Naming
  readonly pool: PoolLike
  readonly adminPool: PoolLike
  readonly administrator: Administrator
  readonly registry: RegistryPlace
  readonly migrations: readonly CheckedMigration[]
  readonly distributedSchemas: DistributedSchemas | undefined
  /** Of every scope. */
  readonly defaults: ScopeSettings
  /** What is known of the types that tenants have for themselves. */
  readonly types: TenantTypes
  readonly open: OpenLevel
  readonly lookups: Lookups
  readonly gate: VersionGate | undefined
  /** What changed here is known here at once. */
  forget(tenant: TenantKey): void
}

/** @throws TenancyError INVALID_OPTION */
export function groundOf(options: TenancyOptions): Ground {
  requireKnown(options)
  const { isolation: level = 'role', pool, adminPool = pool, onForget, onProvision } = options
  requirePool(pool, 'pool')
  requirePool(adminPool, 'adminPool')
  const naming = parseNaming(withoutOwn(level, options))
  const migrations = parseMigrations(options.migrations ?? [])
  const limits = parseScopeOptions(limitsOf(options), DEFAULTS)
  const distributedSchemas = parseDistributedSchemas(
    options.distributedSchemas,
    level,
    limits.resolveUnknownOutcome,
  )
  const registry = {
    controlSchema: parseControlSchema(options.controlSchema),
    prefix: naming.schemaPrefix,
    names: naming.names,
  }
  const { connectionTimeout } = limits
  const { keepStatements = DEFAULTS.keepStatements } = options
  const { maxTenantsPerConnection = DEFAULTS.maxTenantsPerConnection } = options
  const distributed = distributedSchemas !== undefined
  const open = openLevel(level, { pool, naming, registry, connectionTimeout, distributed }, options)
  const types = new TenantTypes(parseNamedTypes(options.types), schemasOfAll(level, naming, open.row))
  watchPool(pool)
  watchPool(adminPool)
  const gate = openGate(level, pool, registry, migrations, options.minimumVersion)
  const lookups = openLookups(pool, registry, options.lookups, (which) => gate?.forget(which))
  for (const [name, hook] of Object.entries({ onForget, onProvision }))
    if (hook !== undefined && typeof hook !== 'function') throw invalidOption(name, 'a function')
  return {
    identity: {},
    level,
    naming,
    pool,
    adminPool,
    administrator: administratorOf(options),
    registry,
    migrations,
    distributedSchemas,
    allowSchemas: parseAllowSchemas(options.allowSchemas),
    onForget,
    belongings: parseBelongings(options.belongings),
    onProvision,
    checks: parseChecks(options.checks),
    defaults: {
      ...limits,
      distributed,
      types,
      keepStatements: integerOption('keepStatements', keepStatements, 0, 200),
      maxTenantsPerConnection: integerOption('maxTenantsPerConnection', maxTenantsPerConnection, 1, 100_000),
    },
    types,
    open,
    lookups,
    gate,
    forget: (tenant) => {
      types.forget()
      lookups.lookup.forget(tenant)
      gate?.forget(tenant)
    },
  }
}

/** Where the tenants' own tables are is no schema beside them, also when that is `public`. */
function withoutOwn(level: IsolationLevel, options: TenancyOptions): TenancyOptions {
  if (!isLevel(level)) return options
  if (!traitsOf(level).shared) {
    // Who names shared tables believes that row-level security keeps them apart.
    if (options.row !== undefined)
      throw invalidOption('row', `left out at level ${level}, or isolation "row"`)
    return options
  }
  const { schema } = parseRowPlace(options.row)
  const { sharedSchemas = ['public'] } = options
  return Array.isArray(sharedSchemas)
    ? { ...options, sharedSchemas: sharedSchemas.filter((name) => name !== schema) }
    : options
}

function requireKnown(options: TenancyOptions): void {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object with a pool')
  requireKnownOptions(options, TENANCY)
  for (const [name, names] of Object.entries(WITHIN)) {
    requireKnownOptions(options[name as keyof typeof WITHIN], names, name)
  }
}

function requirePool(pool: unknown, option: string): void {
  const candidate = pool as (Partial<PoolLike> & { escapeIdentifier?: unknown }) | undefined
  // A client has both as well, and emits `connect` without saying of whom: only it quotes.
  const isPool = typeof candidate?.connect === 'function' && typeof candidate.on === 'function'
  if (isPool && candidate.escapeIdentifier === undefined) return
  throw invalidOption(
    option,
    'a pg.Pool, not a Client: createTenancy({ pool: new pg.Pool({ connectionString }) })',
  )
}

function limitsOf(options: TenancyOptions): ScopeOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.fromEntries(given.filter(([name]) => Object.hasOwn(SCOPE_DEFAULTS, name)))
}

function administratorOf({ pool, adminPool }: TenancyOptions): Administrator {
  if (adminPool === undefined) return 'none given'
  // `pg.Pool` keeps its configuration; another kind of pool is told from the first by itself.
  const urlOf = (one: PoolLike) =>
    ('options' in one ? (one.options as PoolConfig | undefined) : undefined)?.connectionString
  const same = adminPool === pool || (urlOf(pool) !== undefined && urlOf(adminPool) === urlOf(pool))
  return same ? 'the same pool' : 'given'
}

function openGate(
  level: IsolationLevel,
  pool: PoolLike,
  registry: RegistryPlace,
  migrations: readonly CheckedMigration[],
  minimum: TenancyOptions['minimumVersion'],
): VersionGate | undefined {
  if (minimum === undefined) return undefined
  const { id, waitMs = 0 } = typeof minimum === 'string' ? { id: minimum } : (minimum ?? {})
  if (typeof id !== 'string')
    throw invalidOption('minimumVersion', 'the id of a migration, or { id, waitMs }')
  integerOption('minimumVersion.waitMs', waitMs, 0, 3_600_000, 'milliseconds')
  if (traitsOf(level).shared)
    throw invalidOption('minimumVersion', `left out at level ${level}: its tenants share one schema`)
  if (!migrations.some((migration) => migration.id === id))
    throw invalidOption('minimumVersion', 'the id of one of the migrations')
  let gate: VersionGate | undefined
  const load = async (): Promise<VersionGate> => {
    const { versionGate } = await import('../fleet/version.ts')
    gate ??= versionGate(pool, registry, migrations, { minimumVersion: id, waitMs })
    return gate
  }
  return {
    assertVersion: (tenant) =>
      gate ? gate.assertVersion(tenant) : load().then((made) => made.assertVersion(tenant)),
    forget: (tenant) => gate?.forget(tenant),
  }
}

function parseAllowSchemas(names: TenancyOptions['allowSchemas']): readonly string[] | undefined {
  if (names === undefined) return undefined
  if (Array.isArray(names) && names.every((name) => typeof name === 'string' && name !== ''))
    return [...names]
  throw invalidOption('allowSchemas', 'a list of names of schemas')
}

/** @throws TenancyError INVALID_OPTION */
function parseBelongings(list: TenancyOptions['belongings'] = []): readonly Belongings[] {
  const names = new Set(Array.isArray(list) ? list.map((one: Partial<Belongings> | null) => one?.name) : [])
  const whole = Array.isArray(list) && list.every((one) => one?.name && Array.isArray(one.tables))
  if (whole && names.size === list.length) return [...list]
  throw invalidOption('belongings', 'a list of what packages keep of a tenant, each under a name of its own')
}

function parseChecks(checks: TenancyOptions['checks']): TenancyOptions['checks'] {
  if (checks === undefined) return undefined
  const isCheck = (one: unknown): boolean =>
    typeof (one as { name?: unknown } | null)?.name === 'string' && (one as { name: string }).name !== ''
  if (Array.isArray(checks) && checks.every(isCheck)) return [...checks]
  throw invalidOption('checks', 'a list of checks, each with a name')
}

/** Schemas whose types have one OID for all tenants. */
function schemasOfAll(level: IsolationLevel, { sharedSchemas }: Naming, row?: RowPlace): readonly string[] {
  if (traitsOf(level).ownDatabase) return []
  return row ? [...sharedSchemas, row.schema] : sharedSchemas
}

/**
 * @param asksOutcome whether the fate of a lost COMMIT is looked up
 * @throws TenancyError INVALID_OPTION
 */
function parseDistributedSchemas(
  value: unknown,
  level: IsolationLevel,
  asksOutcome: boolean,
): DistributedSchemas | undefined {
  if (value === undefined) return undefined
  if (value !== 'citus') throw invalidOption('distributedSchemas', '"citus", or left out')
  const { shared, ownDatabase } = traitsOf(level)
  if (shared)
    throw invalidOption('distributedSchemas', `left out at level ${level}: its tenants share one schema`)
  if (ownDatabase)
    throw invalidOption(
      'distributedSchemas',
      `left out at level ${level}: Citus spreads the schemas of one database`,
    )
  if (asksOutcome) throw invalidOption('resolveUnknownOutcome', NODES_COMMIT)
  return value
}
