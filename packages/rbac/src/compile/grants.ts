import { numbersOf } from '../catalog/define.ts'
import type { ActionKind, CatalogIndex } from '../catalog/model.ts'
import { ALWAYS, allOf, anyOf, type Condition } from '../constraints/condition.ts'
import { readConstraints } from '../constraints/parse.ts'
import type { Permission, Profile, Snapshot } from '../snapshot/model.ts'

/** What a byte of a table of decisions says of one action. */
export const NO = 0
export const YES = 1
/** It depends on the record. */
export const DEPENDS = 2

/** What groups or a key grant, whatever the clock, the tenant and its packages say. */
export interface Grants {
  /** {@link NO}, {@link YES} or {@link DEPENDS} by number of the action. */
  readonly table: Uint8Array
  /** On which records, by number, for those that depend on it. */
  readonly conditions: ReadonlyMap<number, Condition>
}

interface Depending {
  readonly allows: Condition[]
  readonly denies: Condition[]
}

const DENIED = 3

/** The union over groups; a deny wins over every allow. */
export function grantsOf(index: CatalogIndex, { actor, groups, key }: Snapshot): Grants {
  const table = new Uint8Array(index.keys.length)
  const depending = new Map<number, Depending>()
  for (const group of groups ?? []) {
    if (group.status === 'active') addAll(index, group.permissions, actor.id, table, depending)
  }
  if (key?.status === 'active') {
    if (key.profile) addProfile(index, key.profile, table)
    else addAll(index, key.permissions ?? [], actor.id, table, depending)
  }
  const conditions = new Map<number, Condition>()
  for (const [number, entry] of depending) {
    const condition = settled(table[number], entry)
    if (condition === undefined) continue
    table[number] = DEPENDS
    conditions.set(number, condition)
  }
  for (let number = 0; number < table.length; number++) if (table[number] === DENIED) table[number] = NO
  return { table, conditions }
}

/** The kinds of actions each profile has. What is new in the catalogue joins by its kind alone. */
export const KINDS_OF_PROFILE: Readonly<Record<Profile, ReadonlySet<ActionKind>>> = {
  'read-only': new Set<ActionKind>(['read']),
  write: new Set<ActionKind>(['read', 'write']),
  admin: new Set<ActionKind>(['read', 'write', 'admin']),
}

function addProfile({ kinds }: CatalogIndex, profile: Profile, table: Uint8Array): void {
  const granted = KINDS_OF_PROFILE[profile]
  for (const [number, kind] of kinds.entries()) if (granted.has(kind)) table[number] = YES
}

/** Hot: runs once for each grant of a snapshot. */
function addAll(
  index: CatalogIndex,
  permissions: readonly Permission[],
  actorId: string,
  table: Uint8Array,
  depending: Map<number, Depending>,
): void {
  for (const permission of permissions) {
    const number = index.numberOf.get(permission.action)
    if (number !== undefined && permission.constraints === undefined && permission.effect !== 'deny') {
      if (table[number] !== DENIED) table[number] = YES
    } else {
      for (const one of numbersOf(index, permission.action)) add(one, permission, actorId, table, depending)
    }
  }
}

function add(
  number: number,
  { effect, constraints }: Permission,
  actorId: string,
  table: Uint8Array,
  depending: Map<number, Depending>,
): void {
  const denies = effect === 'deny'
  const condition = constraints === undefined ? ALWAYS : readConstraints(constraints, actorId)
  // What cannot be read grants nothing, and denies everything.
  const always = typeof condition === 'string' ? denies : condition === ALWAYS
  if (always) {
    if (denies) table[number] = DENIED
    else if (table[number] !== DENIED) table[number] = YES
  } else if (typeof condition !== 'string') {
    const entry = depending.get(number) ?? { allows: [], denies: [] }
    entry[denies ? 'denies' : 'allows'].push(condition)
    depending.set(number, entry)
  }
}

/**
 * What conditional grants make of an action whose unconditional ones are known: nothing when it is denied, or when
 * nothing grants it. An unconditional allow beats the conditional ones; a deny stands beside both.
 */
function settled(decision: number | undefined, { allows, denies }: Depending): Condition | undefined {
  const not = denies.map((denied): Condition => ({ op: 'not', of: denied }))
  if (decision === YES) return not.length > 0 ? allOf(not) : undefined
  if (decision === NO && allows.length > 0) return allOf([anyOf(allows), ...not])
  return undefined
}
