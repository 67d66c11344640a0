import { randomBytes } from 'node:crypto'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { scan } from '../../sql/scan.ts'
import type { AdminClient } from '../client.ts'
import type { ArchivedTable } from '../format/manifest.ts'
import type { Place } from '../place.ts'
import { PHASE, type StructureStatement } from '../structure/statement.ts'
import { underPath } from '../under-path.ts'

/** Statements around those that attach partitions. */
interface Rehash {
  readonly before: readonly StructureStatement[]
  readonly behind: readonly StructureStatement[]
}

// Columns by their place in the key, where there is none of them an expression; the expressions are one text.
const KEYS = `with path as materialized (select set_config('search_path', $2, true))
  select c.relname as name, pg_get_expr(p.partexprs, c.oid) as expressions,
    (select json_agg(quote_ident(a.attname) order by k.at) from unnest(p.partattrs::int2[]) with ordinality k (attnum, at)
      left join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum and k.attnum > 0) as columns
  from path, pg_namespace n join pg_class c on c.relnamespace = n.oid join pg_partitioned_table p on p.partrelid = c.oid and p.partstrat = 'h'
  where n.nspname = $1`

interface HashKey {
  readonly name: string
  readonly columns: readonly (string | null)[]
  readonly expressions: string | null
}

/** What is hashed, as SQL in the order of the key. */
function keyOf({ columns, expressions }: HashKey): string {
  const found = atCommas(expressions ?? '')
  return columns.map((column) => column ?? found.shift()).join(', ')
}

/** The members of a list of expressions, as PostgreSQL writes them. */
function atCommas(list: string): string[] {
  const cuts: number[] = []
  let depth = 0
  for (const { kind, start, text } of scan(list)) {
    if (kind !== 'symbol') continue
    if ('([{'.includes(text)) depth++
    if (')]}'.includes(text)) depth--
    if (text === ',' && depth === 0) cuts.push(start)
  }
  return [...cuts, list.length].map((cut, at) => list.slice(at === 0 ? 0 : Number(cuts[at - 1]) + 1, cut))
}

const BOUND = /^FOR VALUES WITH \(modulus (\d+), remainder (\d+)\)$/i

/**
 * Rows of tables that are partitioned by HASH lie where the hash put them in the database that the archive is of; of enums and `reg…`
 * types that is the hash of an OID, which is another in each. Before partitions are attached whatever lies wrong here is taken
 * out, and comes in again behind that, through the whole.
 */
export async function rehash(
  home: AdminClient,
  place: Place,
  tables: readonly ArchivedTable[],
): Promise<Rehash> {
  const byName = new Map(tables.map((table) => [table.name, table]))
  if (!tables.some(({ partitionOf }) => BOUND.test(partitionOf?.bound ?? '')))
    return { before: [], behind: [] }
  const rows = await underPath<HashKey>(home, KEYS, [place.schema, place.searchPath])
  const keys = new Map(rows.map((row) => [row.name, keyOf(row)]))
  const nameOf = (name: string) => qualify(place.schema, name)
  /** Whether a row lies right, by each HASH above its table, and the table above all. */
  const above = ({ name, partitionOf }: ArchivedTable): { top: string; right: readonly string[] } => {
    const parent = partitionOf && byName.get(partitionOf.parent)
    if (!partitionOf || !parent) return { top: name, right: [] }
    const { top, right } = above(parent)
    const [, modulus, remainder] = BOUND.exec(partitionOf.bound) ?? []
    const key = keys.get(parent.name)
    if (modulus === undefined || !key) return { top, right }
    const hash = `pg_catalog.satisfies_hash_partition('${nameOf(parent.name).replaceAll("'", "''")}'::pg_catalog.regclass, ${modulus}, ${remainder}, ${key})`
    return { top, right: [...right, hash] }
  }
  const taken = new Map<string, string>()
  const before: StructureStatement[] = []
  for (const table of tables) {
    const { top, right } = above(table)
    if (table.partitioned || right.length === 0) continue
    const columns = table.columns.map(({ name }) => quoteIdentifier(name)).join(', ')
    const aside = taken.get(top) ?? qualify(place.schema, `_restore_${randomBytes(12).toString('hex')}`)
    const make = `create table ${aside} as select ${columns} from ${nameOf(top)} with no data; `
    const move = `with taken as (delete from only ${nameOf(table.name)} where not (${right.join(' and ')}) returning ${columns})
      insert into ${aside} (${columns}) select ${columns} from taken`
    before.push(partOf(table.name, (taken.has(top) ? '' : make) + move))
    taken.set(top, aside)
  }
  const behind = [...taken].map(([top, aside]) => {
    const columns = (byName.get(top)?.columns ?? []).map(({ name }) => quoteIdentifier(name)).join(', ')
    return partOf(
      top,
      `insert into ${nameOf(top)} (${columns}) overriding system value select ${columns} from ${aside}; drop table ${aside}`,
    )
  })
  return { before, behind }
}

const partOf = (table: string, sql: string): StructureStatement => ({
  what: `rows of the table ${quoteIdentifier(table)} by their hash`,
  phase: PHASE.attach,
  sql,
})
