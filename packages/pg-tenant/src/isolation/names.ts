import { invalidOption, MAX_IDENTIFIER_BYTES, parsePrefix, parseTenantKey, type TenantKey } from '@org/core'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { IsolationLevel } from './isolation.ts'
import { digestOf, type NameFunction, type RegistryNames, requireOwnName, TenantNames } from './own-names.ts'
import { type DeclaredTable, parseSharedTables, type SharedTable } from './shared-tables.ts'
import { traitsOf } from './traits.ts'

/** How keys become names in PostgreSQL. */
export interface NamingOptions {
  /** Before the key in schema names (default `c_`). */
  readonly schemaPrefix?: string
  /** Before the key in role names (default `c_`). Roles are shared by all databases of a server. */
  readonly rolePrefix?: string
  /** Schemas every tenant can read, searched after its own (default `public`). */
  readonly sharedSchemas?: readonly string[]
  /**
   * Tables, views, sequences and functions with their owner's rights in shared schemas that are reference data: every scope may
   * read them, and write them only where that is said (default none). Any other that a scope could use is refused.
   */
  readonly sharedTables?: readonly (string | SharedTable)[]
  /**
   * The schema of a tenant that is not named `schemaPrefix` + key; `undefined` for one that is. Any name of 1 to 63 bytes that
   * the prefix does not give to another key. Called for every scope: pure, and quick. Tenants that were adopted need none: the
   * registry knows their names.
   */
  readonly schemaOf?: NameFunction
  /** The same for the tenant's role (levels `role`, `login`, `database`). */
  readonly roleOf?: NameFunction
  /** The same for the tenant's database (level `database`), which else is named as its role. */
  readonly databaseOf?: NameFunction
}

/** The same, checked. */
export interface Naming {
  /**
   * The table in each tenant schema that says whose schema it is; owned by the administrator, read-only for the tenant.
   * Its name holds the prefix: prefix `a_` with key `b_c` and prefix `a_b_` with key `c` name one schema, but only one
   * of the two finds its marker there. See {@link markerOf} for schemas whose name does not hold the key.
   */
  readonly marker: string
  /** Names that the registry knows of tenants whose keys do not say them. */
  readonly names: TenantNames
  readonly functions: Readonly<Record<Named, NameFunction | undefined>>
  readonly schemaPrefix: string
  readonly rolePrefix: string
  /** What follows the tenant's own schema in its search path, e.g. `, "public", pg_temp`. */
  readonly sharedPath: string
  readonly sharedSchemas: readonly string[]
  readonly sharedTables: readonly DeclaredTable[]
}

/**
 * Checks a key against the configured prefixes.
 *
 * @throws TenancyError INVALID_TENANT_KEY
 */
export function keyFor(naming: Naming, key: unknown): TenantKey {
  const { schemaPrefix, rolePrefix } = naming
  const parsed = parseTenantKey(key, { prefix: schemaPrefix })
  return rolePrefix === schemaPrefix ? parsed : parseTenantKey(parsed, { prefix: rolePrefix })
}

export function schemaOf(naming: Naming, tenant: TenantKey): string {
  return nameOf(naming, tenant, 'schema') ?? naming.schemaPrefix + tenant
}

export function roleOf(naming: Naming, tenant: TenantKey): string {
  return nameOf(naming, tenant, 'role') ?? naming.rolePrefix + tenant
}

/**
 * The role that owns a tenant's schema where scopes run as the application (level `schema`). Its name holds the schema's prefix where
 * that is not the roles': a tenancy of level `role` beside it has the other name for a tenant of the same key.
 */
export function ownerRoleOf(naming: Naming, tenant: TenantKey): string {
  const named = nameOf(naming, tenant, 'role')
  if (named !== undefined) return named
  const name = rolePrefixAt(naming, 'schema') + tenant
  return Buffer.byteLength(name) <= MAX_IDENTIFIER_BYTES ? name : `${naming.rolePrefix}#${digestOf(name)}`
}

/** Before the key in the names of the tenants' roles at a level. */
export function rolePrefixAt({ schemaPrefix, rolePrefix }: Naming, level: IsolationLevel): string {
  const separate = traitsOf(level).separateOwner && schemaPrefix !== rolePrefix
  return separate ? rolePrefix + schemaPrefix : rolePrefix
}

/** The tenant's own database, at level `database`. */
export function databaseOf(naming: Naming, tenant: TenantKey): string {
  return nameOf(naming, tenant, 'database') ?? naming.rolePrefix + tenant
}

/**
 * The table that says whose schema it is. A scope locks it, so that it opens in this tenant's schema or not at all: either the
 * schema's name holds the key, or the marker's does. Should a map ever give one schema to two keys, only one finds its marker.
 */
