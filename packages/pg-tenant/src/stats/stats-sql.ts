import type { TenantKey } from '@org/core'
import { markerOf, type Naming, schemaOf } from '../isolation/names.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

/** $1 schema prefix, $2 keys or null for all: the registry's own facts, in the byte order of keys. */
export const tenantsSql = ({ controlSchema }: RegistryPlace): string =>
  `select key, status, plan, placement, isolation, schema_version as "schemaVersion"
   from ${qualify(controlSchema, 'tenant')}
   where prefix = $1 and status not in ('deleted', 'ready') and ($2::text[] is null or key = any ($2))
   order by key collate "C"`

/** Keys, their schemas and their markers: values of {@link ESTIMATED} and {@link EXACT}. */
export function homesOf(
  naming: Naming,
  keys: readonly TenantKey[],
): [readonly TenantKey[], string[], string[]] {
  return [keys, keys.map((key) => schemaOf(naming, key)), keys.map((key) => markerOf(naming, key))]
}

const HOMES = `unnest($1::text[], $2::text[], $3::text[]) home (key, schema, marker) join pg_namespace n on n.nspname = home.schema`

/**
 * Parameters as of {@link homesOf}. One pass over pg_class: pages and rows as the last VACUUM or ANALYZE
 * left them, because asking for the size of each of 100,000s of relations opens every one of them. Toast tables and
 * their indexes live in another schema and come with their table.
 */
export const ESTIMATED = `select home.key,
    count(*) filter (where c.relkind in ('r', 'p'))::int as tables,
    count(*) filter (where c.relkind in ('r', 'm', 'i', 'S', 't'))::int + count(t.oid)::int * 2 as relations,
    coalesce(sum(greatest(c.reltuples, 0)) filter (where c.relkind in ('r', 'm')), 0)::float8 as rows,
    (sum(c.relpages::int8 + coalesce(t.relpages, 0) + coalesce(ti.relpages, 0))
       * current_setting('block_size')::int8)::float8 as bytes
  from ${HOMES}
    join pg_class c on c.relnamespace = n.oid
    left join pg_class t on t.oid = c.reltoastrelid and c.reltoastrelid <> 0
    left join pg_index i on i.indrelid = t.oid
    left join pg_class ti on ti.oid = i.indexrelid
  where exists (select from pg_class m where m.relnamespace = n.oid and m.relname = home.marker)
  group by home.key`

/** The same with sizes as they are on disk now; opens every table. */
export const EXACT = `select home.key,
    count(*) filter (where c.relkind in ('r', 'p'))::int as tables,
    count(*) filter (where c.relkind in ('r', 'm', 'i', 'S', 't'))::int + count(nullif(c.reltoastrelid, 0))::int * 2 as relations,
    coalesce(sum(greatest(c.reltuples, 0)) filter (where c.relkind in ('r', 'm')), 0)::float8 as rows,
    coalesce(sum(pg_total_relation_size(c.oid)) filter (where c.relkind in ('r', 'm', 'S')), 0)::float8 as bytes
  from ${HOMES} join pg_class c on c.relnamespace = n.oid
  where exists (select from pg_class m where m.relnamespace = n.oid and m.relname = home.marker)
  group by home.key`

/** Level `database`. $1 keys, $2 their databases; sizes of those the administrator may connect to. */
export const DATABASES = `select home.key,
    case when has_database_privilege(d.oid, 'connect') then pg_database_size(d.oid) end::float8 as bytes
  from unnest($1::text[], $2::text[]) home (key, database) join pg_database d on d.datname = home.database`

/** $1 keys, $2 their schemas. When a tenant's tables were last read; from PostgreSQL 16 on. */
export const ACTIVITY = `select home.key, max(seen) as "lastActivity"
  from unnest($1::text[], $2::text[]) home (key, schema) join pg_namespace n on n.nspname = home.schema
    join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'm', 'i') and not starts_with(c.relname, '_tenant')
    cross join lateral pg_stat_get_lastscan(c.oid) seen
  group by home.key having max(seen) is not null`

/**
 * Who is connected to this server, by role. An administrator without `pg_monitor` sees nothing of others but their
 * role and database (manual 27.2.3).
 */
export const CONNECTIONS = `select usename as role, count(*)::int as connections,
    count(*) filter (where state = 'active')::int as active,
    count(*) filter (where state like 'idle in transaction%')::int as "idleInTransaction"
  from pg_stat_activity
  where usename is not null and datid is not null and coalesce(backend_type, 'client backend') = 'client backend'
  group by usename order by count(*) desc, usename`

/** $1 schema prefix, $2 keys or null. */
export const slowestSql = ({ controlSchema }: RegistryPlace): string =>
  `select key, id, duration_ms as "durationMs", applied_at as "appliedAt"
   from ${qualify(controlSchema, 'tenant_migration')}
   where prefix = $1 and ($2::text[] is null or key = any ($2))
   order by duration_ms desc, key, id limit 10`
