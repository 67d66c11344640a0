import { parsePrefix, parseTenantKey, type TenantKey } from '@org/core'
import { quoteIdentifier } from '../sql/identifier.ts'
import { type DeclaredTable, parseSharedTables, type SharedTable } from './shared-tables.ts'

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
}

/** The same, checked. */
export interface Naming {
  /**
   * The table in each tenant schema that says whose schema it is; owned by the administrator, read-only for the tenant.
   * Its name holds the prefix: prefix `a_` with key `b_c` and prefix `a_b_` with key `c` name one schema, but only one
   * of the two finds its marker there.
   */
  readonly marker: string
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
  return naming.schemaPrefix + tenant
}

export function roleOf(naming: Naming, tenant: TenantKey): string {
  return naming.rolePrefix + tenant
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
  return {
    marker: `_tenant_${schemaPrefix}`,
    schemaPrefix,
    rolePrefix: parsePrefix(options.rolePrefix ?? 'c_'),
    sharedPath: [...shared.map((name) => `, ${quoteIdentifier(name)}`), ', pg_temp'].join(''),
    sharedSchemas: shared,
    sharedTables: parseSharedTables(options.sharedTables),
  }
}
