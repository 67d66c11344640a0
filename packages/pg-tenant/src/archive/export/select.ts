import type { Admin } from '../../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { type Place, whereOf } from '../place.ts'

// `category` as pg_type has it (manual 52.64): what cannot hold a sealed value as text is left as it is.
const COLUMNS = `select a.attname as name, t.typcategory as category,
    format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null) as type
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
    and a.attname is distinct from $2 order by a.attnum`

const KEY = `select a.attname as name from pg_index i
    cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
  where i.indrelid = $1::regclass and i.indisprimary order by k.place`

/** Dates, numbers, booleans, enums, addresses, bits, spans: none of them holds text of its own. */
const PLAIN = new Set(['D', 'N', 'B', 'E', 'I', 'V', 'T', 'R', 'G'])

/** What stands for a sealed value: `enc:v1:…` and every later version (see packages/crypto/FORMAT.md). */
const MASK = 'enc:***'
const SEALED = 'enc:v[0-9]+:[A-Za-z0-9+/=:._-]*'

/**
 * The query that reads a table in the order of its primary key, or of its rows as text where it has none: the same data
 * gives the same file.
 */
export async function selectOf(
  admin: Admin,
  place: Place,
  table: string,
  withSecrets: boolean,
): Promise<string> {
  const name = qualify(place.schema, table)
  const columns = (await admin.run(COLUMNS, [name, place.tenantColumn ?? null])) as unknown as Column[]
  const key = (await admin.run(KEY, [name])).map((row) => quoteIdentifier(String(row.name)))
  const order = key.length > 0 ? key.map((column) => `t.${column}`).join(', ') : 't::text collate "C"'
  const list = columns.map((column) => (withSecrets ? plain(column) : masked(column)))
  return `select ${list.join(', ')} from only ${name} t${whereOf(place, 't.')} order by ${order}`
}

interface Column {
  readonly name: string
  readonly category: string
  readonly type: string
}

const plain = ({ name }: Column): string => `t.${quoteIdentifier(name)}`

function masked(column: Column): string {
  const { name, category, type } = column
  if (PLAIN.has(category) || type === 'bytea' || type === 'uuid') return plain(column)
  const text = `regexp_replace(${plain(column)}::text, '${SEALED}', '${MASK}', 'g')`
  // Text stays text, also under a domain whose check the mask would not pass; json and arrays keep their shape.
  return `${category === 'S' ? text : `${text}::${type}`} as ${quoteIdentifier(name)}`
}
