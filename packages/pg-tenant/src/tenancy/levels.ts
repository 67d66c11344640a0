import { integerOption, invalidOption, type Sealing } from '@org/core'
import type { SuppliedCredentials } from '../credentials/keeper.ts'
import { leaveFunction } from '../isolation/gate.ts'
import type { Isolation, IsolationLevel } from '../isolation/isolation.ts'
import { loginIsolation, roleIsolation } from '../isolation/role.ts'
import { parseRowPlace, type RowOptions, type RowPlace, rowIsolation } from '../isolation/row.ts'
import { schemaIsolation } from '../isolation/schema.ts'
import type { MakePool } from '../isolation/tenant-pool.ts'
import type { LevelLifecycle } from '../lifecycle/levels/level.ts'
import { namesQuestion } from '../registry/record.ts'
import type { LevelContext, Logins } from './logins.ts'

/** Bounds of the connections that levels `login` and `database` open for tenants. */
export interface TenantPoolsOptions {
  /** Connections of all tenants together, 1 to 10,000 (default 50): keep it below the server's `max_connections`. */
  readonly maxConnections?: number
  /** Connections of one tenant, 1 to `maxConnections` (default 5). */
  readonly maxPerTenant?: number
  /** Makes a tenant's pool (default `new pg.Pool(config)`). `config` must reach it unchanged. */
  readonly create?: MakePool
}

/** Options that only some levels read. */
export interface LevelOptions {
  /**
   * Where the passwords of tenants are, at levels `login` and `database`, which require it: a function that fetches
   * them from where you keep them, or something that seals them (`Envelopes` of `@org/crypto`) for the control schema.
   */
  readonly credentials?: SuppliedCredentials | Sealing
  readonly tenantPools?: TenantPoolsOptions
  /** What databases are copied from at level `database` (default `template0`). */
  readonly databaseTemplate?: string
  /** Where the shared tables are, at level `row`. */
  readonly row?: RowOptions
}

/** A level at work: how scopes are opened, how tenants are made, what must be closed. */
export interface OpenLevel {
  readonly isolation: Isolation
  /** Where the shared tables are, at level `row`. */
  readonly row?: RowPlace | undefined
  /** How many connections there can be, where they are not the application's pool's. */
  readonly connections?: number
  /** Loads what makes and removes tenants: a server that only scopes queries never does. */
  readonly loadLifecycle: () => Promise<LevelLifecycle>
  close(): Promise<void>
}

/** The one place that knows all levels. @throws TenancyError INVALID_OPTION */
export function openLevel(level: IsolationLevel, context: LevelContext, options: LevelOptions): OpenLevel {
  const { pool, naming, registry, distributed } = context
  const source = { question: namesQuestion(registry) }
  switch (level) {
    case 'schema':
      return onePool(
        schemaIsolation(pool, naming, source, leaveFunction(registry), distributed),
        async () => (await import('../lifecycle/levels/schema.ts')).schemaLevel,
      )
    case 'role':
      return onePool(
        roleIsolation(pool, naming, source, leaveFunction(registry), distributed),
        async () => (await import('../lifecycle/levels/role.ts')).roleLevel,
      )
    case 'login':
    case 'database':
      return ownPools(level, context, options)
    case 'row': {
      const row = parseRowPlace(options.row)
      const load = async () => (await import('../lifecycle/levels/row/level.ts')).rowLevel(row)
      return { ...onePool(rowIsolation(pool, naming, row, leaveFunction(registry)), load), row }
    }
    default:
      throw invalidOption('isolation', '"schema", "role", "login", "row" or "database"')
  }
}

function onePool(isolation: Isolation, loadLifecycle: OpenLevel['loadLifecycle']): OpenLevel {
  return { isolation, loadLifecycle, close: async () => {} }
}

/** What opens connections of the tenants' own is loaded with the first of them. */
function ownPools(level: 'login' | 'database', context: LevelContext, options: LevelOptions): OpenLevel {
  const { pool, naming, registry, distributed } = context
  const credentials = parseCredentials(options.credentials)
  const limits = parsePools(options.tenantPools ?? {})
  const template = options.databaseTemplate ?? 'template0'
  if (typeof template !== 'string' || !/^[a-z_][a-z0-9_-]{0,62}$/.test(template))
    throw invalidOption('databaseTemplate', 'the name of a database')
  let opened: Promise<Logins> | undefined
  const logins = () => {
    opened ??= import('./logins.ts').then(({ openLogins }) =>
      openLogins(level, context, { credentials, ...limits }),
    )
    return opened
  }
  return {
    isolation: loginIsolation(
      level,
      pool,
      async (tenant) => (await logins()).pools.connect(tenant),
      naming,
      async (tenant) => (await import('../registry/learn-names.ts')).learnNames(pool, registry, tenant),
      distributed,
    ),
    loadLifecycle: async () => {
      const { keeper } = await logins()
      return level === 'login'
        ? (await import('../lifecycle/levels/login.ts')).loginLevel(keeper)
        : (await import('../lifecycle/levels/database.ts')).databaseLevel(keeper, template)
    },
    connections: limits.maxConnections,
    close: async () => (await logins()).pools.close(),
  }
}

function parsePools(options: TenantPoolsOptions) {
  if (typeof options !== 'object' || options === null) throw invalidOption('tenantPools', 'an object')
  const { maxConnections = 50, maxPerTenant = Math.min(5, maxConnections), create } = options
  integerOption('tenantPools.maxConnections', maxConnections, 1, 10_000)
  integerOption('tenantPools.maxPerTenant', maxPerTenant, 1, maxConnections)
  if (create !== undefined && typeof create !== 'function')
    throw invalidOption('tenantPools.create', 'a function that makes a pg.Pool')
  return { maxConnections, maxPerTenant, create }
}

function parseCredentials(option: LevelOptions['credentials']): SuppliedCredentials | Sealing {
  if (typeof option === 'function') return option
  if (typeof option?.seal === 'function' && typeof option.open === 'function') return option
  throw invalidOption(
    'credentials',
    'a function that fetches the credentials of a tenant, or something that seals them ({ seal, open }, such as the ' +
      'Envelopes of @org/crypto): at this isolation level every tenant logs in by itself',
  )
}
