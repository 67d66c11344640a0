import type { Admin } from '../../admin/transaction.ts'
import { underPath } from '../under-path.ts'
import { type Edge, needsOf } from './order.ts'
import type { StructureNode } from './statement.ts'
import { PATH } from './types-sql.ts'

// $3 oids of functions. Those of one name among which the text of a call can mean another than was meant: arguments may be left out,
// listed, or of any type.
const OVERLOADS = `with ${PATH} select '1255:' || f.oid as key, f.proname::text as name,
    format('alter routine %I.%I(%s) rename to %I', h.nspname, f.proname, f.args, f.aside) as away,
    format('alter routine %I.%I(%s) rename to %I', h.nspname, f.aside, f.args, f.proname) as back
  from home h, (select l.*, a.args, '_aside_' || row_number() over (order by l.proname, a.args collate "C") as aside
    from path, (select p.*, count(*) over family as members, bool_or(p.pronargdefaults > 0 or p.provariadic <> 0
        or exists (select from pg_type t where t.oid = any (p.proargtypes) and t.typtype = 'p')) over family as loose
      from pg_proc p where p.oid = any ($3::oid[]) and p.prokind <> 'p' window family as (partition by p.proname)) l
      cross join lateral (select oidvectortypes(l.proargtypes) as args) a where l.members > 1 and l.loose) f`

interface Overload {
  readonly key: string
  readonly name: string
  readonly away: string
  readonly back: string
}

/**
 * What was made before a function got an overload calls by the same text what is ambiguous now, or another function; it means the one
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
  const overloads = oids.length < 2 ? [] : await underPath<Overload>(admin, OVERLOADS, [schema, path, oids])
  if (overloads.length === 0) return { nodes, edges }
  const called = new Map(overloads.map((one) => [one.key, one]))
  const callsOf = new Map<StructureNode, Set<Overload>>()
  for (const [who, whom] of edges) {
    const [node, one] = [keys.get(who), called.get(whom)]
    if (!node || !one || !/^\d/.test(who) || node.key === whom) continue
    callsOf.set(node, (callsOf.get(node) ?? new Set()).add(one))
  }
  const needs = needsOf(edges, keys)
  const added: Edge[] = []
  const made = nodes.map((node) => {
    const calls = callsOf.get(node)
    if (!calls) return node
    const names = new Set([...calls].map(({ name }) => name))
    // One that needs this itself is not there yet.
    const others = overloads.filter(
      (one) => names.has(one.name) && !calls.has(one) && !needed(needs, keys.get(one.key), node),
    )
    added.push(...others.map(({ key }): Edge => [node.key, key]))
    const sql = [...others.map(({ away }) => away), node.sql, ...others.map(({ back }) => back)].join('; ')
    return others.length === 0 ? node : { ...node, sql }
  })
  return { nodes: made, edges: [...edges, ...added] }
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
