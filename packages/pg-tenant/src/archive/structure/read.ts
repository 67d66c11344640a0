import type { Admin } from '../../admin/transaction.ts'
import type { Place } from '../place.ts'
import { underPath } from '../under-path.ts'
import { withoutCircles } from './circles.ts'
import { withReadableMarks } from './cycle-marks.ts'
import { familyNodes } from './families.ts'
import { readFamilies, readInventory, readNodes } from './inventory.ts'
import { about, inOrder } from './order.ts'
import { besideOverloads } from './overloads.ts'
import * as rules from './rules-sql.ts'
import { LEFT_OUT, NEEDS } from './skipped-sql.ts'
import { PHASE, type StructureNode, type StructureStatement } from './statement.ts'

/** What a schema is made of. */
export interface Structure {
  /** In an order in which they can be made. */
  readonly statements: readonly StructureStatement[]
  /** What no statement here makes again, and what hangs on it. */
  readonly skipped: readonly Skipped[]
  /** Relations among that: their rows have no place either. */
  readonly unmade: ReadonlySet<string>
}

/** Something an archive does not hold. */
export interface Skipped {
  readonly name: string
  /** As PostgreSQL calls it: `foreign table`, `large objects`. */
  readonly kind: string
}

/**
 * Reads what a tenant's schema is made of. Nothing of the tenant runs: PostgreSQL's own functions write definitions, and
 * every query is parsed and planned under the pinned path, before it sets the tenant's for the names in its result.
 *
 * @param application the role that scopes run as, where that is not the tenant's
 * @param calls whether what calls overloaded functions says which (see overloads.ts)
 */
export async function readStructure(
  admin: Admin,
  place: Place,
  application = '',
  calls = true,
): Promise<Structure> {
  const values = [place.schema, place.searchPath]
  const found = await readInventory(admin, place)
  const nodes = await readNodes(admin, place, found, application)
  const keys = new Map(nodes.flatMap((node) => [node.key, ...node.also].map((key) => [key, node] as const)))
  const left = await leftOut(admin, place)
  const needs = await admin.run(NEEDS, members([...keys.keys()]))
  const edges = needs.map(({ who, whom }) => [String(who), String(whom)] as const)
  const said = await comments(admin, values, keys)
  nodes.push(...said)
  for (const node of said) keys.set(node.key, node)
  for (const { key } of nodes) {
    const whom = about(key)
    if (whom !== undefined) edges.push([key, whom])
  }
  const without = new Set(left.flatMap(({ key }) => key ?? []))
  const lost = spread(edges, without, keys)
  const depending = [...lost].filter(({ key }) => !without.has(key) && about(key) === undefined)
  const skipped = [
    ...left.map(({ name, kind }) => ({ name, kind })),
    ...depending.map(({ what }) => ({ name: what, kind: 'depends on one of them' })),
  ]
  const isLost = (key: string) => lost.has(keys.get(key) as StructureNode)
  const unmade = new Set(found.filter(({ oid }) => isLost(`1259:${oid}`)).map(({ name }) => name))
  const families = familyNodes(await readFamilies(admin, place, found))
  const together = new Set<StructureNode>()
  for (const { node, members } of families) {
    const made = members.flatMap((key) => keys.get(key) ?? [])
    if (made.length < members.length || made.some((one) => lost.has(one))) continue
    for (const one of made) {
      together.add(one)
      for (const key of [one.key, ...one.also]) keys.set(key, node)
    }
    nodes.push(node)
  }
  const kept = nodes.filter((node) => !lost.has(node) && !together.has(node) && node.sql !== '')
  const parted = await withoutCircles(admin, values, kept, edges, keys)
  const whole = renewed(keys, parted.nodes)
  const made = calls ? await besideOverloads(admin, values, parted, whole) : parted
  const ordered = inOrder(made.nodes, made.edges, renewed(whole, made.nodes))
  const statements = ordered.map((one) => ({ ...one, sql: withReadableMarks(one.sql) }))
  return { statements, skipped, unmade }
}

