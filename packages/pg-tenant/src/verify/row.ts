import type { TenantKey } from '@org/core'
import type { RowPlace } from '../isolation/row.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { mustBeRefused, type ProbeDb, type Verdict } from './probe.ts'

type Asker =
  | Pick<ProbeDb, 'query'>
  | { query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }> }

/** The shared tables that hold rows of tenants and that whoever asks may read. */
export async function rowTables(
  db: Asker,
  { schema, tenantColumn, referenceTables }: RowPlace,
): Promise<string[]> {
  const { rows } = await db.query(
    `select c.relname as name from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = $1
       join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
     where c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
       and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
     order by c.relname limit 50`,
    [schema, tenantColumn, referenceTables],
  )
  return (rows as { name: string }[]).map(({ name }) => name)
}

/** Whether rows of a tenant (of any, without one) can be seen. */
export async function visibleRows(
  db: Asker,
  { schema, tenantColumn }: RowPlace,
  table: string,
  tenant: TenantKey | undefined,
): Promise<Verdict> {
  const which = tenant === undefined ? '' : `where ${quoteIdentifier(tenantColumn)} = $1`
  const { rows } = await db.query(
    `select 1 as one from ${qualify(schema, table)} ${which} limit 1`,
    tenant === undefined ? [] : [tenant],
  )
  if (rows.length === 0) return { outcome: 'passed', evidence: 'no row is visible' }
  return { outcome: 'failed', evidence: 'a row is visible' }
}

/** Whether one of the tenant's own rows can be given to another tenant. */
export async function rowGivenAway(
  db: ProbeDb,
  { schema, tenantColumn }: RowPlace,
  table: string,
  other: TenantKey,
): Promise<Verdict> {
  const place = qualify(schema, table)
  const { rows } = await db.query(`select 1 as one from ${place} limit 1`)
  if (rows.length === 0) return { outcome: 'not checked', evidence: 'the tenant has no row in it' }
  return await mustBeRefused(
    db,
    `update ${place} set ${quoteIdentifier(tenantColumn)} = $1 where ctid = (select ctid from ${place} limit 1)`,
    [other],
  )
}
