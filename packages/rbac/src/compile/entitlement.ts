import { numbersOf } from '../catalog/define.ts'
import type { CatalogIndex } from '../catalog/model.ts'
import { millisecondsOf } from '../snapshot/check.ts'
import type { AssignedPackage, Moment, Snapshot } from '../snapshot/model.ts'

/** From when until when something counts, in milliseconds since 1970: `from` included, `until` not. */
export interface Term {
  readonly from: number
  readonly until: number
}

/** A package the tenant has, active, with its actions. */
export interface TermedPackage extends Term {
  readonly key: string
  readonly numbers: readonly number[]
}

/** What the tenant is entitled to, and when. */
export interface Entitlement {
  readonly packages: readonly TermedPackage[]
  readonly allowed: readonly number[]
  readonly denied: readonly number[]
}

export function termOf(start: Moment | null | undefined, end: Moment | null | undefined): Term {
  return {
    from: start ? millisecondsOf(start, 'packages.assignedAt') : Number.NEGATIVE_INFINITY,
    until: end ? millisecondsOf(end, 'expiresAt') : Number.POSITIVE_INFINITY,
  }
}

/** At the very moment of its expiry a thing has expired. A clock that says NaN finds nothing live that has a term. */
export function isLive({ from, until }: Term, at: number): boolean {
  const endless = from === Number.NEGATIVE_INFINITY && until === Number.POSITIVE_INFINITY
  return endless || (at >= from && at < until)
}

export function entitlementOf(index: CatalogIndex, { packages, overrides = [] }: Snapshot): Entitlement {
  const targets = (effect: 'allow' | 'deny') =>
    overrides.filter((one) => one.effect === effect).flatMap(({ target }) => numbersOf(index, target))
  return {
    packages: packages
      .filter(({ status }) => status === 'active')
      .map((one) => ({
        ...termOf(one.assignedAt, one.expiresAt),
        key: one.key,
        numbers: numbersOfPackage(index, one),
      })),
    allowed: targets('allow'),
    denied: targets('deny'),
  }
}

/** The actions of a package: those stored with it, else the catalogue's; none when nobody knows it. */
export function numbersOfPackage(
  index: CatalogIndex,
  { key, actions }: Pick<AssignedPackage, 'key' | 'actions'>,
): readonly number[] {
  if (actions) return actions.flatMap((pattern) => numbersOf(index, pattern))
  return index.numbersOfPackage.get(key) ?? []
}

/**
 * Which actions the tenant is entitled to at a moment: 1 by number, else 0.
 *
 * @param live which packages count; by default those whose term holds the moment
 */
export function entitledAt(
  { packages, allowed, denied }: Entitlement,
  size: number,
  live: (one: TermedPackage) => boolean,
): Uint8Array {
  const entitled = new Uint8Array(size)
  for (const one of packages) {
    if (live(one)) for (const number of one.numbers) entitled[number] = 1
  }
  for (const number of allowed) entitled[number] = 1
  for (const number of denied) entitled[number] = 0
  return entitled
}
