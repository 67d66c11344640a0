import type { Catalog } from '../catalog/model.ts'
import type { Snapshot } from '../snapshot/model.ts'
import { parseSnapshot } from '../snapshot/parse.ts'
import {
  type Entitlement,
  entitledAt,
  entitlementOf,
  isLive,
  type Term,
  type TermedPackage,
  termOf,
} from './entitlement.ts'
import { type Grants, grantsOf, NO } from './grants.ts'

/** A snapshot arranged for decisions; independent of the clock. */
export interface Compiled {
  readonly catalog: Catalog
  readonly snapshot: Snapshot
  readonly grants: Grants
  readonly entitlement: Entitlement
  /** When the key counts; always for a user. */
  readonly keyTerm: Term
  /** Every moment at which a decision can change, ascending. */
  readonly boundaries: readonly number[]
}

/** The decisions of a stretch of time in which none changes. */
export interface Period extends Term {
  /** By number of the action. */
  readonly table: Uint8Array
}

export function compile(catalog: Catalog, input: Snapshot): Compiled {
  const snapshot = parseSnapshot(input)
  const entitlement = entitlementOf(catalog.index, snapshot)
  const keyTerm = termOf(undefined, snapshot.key?.expiresAt)
  const moments = [...entitlement.packages, keyTerm].flatMap(({ from, until }) => [from, until])
  return {
    catalog,
    snapshot,
    grants: grantsOf(catalog.index, snapshot),
    entitlement,
    keyTerm,
    boundaries: moments.filter(Number.isFinite).sort((a, b) => a - b),
  }
}

export function periodAt(compiled: Compiled, at: number): Period {
  const { boundaries } = compiled
  const from = boundaries.findLast((moment) => moment <= at) ?? Number.NEGATIVE_INFINITY
  const until = boundaries.find((moment) => moment > at) ?? Number.POSITIVE_INFINITY
  const table = decisionsAt(compiled, at, (one) => isLive(one, at))
  // A clock that says NaN is believed for this one answer only.
  return Number.isNaN(at) ? { from: at, until: at, table } : { from, until, table }
}

/** Whether anything at all is permitted: the tenant and the actor are active, the key has not expired. */
export function isOpen({ snapshot: { tenant, actor }, keyTerm }: Compiled, at: number): boolean {
  return tenant.status === 'active' && actor.status === 'active' && isLive(keyTerm, at)
}

/** The table of decisions at a moment, with the packages that `live` takes for live. */
export function decisionsAt(
  compiled: Compiled,
  at: number,
  live: (one: TermedPackage) => boolean,
): Uint8Array {
  const { grants, entitlement } = compiled
  const table = new Uint8Array(grants.table.length)
  if (!isOpen(compiled, at)) return table
  const entitled = entitledAt(entitlement, table.length, live)
  for (let number = 0; number < table.length; number++) {
    table[number] = entitled[number] === 1 ? (grants.table[number] as number) : NO
  }
  return table
}
