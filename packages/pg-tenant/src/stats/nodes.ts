import type { Admin } from '../admin/transaction.ts'
import { askNodes } from '../lifecycle/nodes.ts'
import type { Space } from './shared-tables.ts'

// On the coordinator the tables of another node are empty.
const DISTRIBUTED = `select n.nspname as schema from pg_catalog.pg_dist_schema d join pg_catalog.pg_namespace n on n.oid = d.schemaid`

const BYTES = `select n.nspname as schema, pg_catalog.sum(s.shard_size)::float8 as bytes
  from pg_catalog.citus_shards s join pg_catalog.pg_class c on c.oid = s.table_name::pg_catalog.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace where s.citus_table_type = 'schema' group by 1
  having pg_catalog.count(s.shard_size) operator(pg_catalog.>) 0`

const ROWS = `select coalesce(json_object_agg(schema, rows), '{}') from (
  select n.nspname as schema, sum(greatest(c.reltuples, 0))::float8 as rows
  from pg_catalog.pg_dist_schema d join pg_catalog.pg_namespace n on n.oid = d.schemaid
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'm') group by 1) counted`

/**
 * What distributed schemas take up, on whichever node: tables with their indexes and TOAST as on disk now; rows as the last VACUUM or
 * ANALYZE there left them. `null` where the node cannot be asked.
 */
export async function spaceOnNodes(admin: Admin): Promise<Map<string, Pick<Space, 'bytes' | 'rows'>>> {
  const space = new Map<string, Pick<Space, 'bytes' | 'rows'>>()
  const names = (await admin.run(DISTRIBUTED)).map(({ schema }) => String(schema))
  const answers = await askNodes((sql, values) => admin.run(sql, values), ROWS)
  const reached = new Map<string, number>()
  for (const { value } of answers) {
    const rows = value === undefined ? {} : (JSON.parse(value) as Record<string, number>)
    for (const [schema, more] of Object.entries(rows)) reached.set(schema, (reached.get(schema) ?? 0) + more)
  }
  const bytes = new Map((await admin.run(BYTES)).map((row) => [String(row.schema), Number(row.bytes)]))
  for (const schema of names)
    space.set(schema, {
      bytes: bytes.get(schema) ?? null,
      rows: bytes.has(schema) ? (reached.get(schema) ?? 0) : null,
    })
  return space
}
