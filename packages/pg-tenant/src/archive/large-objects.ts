import { traitsOf } from '../isolation/traits.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { typesWithin } from '../sql/types-within.ts'
import { askTable } from './ask-table.ts'
import { whereOf } from './place.ts'
import { withReaders } from './readers.ts'
import type { Skipped } from './structure/read.ts'
import type { Found, Visit } from './visit.ts'

// Columns that may name large objects, by themselves or in an array or a row type, where the application has any. $1 schema, $2 names that are not the tenant's, $3 the application.
const COLUMNS = `select c.relname as table, a.attname as column
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> all ($2::text[])
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where n.nspname = $1 and 'oid'::regtype in (${typesWithin('a.atttypid')})
    and exists (select from pg_largeobject_metadata l join pg_roles r on r.oid = l.lomowner where r.rolname = $3)
  order by 1, 2`

/**
 * Columns of a tenant's rows that name large objects. Those belong to roles, not to tables: where scopes run as the application they are
 * its own, and only a row tells whose they are. Where tenants have roles, those count that the role owns (structure/skipped-sql.ts).
 */
export async function namedLargeObjects(found: Found, visit: Visit): Promise<Skipped[]> {
  const { place } = visit
  const { home } = found
  if (traitsOf(visit.lifecycle.level).ownRole) return []
  const columns = await home.run(COLUMNS, [place.schema, [...place.ours], found.application])
  const named: Skipped[] = []
  if (columns.length === 0) return named
  await home.run('savepoint large_objects')
  await withReaders(found, visit, async (readerOf) => {
    for (const row of columns) {
      const [table, column] = [String(row.table), String(row.column)]
      const values = `select ${quoteIdentifier(column)} as named from ${qualify(place.schema, table)}${whereOf(place)}`
      // As it is put out: a cast to text may be the tenant's own.
      const sql = `select exists (select from (${values}) t
        cross join lateral pg_catalog.regexp_split_to_table(pg_catalog.concat(t.named), '[^0-9]+') number
        join pg_catalog.pg_largeobject_metadata l on l.oid::pg_catalog.text operator(pg_catalog.=) number) as named`
      const asked = await askTable(readerOf(table), place, table, sql, 'named pg_catalog.bool')
      // guard: large objects that its rows name are in no archive
      if (asked?.named !== false) named.push({ name: `${table}.${column}`, kind: 'large objects' })
    }
  })
  await home.run('rollback to savepoint large_objects; release savepoint large_objects')
  return named
}
