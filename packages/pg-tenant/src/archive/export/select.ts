import type { Admin } from '../../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { baseTypeOf } from '../../sql/types-within.ts'
import { type Place, whereOf } from '../place.ts'
import { underPath } from '../under-path.ts'

// $1 schema, $2 path, $3 table, $4 the tenant column or null. `category` as pg_type has it (manual 52.64): what cannot hold a
// sealed value as text is left as it is.
const COLUMNS = `with path as materialized (select set_config('search_path', $2, true))
  select a.attname as name, b.typcategory as category, format_type(a.atttypid, a.atttypmod) as type,
    format_type(b.oid, null) as base
  from path, pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relname = $3
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type b on b.oid = ${baseTypeOf('a.atttypid')}
  where n.nspname = $1 and a.attname is distinct from $4 order by a.attnum`

const KEY = `select a.attname as name from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relname = $2
    join pg_index i on i.indrelid = c.oid and i.indisprimary
    cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
  where n.nspname = $1 order by k.place`

/** Dates, numbers, booleans, enums, addresses, bits, spans, ranges: none of them holds text of its own. */
const PLAIN = new Set(['D', 'N', 'B', 'E', 'I', 'V', 'T', 'R', 'G'])
/** Of these, what never begins with a character that a spreadsheet takes for a formula, but for the sign of a number. */
const HARMLESS = new Set(['D', 'N', 'B', 'I', 'V', 'T', 'R', 'G', 'A'])

/** As a regular expression takes it: not under a collation that is not deterministic. */
const TEXT = 'pg_catalog.text collate pg_catalog."C"'

/** What stands for a sealed value: `enc:v1:…` and every later version (see packages/crypto/FORMAT.md). */
const MASK = 'enc:***'
const SEALED = 'enc:v[0-9]+:[A-Za-z0-9+/=:._-]*'

/**
 * What a spreadsheet runs (OWASP, CSV Injection; CWE-1236), in both widths, also behind blanks that an import takes off; an apostrophe
 * in front makes it text.
 */
const FORMULA =
  '^([\\t\\r\\n]|[ \\t\\n\\v\\f\\r\u0085\u00a0\u2000-\u200f\u2028\u2029\u202f\u205f\u3000\ufeff]*[=+@\uff1d\uff0b\uff0d\uff20-])'

/** What becomes of values on their way out. */
export interface Treatment {
  readonly withSecrets: boolean
  /** Whether text that a spreadsheet would run is written behind an apostrophe. */
  readonly neutralised: boolean
}

/** The query that reads a table, and what it answers. */
export interface Selected {
  readonly query: string
  /** Of the answer, as in a FROM clause; types as they read under the tenant's path. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

/**
 * The query that reads a table in the order of its primary key, or of its rows as text where it has none: the same data
 * gives the same file. Functions are named with their schema: it runs under the tenant's path.
 */
export async function selectOf(
  admin: Admin,
  place: Place,
  table: string,
  treatment: Treatment,
): Promise<Selected> {
  const { schema, searchPath, tenantColumn } = place
  const values = [schema, searchPath, table, tenantColumn ?? null]
  const columns = await underPath<Column>(admin, COLUMNS, values)
  const alias = freeName(columns.map(({ name }) => name))
  const key = (await admin.run(KEY, [schema, table])).map(
    (row) => `${alias}.${quoteIdentifier(String(row.name))}`,
  )
  const whole = `row(${columns.map(({ name }) => `${alias}.${quoteIdentifier(name)}`).join(', ')})`
  const order = key.length > 0 ? key.join(', ') : `${whole}::pg_catalog.text collate pg_catalog."C"`
  const list = columns.map((column) => treat(column, alias, treatment))
  const select = list.map(({ value, name }) => `${value} as ${quoteIdentifier(name)}`).join(', ')
  const from = `from only ${qualify(schema, table)} ${alias}${whereOf(place, `${alias}.`)}`
  return { query: `select ${select} ${from} order by ${order}`, columns: list }
}

interface Column {
  readonly name: string
  readonly category: string
  readonly type: string
  readonly base: string
}

/** A name that is none of these: beside a column, an alias of that name would mean the column. */
export function freeName(taken: readonly string[]): string {
  let name = 'exported'
  while (taken.includes(name)) name += '_'
  return name
}

function treat(
  { name, category, type, base }: Column,
  alias: string,
  { withSecrets, neutralised }: Treatment,
): { value: string; name: string; type: string } {
  const column = `${alias}.${quoteIdentifier(name)}`
  const opaque = base === 'bytea' || base === 'uuid'
  const mask = !withSecrets && !PLAIN.has(category) && !opaque
  const guard = neutralised && !HARMLESS.has(category) && !opaque
  // As it is put out: a cast to text of a type of the tenant's own may be the tenant's, too, and say less.
  const out = `case when pg_catalog.num_nulls(${column}) operator(pg_catalog.=) 0 then pg_catalog.concat(${column}) end`
  const text = category === 'S' ? column : `(${out})`
  const masked = mask ? `pg_catalog.regexp_replace(${text}::${TEXT}, '${SEALED}', '${MASK}', 'g')` : column
  const label = neutralised && new RegExp(FORMULA).test(name) ? `'${name}` : name
  if (guard) {
    const value = `pg_catalog.regexp_replace(${mask ? masked : text}::${TEXT}, E'${FORMULA.replaceAll('\\', '\\\\')}', E'''\\\\1')`
    return { value, name: label, type: 'pg_catalog.text' }
  }
  if (!mask) return { value: masked, name: label, type }
  // Text stays text, also under a domain whose check the mask would not pass; json and arrays keep their shape.
  if (category === 'S') return { value: masked, name: label, type: 'pg_catalog.text' }
  return { value: `${masked}::${base}`, name: label, type: base }
}
