import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { type RowPlace, TENANT_SETTING } from '../isolation/row.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'

/** What a tenant, or all of them together, take up. */
export interface Space {
  readonly bytes: number | null
  readonly rows: number | null
  readonly tables: number | null
  readonly relations: number | null
}

// $1 schema. What all tenants share, as on disk; rows as of the last VACUUM or ANALYZE.
const WHOLE = `select count(*) filter (where c.relkind in ('r', 'p'))::int as tables,
    count(*) filter (where c.relkind in ('r', 'm', 'i', 'S', 't'))::int + count(nullif(c.reltoastrelid, 0))::int * 2 as relations,
    coalesce(sum(greatest(c.reltuples, 0)) filter (where c.relkind in ('r', 'm')), 0)::float8 as rows,
    coalesce(sum(pg_total_relation_size(c.oid)) filter (where c.relkind in ('r', 'm', 'S')), 0)::float8 as bytes
  from pg_class c where c.relnamespace = to_regnamespace(quote_ident($1))`

/** Level `row`: the shared tables with everything in them. */
export async function wholeSpace(admin: Admin, { schema }: RowPlace): Promise<Space> {
  const [row] = await admin.run<Space>(WHOLE, [schema])
  return row as Space
}

// $1 schema, $2 tenant column, $3 reference tables. Rows are in tables and partitions, not in what is partitioned.
const TABLES = `select c.relname as name from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relkind = 'r' and c.relname <> all ($3::text[])
  order by c.relname`

/**
 * Each tenant's rows in the shared tables, counted: one query for each tenant, which reads its rows. Policies bind the
 * administrator as well, so it acts for one tenant after the other.
 */
export async function rowsOfTenants(
  admin: Admin,
  row: RowPlace,
  keys: readonly TenantKey[],
): Promise<Map<string, Space>> {
  const tables = (await admin.run(TABLES, [row.schema, row.tenantColumn, row.referenceTables])).map(
    ({ name }) => String(name),
  )
  const spaces = new Map<string, Space>()
  if (tables.length === 0) return spaces
  const column = quoteIdentifier(row.tenantColumn)
  const parts = tables.map(
    (name) =>
      `select count(*) as n, sum(pg_column_size(t)) as size from ${qualify(row.schema, name)} t where ${column}::text = $1::text`,
  )
  const sql = `select coalesce(sum(n), 0)::float8 as rows, coalesce(sum(size), 0)::float8 as bytes,
      count(*) filter (where n > 0)::int as tables from (${parts.join('\nunion all ')}) each`
  for (const key of keys) {
    await admin.run(`select set_config('${TENANT_SETTING}', $1, true)`, [key])
    const [found] = await admin.run<Space>(sql, [key])
    spaces.set(key, { ...(found as Space), relations: null })
  }
  return spaces
}

// $1 prefix. As the ledger of the shared schema has them; in the order in which they were applied.
const APPLIED = (ledger: string) => `select id, duration_ms as "durationMs", applied_at as "appliedAt"
  from ${ledger} where prefix = $1 order by applied_at, id`

export interface SharedMigration {
  readonly id: string
  readonly durationMs: number
  readonly appliedAt: Date
}

/** The migrations of the shared schema, oldest first. */
export async function sharedMigrations(
  admin: Admin,
  ledger: string,
  prefix: string,
): Promise<SharedMigration[]> {
  const [there] = await admin.run('select to_regclass($1) is not null as there', [ledger])
  if (!there?.there) return []
  return (await admin.run(APPLIED(ledger), [prefix])) as unknown[] as SharedMigration[]
}