export function markerOf(naming: Naming, tenant: TenantKey): string {
  const { marker, schemaPrefix } = naming
  if (schemaOf(naming, tenant) === schemaPrefix + tenant) return marker
  return keyedMarker(naming, tenant)
}

/** The marker of a tenant in a schema whose name does not say its key. */
export function keyedMarker(
  { marker, schemaPrefix }: Pick<Naming, 'marker' | 'schemaPrefix'>,
  tenant: TenantKey,
): string {
  const named = `${marker}:${tenant}`
  return Buffer.byteLength(named) <= MAX_IDENTIFIER_BYTES
    ? named
    : `${marker}:#${digestOf(schemaPrefix + tenant)}`
}

/**
 * What keeps the schema of a tenant there until the transaction ends, and raises unless it is usable (hazard b).
 *
 * Where schemas are distributed the marker is selected from but nothing is fetched: parsing takes the lock and checks the schema,
 * binding checks the rights to the table (`InitPlan`), both on the coordinator. LOCK TABLE would be sent to every node of the
 * cluster, one after the other, and fail for all tenants while one of them is down.
 */
export function pinOf(
  naming: Naming,
  tenant: TenantKey,
  distributed: boolean,
): { readonly pin: string; readonly pinRuns: boolean } {
  const marker = qualify(schemaOf(naming, tenant), markerOf(naming, tenant))
  return distributed
    ? { pin: `select from ${marker}`, pinRuns: false }
    : { pin: `lock table ${marker} in access share mode`, pinRuns: true }
}

/** What the registry is to write down of a new tenant: names that its key does not say. */
export function ownNamesOf(naming: Naming, tenant: TenantKey): RegistryNames {
  const own = (what: Named) => {
    const name = givenName(naming, tenant, what)
    return name === undefined || name === prefixOf(naming, what) + tenant ? null : name
  }
  return { schema: own('schema'), role: own('role'), database: own('database') }
}

type Named = keyof RegistryNames

function nameOf(naming: Naming, tenant: TenantKey, what: Named): string | undefined {
  return naming.names.of(tenant)?.[what] ?? givenName(naming, tenant, what)
}

const prefixOf = ({ schemaPrefix, rolePrefix }: Naming, what: Named) =>
  what === 'schema' ? schemaPrefix : rolePrefix

function givenName(naming: Naming, tenant: TenantKey, what: Named): string | undefined {
  // Keys that no caller can name, of tenants made ahead, are ours.
  const given = tenant.startsWith('_') ? undefined : naming.functions[what]?.(tenant)
  if (given === undefined || given === null) return undefined
  return requireOwnName(given, { tenant, prefix: prefixOf(naming, what), option: `${what}Of` })
}

/**
 * The tenant's search path as text: its own schema, the shared ones, temporary tables last. Left out, `pg_temp` would
 * be searched first, and a temporary table in the way of a real one would swallow acknowledged writes.
 */
export function searchPathOf(naming: Naming, tenant: TenantKey): string {
  return quoteIdentifier(schemaOf(naming, tenant)) + naming.sharedPath
}

/** @throws TenancyError INVALID_OPTION */
export function parseNaming(options: NamingOptions): Naming {
  const shared = (options.sharedSchemas ?? ['public']).map((name) =>
    name === 'public' ? name : parsePrefix(name),
  )
  const schemaPrefix = parsePrefix(options.schemaPrefix ?? 'c_')
  const { schemaOf: schema, roleOf: role, databaseOf: database } = options
  for (const [name, given] of Object.entries({ schemaOf: schema, roleOf: role, databaseOf: database })) {
    if (given !== undefined && typeof given !== 'function')
      throw invalidOption(name, 'a function from a key to a name, or to undefined where the prefix says it')
  }
  return {
    names: new TenantNames(),
    functions: { schema, role, database },
    marker: `_tenant_${schemaPrefix}`,
    schemaPrefix,
    rolePrefix: parsePrefix(options.rolePrefix ?? 'c_'),
    sharedPath: [...shared.map((name) => `, ${quoteIdentifier(name)}`), ', pg_temp'].join(''),
    sharedSchemas: shared,
    sharedTables: parseSharedTables(options.sharedTables),
  }
}

const DEFAULT_CONTROL_SCHEMA = 'tenancy'

/** @throws TenancyError INVALID_OPTION */
export function parseControlSchema(name: string = DEFAULT_CONTROL_SCHEMA): string {
  if (typeof name === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(name) && !name.startsWith('pg_')) return name
  throw invalidOption(
    'controlSchema',
    'the name of a schema: 1 to 63 of a-z, 0-9 and "_", not beginning with a digit or "pg_"',
  )
}
