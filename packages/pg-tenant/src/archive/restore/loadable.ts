import type { Admin } from '../../admin/transaction.ts'
import { typesWithin } from '../../sql/types-within.ts'
import type { Place } from '../place.ts'
import { underPath } from '../under-path.ts'

/** How rows get into a table that was just made. */
export interface Loadable {
  readonly name: string
  /** Whether COPY into it runs nothing but PostgreSQL's own code. */
  readonly bare: boolean
  /** In the order of the table. */
  readonly columns: readonly LoadableColumn[]
  /** Names of generated columns. */
  readonly generated: readonly string[]
}

export interface LoadableColumn {
  readonly name: string
  /** Its type as it reads under the tenant's path. */
  readonly type: string
  /** Whether reading a value of it runs nothing but PostgreSQL's own code. */
  readonly clean: boolean
  /** Whether a value of it may name an object (`regclass`), and holds no text that may be anything. */
  readonly names: boolean
}

// Of the types a type is made of. Input of a domain runs its CHECKs, and of a row type those of its columns, also of such as came since
// this was asked: ALTER DOMAIN and ALTER TYPE wait for no table that is not committed. Input of a range runs its canonical
// function, which stays the same; an operator class, a base type or a type of an extension is a superuser's.
const PARTS = typesWithin('a.atttypid')
const CLEAN = `not exists (select from (${PARTS}) p where exists (select from pg_type t where t.oid = p.type and t.typtype in ('d', 'c') and t.typnamespace <> 'pg_catalog'::regnamespace)
      or exists (select from pg_range r join pg_proc f on f.oid = r.rngcanonical::oid join pg_language l on l.oid = f.prolang
        where r.rngtypid = p.type and l.lanname not in ('internal', 'c')))`
const NAMING = `array['regclass', 'regproc', 'regprocedure', 'regoper', 'regoperator', 'regtype', 'regconfig', 'regdictionary', 'regcollation']::regtype[]`
const NAMES = `coalesce((select bool_or(t.oid = any (${NAMING})) and bool_and(t.oid = any (${NAMING}) or t.typcategory in ('N', 'B', 'D', 'T')
      or t.typcategory = 'A' or t.typtype in ('d', 'c', 'r', 'm')) from (${PARTS}) p join pg_type t on t.oid = p.type), false)`

// What COPY FROM would run, whatever the statements said that made the table: it is asked of the catalogue.
const LOADABLE = `with path as materialized (select set_config('search_path', $2, true))
  select c.relname as name, c.relkind = 'r' and not c.relhastriggers and not c.relhasindex and not c.relhasrules
      and not c.relrowsecurity and not c.relispartition
      and not exists (select from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n')
      and not exists (select from pg_attrdef x where x.adrelid = c.oid) as bare,
    coalesce((select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'clean', ${CLEAN}, 'names', ${NAMES}) order by a.attnum)
      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '[]') as columns,
    coalesce((select json_agg(a.attname) from pg_attribute a where a.attrelid = c.oid and not a.attisdropped and a.attgenerated <> ''), '[]') as generated
  from path, pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
  where n.nspname = $1`

export async function readLoadable(
  admin: Admin,
  { schema, searchPath, ours }: Place,
): Promise<Map<string, Loadable>> {
  const rows = await underPath<Loadable>(admin, LOADABLE, [schema, searchPath, [...ours]])
  return new Map(
    rows.map((row) => [row.name, { ...row, bare: row.bare && row.columns.every(({ clean }) => clean) }]),
  )
}
