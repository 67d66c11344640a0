import type { Admin } from '../../admin/transaction.ts'
import { scanned } from '../../sql/scan.ts'
import { underPath } from '../under-path.ts'
import { type Edge, needsOf } from './order.ts'
import type { StructureNode } from './statement.ts'
import { PATH } from './types-sql.ts'

// $3 oids of functions. Those of one name among which the text of a call can mean another than was meant: arguments may be left out,
// listed, or of any type. And types of a function's name: a call with one value that no function takes as it is means a cast to them.
const OVERLOADS = `with ${PATH}, own as (select p.*, a.args, count(*) over family as members, bool_or(p.pronargdefaults > 0
      or p.provariadic <> 0 or exists (select from pg_type t where t.oid = any (p.proargtypes) and t.typtype = 'p')) over family as loose,
      exists (select from pg_type t where t.typnamespace = p.pronamespace and t.typname = p.proname and t.typrelid = 0) as type
    from path, pg_proc p cross join lateral (select oidvectortypes(p.proargtypes) as args) a
    where p.oid = any ($3::oid[]) and p.prokind <> 'p' window family as (partition by p.proname)),
  alike (key, name, kind, args, number) as (select '1255:' || oid, proname::text, 'routine', '(' || args || ')',
      row_number() over (order by proname, args collate "C") from own where type or members > 1 and loose
    union all select '1247:' || t.oid, p.name, 'type', '', row_number() over (order by p.name collate "C")
    from (select distinct pronamespace as home, proname::text as name from own where type) p
      join pg_type t on t.typnamespace = p.home and t.typname = p.name and t.typtype in ('d', 'e', 'r'))
  select key, name, format('alter %s %I.%I%s rename to %I', kind, nspname, name, args, aside) as away,
    format('alter %s %I.%I%s rename to %I', kind, nspname, aside, args, name) as back
  from home, alike cross join lateral (select '_aside_' || number as aside) a order by kind`

interface Overload {
  readonly key: string
  readonly name: string
  readonly away: string
  readonly back: string
}

/**
 * What was made before a function got an overload, or a type its name, calls by the same text what is ambiguous now, or another function; it means the one
 * that the catalogue has, which `pg_dump` does not write. While it is made the others have another name, which changes nothing for those
 * that call them already. In what is read of a restored schema the same stands only where the same is meant.
 */
export async function besideOverloads(
  admin: Admin,
  [schema, path]: readonly unknown[],
  { nodes, edges }: { readonly nodes: StructureNode[]; readonly edges: readonly Edge[] },
  keys: ReadonlyMap<string, StructureNode>,
): Promise<{ readonly nodes: StructureNode[]; readonly edges: readonly Edge[] }> {
  const oids = nodes.flatMap(({ key }) => /^1255:(\d+)$/.exec(key)?.[1] ?? [])
  const overloads = oids.length === 0 ? [] : await underPath<Overload>(admin, OVERLOADS, [schema, path, oids])
  if (overloads.length === 0) return { nodes, edges }
  const called = new Map(overloads.map((one) => [one.key, one]))
  const callsOf = new Map<StructureNode, Set<Overload>>()
  const typesOf = new Map<StructureNode, Set<StructureNode | undefined>>()
  for (const [who, whom] of edges) {
    const [node, one] = [keys.get(who), called.get(whom)]
    // Columns of a view have their types without a word.
    if (node && whom.startsWith('1247:') && !(who.startsWith('1259:') && VIEW.test(node.sql)))
      typesOf.set(node, (typesOf.get(node) ?? new Set()).add(keys.get(whom)))
    // A cast says which type it means.
    if (!node || !one || !/^\d/.test(who) || node.key === whom || !whom.startsWith('1255:')) continue
    callsOf.set(node, (callsOf.get(node) ?? new Set()).add(one))
  }
  const needs = needsOf(edges, keys)
  const added: Edge[] = []
  const made = nodes.map((node) => {
    const calls = callsOf.get(node)
    if (!calls) return node
    const names = new Set([...calls].map(({ name }) => name))
    // One that needs this itself is not there yet; a type that this one names has to have its name.
    const alike = overloads.filter((one) => names.has(one.name) && !calls.has(one))
    const casts = alike.some(isType) ? castsIn(node.sql) : undefined
    const others = alike.filter((one) => {
      const other = keys.get(one.key)
      const isNamed = isType(one) && (typesOf.get(node)?.has(other) || casts?.has(one.name))
      return !isNamed && !needed(needs, other, node)
    })
    added.push(...others.map(({ key }): Edge => [node.key, key]))
    // Types go last and come back first: functions over them are told by their names.
    const back = others.map((one) => one.back).reverse()
    const sql = [...others.map(({ away }) => away), node.sql, ...back].join('; ')
    return others.length === 0 ? node : { ...node, sql }
  })
  return { nodes: made, edges: [...edges, ...added] }
}

const VIEW = /^create (?:or replace )?(?:materialized )?view /

const isType = ({ key }: Overload): boolean => key.startsWith('1247:')

/** Names of the types that a text casts to; of a cast by a function the catalogue has the function alone. */
function castsIn(sql: string): ReadonlySet<string | undefined> {
  const tokens = scanned(sql)
  const isColon = (at: number) => tokens[at]?.kind === 'symbol' && tokens[at]?.text === ':'
  return new Set(
    tokens.flatMap((_, at) =>
      isColon(at) && isColon(at + 1) ? [tokens[tokens[at + 3]?.text === '.' ? at + 4 : at + 2]?.text] : [],
    ),
  )
}

/** Whether `who` is, or cannot be made without, `whom`. */
function needed(
  needs: ReadonlyMap<StructureNode, ReadonlySet<StructureNode>>,
  who: StructureNode | undefined,
  whom: StructureNode,
): boolean {
  const seen = new Set(who ? [who] : [])
  for (const one of seen) for (const next of needs.get(one) ?? []) seen.add(next)
  return seen.has(whom)
}
