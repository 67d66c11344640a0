import { type Compiled, decisionsAt } from '../compile/compiled.ts'
import { entitledAt, isLive, type TermedPackage } from '../compile/entitlement.ts'
import { NO } from '../compile/grants.ts'

/** What the end of a package changes, everything else unchanged. */
export interface Changes<Action extends string = string> {
  /** When; `null` when the package never expires, or the tenant has none of this name that is active. */
  readonly at: Date | null
  /** Actions the tenant is no longer entitled to. */
  readonly tenantLoses: readonly Action[]
  /** Those of them that this actor could do until then, on all records or some. */
  readonly actorLoses: readonly Action[]
}

/**
 * Compares the moment a package expires with and without it: what other packages still entitle, or have ceased to
 * entitle by then, is not counted as lost through this one. One that has expired is compared at its expiry too.
 */
export function changesWhen(compiled: Compiled, key: string, now: number): Changes {
  const { catalog, entitlement, grants } = compiled
  const found = entitlement.packages.filter((one) => one.key === key)
  if (found.length === 0) return { at: null, tenantLoses: [], actorLoses: [] }
  const until = Math.max(...found.map((one) => one.until))
  const at = Number.isFinite(until) ? until : now
  const without = (one: TermedPackage) => one.key !== key && isLive(one, at)
  const with_ = (one: TermedPackage) => one.key === key || isLive(one, at)
  const size = grants.table.length
  const tenant = [entitledAt(entitlement, size, with_), entitledAt(entitlement, size, without)] as const
  const actor = [decisionsAt(compiled, at, with_), decisionsAt(compiled, at, without)] as const
  const lost = ([before, after]: readonly [Uint8Array, Uint8Array]) =>
    catalog.index.keys.filter((_, number) => before[number] !== NO && after[number] === NO)
  return {
    at: Number.isFinite(until) ? new Date(until) : null,
    tenantLoses: lost(tenant),
    actorLoses: lost(actor),
  }
}
