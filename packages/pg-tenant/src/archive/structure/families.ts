import { PHASE, type StructureNode } from './statement.ts'

/** A table of an inheritance family (manual 5.11), as the catalogue has it. */
export interface FamilyTable {
  readonly key: string
  /** Quoted, with its schema. */
  readonly name: string
  /** `create table x ()` */
  readonly made: string
  /** `inherits (…) with (…)` */
  readonly behind: string
  /** The statement that sets options of the table behind it for large values, which is there when a column needs it. */
  readonly options: string | null
  readonly parents: readonly string[]
  /** In the order in which they lie. */
  readonly columns: readonly FamilyColumn[]
}

interface FamilyColumn {
  readonly name: string
  /** Defined in this table, inherited as well or not. */
  readonly local: boolean
  readonly definition: string
  /** The statement that makes it an identity column: one cannot be added to a table that has heirs. */
  readonly identity: string | null
}

/** A family that has to be made as a whole, and the keys of its tables. */
interface Family {
  readonly node: StructureNode
  readonly members: readonly string[]
}

/**
 * Families whose columns do not lie as CREATE TABLE … INHERITS would lay them: a parent was given a column when it had heirs
 * already. Such a family is made as it came to be: empty tables first, then column by column.
 */
export function familyNodes(tables: readonly FamilyTable[]): Family[] {
  const byKey = new Map(tables.map((table) => [table.key, table]))
  return familiesOf(tables, byKey).flatMap((family) => {
    if (family.some(({ parents }) => parents.some((key) => !byKey.has(key)))) return []
    if (family.every((table) => liesPlainly(table, byKey))) return []
    const order = columnsInOrder(family, byKey)
    const [first] = family
    if (!order || !first) return []
    const sql = [
      ...family.map(({ made, behind }) => made + behind),
      ...order.flatMap(([{ name }, { definition, identity }]) => [
        `alter table ${name} add column ${definition}`,
        ...(identity === null ? [] : [identity]),
      ]),
      ...family.flatMap(({ options }) => options ?? []),
    ].join('; ')
    const what = `table ${first.name} and its family`
    const node = { key: `family:${first.key}`, also: [], phase: PHASE.table, what, sql }
    return [{ node, members: family.map(({ key }) => key) }]
  })
}

type ByKey = ReadonlyMap<string, FamilyTable>

/** Tables that hang together, parents before heirs, and by name. */
function familiesOf(tables: readonly FamilyTable[], byKey: ByKey): FamilyTable[][] {
  const head = new Map(tables.map(({ key }) => [key, key]))
  const headOf = (key: string): string => {
    const up = head.get(key) ?? key
    return up === key ? key : headOf(up)
  }
  for (const { key, parents } of tables) for (const parent of parents) head.set(headOf(key), headOf(parent))
  const families = Map.groupBy(tables, ({ key }) => headOf(key))
  return [...families.values()].map((family) => {
    const depth = depthsOf(byKey)
    return family.sort((a, b) => depth(a) - depth(b) || (a.name < b.name ? -1 : 1))
  })
}

function depthsOf(byKey: ByKey): (table: FamilyTable) => number {
  const known = new Map<FamilyTable, number>()
  const depth = (table: FamilyTable): number => {
    const found = known.get(table)
    if (found !== undefined) return found
    const above = table.parents.flatMap((key) => byKey.get(key) ?? []).map(depth)
    const own = above.length === 0 ? 0 : 1 + Math.max(...above)
    known.set(table, own)
    return own
  }
  return depth
}

/** Whether CREATE TABLE … INHERITS lays the columns as they lie: those of the parents, then its own. */
function liesPlainly(table: FamilyTable, byKey: ByKey): boolean {
  const inherited = table.parents.flatMap((key) => byKey.get(key)?.columns ?? [])
  const laid = new Set([...inherited, ...table.columns].map(({ name }) => name))
  const lie = table.columns.map(({ name }) => name)
  return [...laid].every((name, at) => name === lie[at])
}

type Addition = readonly [FamilyTable, FamilyColumn]

/** Columns in an order in which adding them lays every table's as they lie; `undefined` when there is none. */
function columnsInOrder(family: readonly FamilyTable[], byKey: ByKey): Addition[] | undefined {
  const additions = new Map<FamilyColumn, FamilyTable>()
  for (const table of family)
    for (const column of table.columns) if (column.local) additions.set(column, table)
  const before = new Map<FamilyColumn, Set<FamilyColumn>>(
    [...additions.keys()].map((one) => [one, new Set()]),
  )
  const first = (one: FamilyColumn | undefined, other: FamilyColumn | undefined) => {
    if (one && other && one !== other) before.get(other)?.add(one)
  }
  for (const table of family) {
    const added = table.columns.map((column) => additionOf(table, column, byKey))
    for (const [at, one] of added.entries()) if (at > 0) first(added[at - 1], one)
    // One that is its own and inherited was there first; of several parents the first has the say.
    for (const [at, { name }] of table.columns.entries())
      for (const parent of table.parents.flatMap((key) => byKey.get(key) ?? [])) {
        const theirs = parent.columns.find((column) => column.name === name)
        if (theirs) first(added[at], additionOf(parent, theirs, byKey))
      }
  }
  const order: Addition[] = []
  const waiting = new Set(additions.keys())
  while (waiting.size > 0) {
    const next = [...waiting].find(
      (column) => ![...(before.get(column) ?? [])].some((one) => waiting.has(one)),
    )
    const table = next && additions.get(next)
    if (!next || !table) return undefined
    waiting.delete(next)
    order.push([table, next])
  }
  return order
}

/** Where a column was added: in the table itself, or in the first parent that has it. */
function additionOf(table: FamilyTable, column: FamilyColumn, byKey: ByKey): FamilyColumn | undefined {
  if (column.local) return column
  for (const parent of table.parents.flatMap((key) => byKey.get(key) ?? [])) {
    const theirs = parent.columns.find(({ name }) => name === column.name)
    if (theirs) return additionOf(parent, theirs, byKey)
  }
  return undefined
}
