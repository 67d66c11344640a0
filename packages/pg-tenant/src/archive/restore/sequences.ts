import { TenancyError } from '@org/core'
import type { Admin } from '../../admin/transaction.ts'
import { qualify, quoteIdentifier, quoteLiteral } from '../../sql/identifier.ts'
import type { ArchivedTable } from '../format/manifest.ts'
import { type Place, whereOf } from '../place.ts'

// $1 schema, $2 tables. Sequences of their identity and serial columns that go up; what a column cannot hold is no number of its sequence.
const OWNED = `select c.relname as table, a.attname as column, n.nspname as schema, s.relname as name, q.seqincrement::text as step,
    q.seqmin::text as least, least(q.seqmax, case a.atttypid when 'int2'::regtype then 32767 when 'int4'::regtype then 2147483647
      else q.seqmax end)::text as most
  from pg_class c join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.classid = 'pg_class'::regclass
      and d.deptype in ('a', 'i')
    join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace
    join pg_sequence q on q.seqrelid = s.oid and q.seqincrement > 0
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where c.relnamespace = (select oid from pg_namespace where nspname = $1) and c.relname = any ($2)
  order by c.oid, s.oid`

/** A column whose rows have their numbers from a sequence. */
export interface NumberedColumn {
  readonly table: string
  readonly column: string
  readonly schema: string
  readonly name: string
  readonly step: string
  readonly least: string
  readonly most: string
}

export async function numberedColumns(
  admin: Admin,
  { schema }: Place,
  tables: readonly Pick<ArchivedTable, 'name'>[],
): Promise<NumberedColumn[]> {
  return await admin.run(OWNED, [schema, tables.map(({ name }) => name)])
}

/** A tenant's highest number in a column; null where it has none. */
export const newestOf = (place: Place, table: string, column: string): string =>
  `select pg_catalog.max(${quoteIdentifier(column)})::pg_catalog.int8 from ${qualify(place.schema, table)}${whereOf(place)}`

/**
 * Brings the sequences that tenants share past the keys of the rows restored, so that the next row of the tenant gets a
 * free one. Never back: others draw from them. Last in the transaction, because a sequence that has to move keeps
 * everybody waiting until COMMIT.
 *
 * @throws TenancyError CONFLICT (`details.reason` `sequence`), see {@link requireNumbersLeft}
 */
export async function advanceSequences(
  admin: Admin,
  place: Place,
  tables: readonly ArchivedTable[],
): Promise<void> {
  for (const one of await numberedColumns(admin, place, tables)) {
    const sequence = qualify(one.schema, one.name)
    const newest = newestOf(place, one.table, one.column)
    const behind = `select last_value < (${newest}) or (last_value = (${newest}) and not is_called) as behind from ${sequence}`
    if (!(await isTrue(admin, behind))) continue
    if (place.tenantColumn !== undefined) await requireNumbersLeft(admin, place, one, `(${newest})`)
    // Says what is so already, for its lock: nobody draws between the second look and setval.
    await admin.run(`alter sequence ${sequence} increment by ${one.step}`)
    if (await isTrue(admin, behind)) await admin.run(`select setval($1::regclass, (${newest}))`, [sequence])
  }
}

/**
 * Whoever has tables of its own gives a row any key, and the sequence that all draw from has to go past it. What must be left is an
 * eighth of all numbers there are, whoever comes and how often: a tenant that is simply old fits, one row with the highest key does not.
 * Where less is left already, nobody takes more than a hundredth of it at once.
 *
 * @param newest the tenant's highest number, as SQL
 * @throws TenancyError CONFLICT (`details.reason` `sequence`)
 */
export async function requireNumbersLeft(
  admin: Admin,
  place: Place,
  { table, column, schema, name, least, most }: NumberedColumn,
  newest: string,
): Promise<void> {
  const sequence = qualify(schema, name)
  const tooFar = `select ${most} - ${newest}::numeric < (${most} - ${least}::numeric) / 8
      and ${newest}::numeric - last_value > (${most} - last_value::numeric) / 100 as behind from ${sequence}`
  // guard: an eighth of the numbers is for the others
  if (!(await isTrue(admin, tooFar))) return
  const home = qualify(place.schema, table)
  const id = quoteIdentifier(column)
  throw new TenancyError(
    'CONFLICT',
    'A row of the tenant has so high a number that hardly any would be left in the sequence all tenants draw from (details: table, column, ' +
      `sequence). Nothing was changed. Give that row another number; or have a migration of the shared tables say ALTER TABLE ${home} ALTER ` +
      `COLUMN ${id} TYPE bigint; ALTER SEQUENCE ${sequence} AS bigint; or, where the others do not need the numbers in between, bring ` +
      `the sequence there yourself: SELECT setval(${quoteLiteral(sequence)}, …). Then run it again.`,
    { details: { reason: 'sequence', table, column, sequence: `${schema}.${name}` } },
  )
}

async function isTrue(admin: Admin, sql: string): Promise<boolean> {
  const [row] = await admin.run(sql)
  return row?.behind === true
}
