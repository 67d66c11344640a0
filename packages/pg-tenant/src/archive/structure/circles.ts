import type { Admin } from '../../admin/transaction.ts'
import { underPath } from '../under-path.ts'
import { type Edge, needsOf } from './order.ts'
import type { StructureNode } from './statement.ts'
import { PATH } from './types-sql.ts'

// Objects that need each other: a view over a function that returns rows of the view, a view over a function whose SQL body (BEGIN
// ATOMIC) reads the view, or one of them that names itself. They came to be by CREATE OR REPLACE, and are made again by it: first as
// stubs that have their names and types and need nothing of the circle, then as what they are. (pg_dump does the same with views.)

// $3 oids of views and functions. PostgreSQL writes a SQL body at the end of the definition.
const STUBS = `with ${PATH}
  select '1259:' || c.oid as key, format('create view %I.%I as select %s', h.nspname, c.relname, (select string_agg(format('null::%s%s as %I',
      format_type(a.atttypid, a.atttypmod), (select format(' collate %I.%I', cn.nspname, co.collname) from pg_collation co
        join pg_namespace cn on cn.oid = co.collnamespace join pg_type b on b.oid = a.atttypid
        where co.oid = a.attcollation and a.attcollation <> b.typcollation), a.attname), ', ' order by a.attnum)
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0)) as sql
  from path, home h join pg_class c on c.oid = any ($3::oid[]) and c.relkind = 'v'
  union all select '1255:' || p.oid, left(d.text, -length(pg_get_function_sqlbody(p.oid)) - 1) || ' AS '''''
  from path, home h join pg_proc p on p.oid = any ($3::oid[]) and p.prosqlbody is not null
    cross join lateral (select rtrim(pg_get_functiondef(p.oid), e'\\n') as text) d`

/** The same objects, with stubs of those that need each other, and what needs what then. */
export async function withoutCircles(
  admin: Admin,
  [schema, path]: readonly unknown[],
  nodes: readonly StructureNode[],
  edges: readonly Edge[],
  keys: ReadonlyMap<string, StructureNode>,
): Promise<{ readonly nodes: StructureNode[]; readonly edges: readonly Edge[] }> {
  const circleOf = new Map(
    circles(needsOf(edges, keys)).flatMap((circle) => [...circle].map((node) => [node, circle])),
  )
  for (const [who, whom] of edges) {
    const node = who === whom ? keys.get(who) : undefined
    if (node && !circleOf.has(node)) circleOf.set(node, new Set([node]))
  }
  const oids = [...circleOf.keys()].flatMap(({ key }) => /^(?:1259|1255):(\d+)$/.exec(key)?.[1] ?? [])
  if (oids.length === 0) return { nodes: [...nodes], edges }
  const stubs = new Map(
    (await underPath(admin, STUBS, [schema, path, oids])).map(({ key, sql }) => [String(key), String(sql)]),
  )
  const isStubbed = ({ key }: StructureNode) => stubs.has(key)
  const isView = ({ key }: StructureNode) => key.startsWith('1259:')
  const parted = edges.flatMap(([who, whom]): Edge[] => {
    const [node, needed] = [keys.get(who), keys.get(whom)]
    if (!node || !needed || node === needed) return [[who, whom]]
    const together = circleOf.has(node) && circleOf.get(node) === circleOf.get(needed)
    // What a stub has of its own are types; inside the circle those of views.
    const its: Edge[] = isStubbed(node) && !together ? [[stub(node), whom]] : []
    if (!together || !isStubbed(needed)) return [[who, whom], ...its]
    if (isStubbed(node) && !isView(node) && isView(needed)) its.push([stub(node), stub(needed)])
    return [[who, stub(needed)], ...its]
  })
  const made = nodes.flatMap((node): StructureNode[] => {
    const sql = stubs.get(node.key)
    if (sql === undefined) return [node]
    parted.push([node.key, stub(node)])
    const whole = { ...node, sql: node.sql.replace(/^create view/, 'create or replace view') }
    return [{ key: stub(node), also: [], phase: node.phase, what: `stub of ${node.what}`, sql }, whole]
  })
  return { nodes: made, edges: parted }
}

const stub = ({ key }: StructureNode): string => `stub:${key}`

/** Sets of more than one node each of which needs the others (Tarjan's algorithm, on a stack of its own). */
function circles(needs: ReadonlyMap<StructureNode, ReadonlySet<StructureNode>>): Set<StructureNode>[] {
  const found: Set<StructureNode>[] = []
  const state = new Map<StructureNode, { readonly at: number; low: number; open: boolean }>()
  const open: StructureNode[] = []
  const work: { readonly node: StructureNode; readonly rest: StructureNode[] }[] = []
  const enter = (node: StructureNode) => {
    state.set(node, { at: state.size, low: state.size, open: true })
    open.push(node)
    work.push({ node, rest: [...(needs.get(node) ?? [])] })
  }
  const lower = (node: StructureNode | undefined, low: number | undefined) => {
    const its = node && state.get(node)
    if (its && low !== undefined && low < its.low) its.low = low
  }
  for (const root of needs.keys()) {
    if (!state.has(root)) enter(root)
    for (let top = work.at(-1); top; top = work.at(-1)) {
      const next = top.rest.pop()
      const seen = next && state.get(next)
      if (next && !seen) enter(next)
      else if (seen) lower(top.node, seen.open ? seen.at : undefined)
      else {
        work.pop()
        const its = state.get(top.node)
        lower(work.at(-1)?.node, its?.low)
        if (its?.low !== its?.at) continue
        const circle = new Set(open.splice(open.indexOf(top.node)))
        for (const one of circle) close(state.get(one))
        if (circle.size > 1) found.push(circle)
      }
    }
  }
  return found
}

const close = (its: { open: boolean } | undefined): void => {
  if (its) its.open = false
}