/** The same keys for the nodes as they are now. */
function renewed(
  keys: ReadonlyMap<string, StructureNode>,
  nodes: readonly StructureNode[],
): Map<string, StructureNode> {
  const now = new Map(nodes.map((node) => [node.key, node]))
  return new Map([...[...keys].map(([key, node]) => [key, now.get(node.key) ?? node] as const), ...now])
}

/**
 * What no archive carries of a tenant, and no more: where it is nothing, nothing is read besides.
 */
export async function readSkipped(
  admin: Admin,
  place: Place,
  application: string,
): Promise<readonly Skipped[]> {
  const left = await leftOut(admin, place)
  return left.length === 0 ? left : (await readStructure(admin, place, application)).skipped
}

/** Of that, what holds data: all that is missing in what people read. */
export async function readDataSkipped(admin: Admin, place: Place): Promise<Skipped[]> {
  const left = await leftOut(admin, place)
  return left
    .filter(({ kind }) => kind === 'large objects' || kind === 'foreign table')
    .map(({ name, kind }) => ({ name, kind }))
}

type Left = Skipped & { readonly key?: string | null }

/** At level `row` the structure is everybody's. */
async function leftOut(admin: Admin, place: Place): Promise<readonly Left[]> {
  const { schema, searchPath, ours, owner = '', tenantColumn } = place
  if (tenantColumn !== undefined) return []
  return await underPath<Left>(admin, LEFT_OUT, [schema, searchPath, [...ours], owner])
}

/** Keys of objects that are in a catalogue, as the catalogues and the oids. */
function members(keys: readonly string[]): [string[], string[]] {
  const found = keys.flatMap((key) => (/^\d+:\d+$/.test(key) ? [key.split(':')] : []))
  return [found.map(([of = '']) => of), found.map(([, oid = '']) => oid)]
}

async function comments(
  admin: Admin,
  [schema, path]: readonly unknown[],
  keys: ReadonlyMap<string, StructureNode>,
): Promise<StructureNode[]> {
  const oids = [...keys.keys()].flatMap((key) => /^\d+:(\d+)$/.exec(key)?.[1] ?? [])
  const rows = await underPath(admin, rules.COMMENTS, [schema, path, oids])
  return rows.flatMap(({ on, sub, text, part, of }) => {
    // A constraint that is made with its table, or inherited, is nobody's but the table's.
    const at = keys.has(String(on)) ? on : of
    const node = keys.get(String(at))
    const what = part ?? (sub === 0 ? node?.what : undefined)
    if (!node || typeof what !== 'string') return []
    const [key, sql] = [
      `comment:${at === on ? on : `${at}:${on}`}:${sub}`,
      `comment on ${named(what)} is ${text}`,
    ]
    return [{ key, also: [], phase: PHASE.comment, what: `comment on ${what}`, sql }]
  })
}

/** Statements that take back what the tenant's role said of all that it will make. */
export async function usualDefaultPrivileges(admin: Admin, place: Place): Promise<StructureStatement[]> {
  const values = [place.schema, place.searchPath, '', place.owner ?? '', '']
  return await underPath<StructureNode>(admin, rules.USUAL_DEFAULT_PRIVILEGES, values)
}

/** Everything that cannot be made because something it needs is left out. */
function spread(
  edges: readonly (readonly [string, string])[],
  without: ReadonlySet<string>,
  keys: ReadonlyMap<string, StructureNode>,
): Set<StructureNode> {
  const lost = new Set([...without].flatMap((key) => keys.get(key) ?? []))
  for (let more = without.size > 0; more; ) {
    more = false
    for (const [who, whom] of edges) {
      const [node, needed] = [keys.get(who), keys.get(whom)]
      if (!node || lost.has(node) || node === needed) continue
      if (!without.has(whom) && !(needed && lost.has(needed))) continue
      lost.add(node)
      more = true
    }
  }
  return lost
}

/** Of an aggregate without arguments COMMENT wants a star. */
function named(what: string): string {
  return what.startsWith('aggregate ') && what.endsWith('()') ? `${what.slice(0, -2)}(*)` : what
}
