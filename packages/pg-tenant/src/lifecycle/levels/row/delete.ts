import type { TenantKey } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { qualify, quoteIdentifier } from '../../../sql/identifier.ts'

/** Tables whose rows go together. */
export interface DropStep {
  readonly tables: readonly string[]
  /** In one statement, because they refer to each other in a circle: foreign keys are checked at its end. */
  readonly whole: boolean
}

// $1 schema, $2 tenant column, $3 reference tables. Rows are in tables and partitions, not in what is partitioned; a
// foreign key of or to a partitioned table is in the catalogue for each partition as well.
const TABLES = `select c.relname as name, array(
    select distinct r.relname::text from pg_constraint k join pg_class r on r.oid = k.confrelid
    where k.conrelid = c.oid and k.contype = 'f') as refers_to
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  where c.relnamespace = to_regnamespace($1) and c.relkind = 'r' and c.relname <> all ($3::text[])
  order by c.relname`

/** Children before the parents they refer to, and whatever refers to itself or in a circle in between. */
export async function planDrop(admin: Admin, row: RowPlace): Promise<DropStep[]> {
  const tables = await admin.run(TABLES, [row.schema, row.tenantColumn, row.referenceTables])
  const open = new Map(tables.map(({ name, refers_to }) => [String(name), refers_to as string[]]))
  const take = (isNext: (name: string) => boolean): string[] => {
    const taken: string[] = []
    for (let name = [...open.keys()].find(isNext); name !== undefined; name = [...open.keys()].find(isNext)) {
      taken.push(name)
      open.delete(name)
    }
    return taken
  }
  const children = take((name) => ![...open.values()].some((parents) => parents.includes(name)))
  const parents = take((name) => !open.get(name)?.some((parent) => open.has(parent))).reverse()
  const circle = [...open.keys()]
  return [
    ...children.map((name) => ({ tables: [name], whole: false })),
    ...(circle.length > 0 ? [{ tables: circle, whole: true }] : []),
    ...parents.map((name) => ({ tables: [name], whole: false })),
  ]
}

/** @returns how many rows went, by table */
export async function deleteRows(
  admin: Admin,
  row: RowPlace,
  tenant: TenantKey,
  { tables, whole }: DropStep,
  batch: number,
): Promise<Map<string, number>> {
  const column = quoteIdentifier(row.tenantColumn)
  const parts = tables.map((name) => {
    const table = qualify(row.schema, name)
    return whole
      ? `delete from ${table} where ${column}::text = $1::text and $2::int is not null`
      : `delete from ${table} where ctid = any (array(select ctid from ${table} where ${column} = $1 limit $2::int))`
  })
  const [counts] = await admin.run(
    `with ${parts.map((sql, at) => `d${at} as (${sql} returning 1)`).join(', ')}
     select array[${parts.map((_, at) => `(select count(*)::int from d${at})`).join()}] as counts`,
    [tenant, batch],
  )
  const deleted = counts?.counts as number[]
  return new Map(tables.map((name, at) => [name, deleted[at] ?? 0]))
}

/** The first table that still has a row of the tenant. */
export async function findRows(admin: Admin, row: RowPlace, tenant: TenantKey): Promise<string | undefined> {
  for (const name of (await planDrop(admin, row)).flatMap(({ tables }) => tables)) {
    const sql = `select from ${qualify(row.schema, name)} where ${quoteIdentifier(row.tenantColumn)} = $1 limit 1`
    if ((await admin.run(sql, [tenant])).length > 0) return name
  }
  return undefined
}
