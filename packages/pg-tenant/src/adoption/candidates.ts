import { invalidOption } from '@org/core'
import { readOnly } from '../doctor/read-only.ts'
import type { PoolLike } from '../driver/types.ts'

/** A schema that may hold a tenant's data. */
export interface AdoptableSchema {
  readonly schema: string
  readonly owner: string
  /** Tables in it, those of this library not counted. */
  readonly tables: number
  /** Whether it is a tenant's of this library already. */
  readonly tenant: boolean
}

// $1 a pattern of LIKE.
const SCHEMAS = `select n.nspname as schema, pg_get_userbyid(n.nspowner) as owner,
  count(c.oid) filter (where not starts_with(c.relname, '_tenant_'))::int as tables,
  coalesce(bool_or(starts_with(c.relname, '_tenant_')), false) as tenant
from pg_namespace n left join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
where n.nspname like $1 and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
group by n.oid, n.nspname, n.nspowner order by n.nspname`

/**
 * The schemas of a database whose names fit a pattern, in their order; PostgreSQL's own are left out.
 *
 * @param pattern a name in which `*` stands for anything
 * @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR
 * @example
 * ```ts
 * import { findSchemas } from '@org/pg-tenant/admin'
 *
 * const schemas = await findSchemas(adminPool, 'client_*')
 * console.log(schemas.filter(({ tenant }) => !tenant).map(({ schema }) => schema)) // [] where there is none
 * ```
 */
export async function findSchemas(adminPool: PoolLike, pattern = '*'): Promise<readonly AdoptableSchema[]> {
  const like = likeOf(pattern)
  return await readOnly(adminPool, (look) => look<AdoptableSchema>(SCHEMAS, [like]))
}

/** A database that may be a tenant's own. */
export interface AdoptableDatabase {
  readonly database: string
  readonly owner: string
}

// $1 a pattern of LIKE. Whether one is a tenant's already the registry knows, which may be elsewhere.
const DATABASES = `select datname as database, pg_get_userbyid(datdba) as owner from pg_database
where datname like $1 and datallowconn and not datistemplate and datname not in (current_database(), 'postgres') order by datname`

/**
 * The databases of a server whose names fit a pattern, in their order; templates and the one it is connected to are left out.
 *
 * @param pattern a name in which `*` stands for anything
 * @throws TenancyError INVALID_OPTION, CONNECTION_LOST, DATABASE_ERROR
 * @example
 * ```ts
 * import { findDatabases } from '@org/pg-tenant/admin'
 *
 * console.log(await findDatabases(adminPool, 'app_*')) // [] where there is none
 * ```
 */
export async function findDatabases(
  adminPool: PoolLike,
  pattern = '*',
): Promise<readonly AdoptableDatabase[]> {
  const like = likeOf(pattern)
  return await readOnly(adminPool, (look) => look<AdoptableDatabase>(DATABASES, [like]))
}

function likeOf(pattern: string): string {
  if (typeof pattern !== 'string' || pattern === '' || pattern.length > 200)
    throw invalidOption('pattern', 'a name of up to 200 characters, in which * stands for anything')
  return pattern.replace(/[\\%_]/g, (one) => `\\${one}`).replaceAll('*', '%')
}
