import { TenancyError } from '@org/core'
import type { Compiled } from '../compile/compiled.ts'
import { type Sentence, sentenceOf } from '../explain/sentences.ts'
import type { Flags, Limits, Snapshot } from '../snapshot/model.ts'

/** An upper bound and where it comes from. */
export interface EffectiveLimit {
  readonly name: string
  /** The bound; `Infinity` when unlimited, 0 when nobody set one. */
  readonly value: number
  /** What set it. */
  readonly source: 'plan' | 'override' | 'none'
  /** For an administrator. */
  readonly sentence: Sentence
  /**
   * How much is left.
   *
   * @param used from 0
   * @returns from 0; `Infinity` when unlimited
   * @throws TenancyError VALIDATION_ERROR when `used` is no number from 0
   */
  remaining(used: number): number
}

/** The tenant's own limits stand in the place of the plan's; of several, the lowest. */
export function limitOf({ catalog, snapshot }: Compiled, name: string): EffectiveLimit {
  const { tenant, overrides = [], plan } = snapshot
  // A name that the catalogue does not have is nobody's limit, whatever is stored under it.
  const known = Object.hasOwn(catalog.limits, name)
  const overriding = known ? [tenant.limits, ...overrides.map(({ limits }) => limits)] : []
  const own = overriding.flatMap((limits) => valueIn(limits, name))
  const planned = known ? valueIn(plan?.limits, name) : []
  const source = own.length > 0 ? 'override' : planned.length > 0 ? 'plan' : 'none'
  // Nobody set one: nothing is permitted by default.
  const value = source === 'none' ? 0 : Math.min(...(own.length > 0 ? own : planned))
  const params = { limit: name, value: Number.isFinite(value) ? String(value) : '∞', plan: plan?.key ?? '' }
  return {
    name,
    value,
    source,
    sentence: sentenceOf(LIMIT_REASON[source], params),
    remaining: (used) => {
      if (typeof used === 'number' && used >= 0) return Math.max(0, value - used) || 0
      throw new TenancyError('VALIDATION_ERROR', 'remaining(used) takes what is used: a number from 0.', {
        details: { field: 'used' },
      })
    },
  }
}

const LIMIT_REASON = { plan: 'LIMIT_OF_PLAN', override: 'LIMIT_OF_TENANT', none: 'LIMIT_NOT_SET' } as const

function valueIn(limits: Limits | null | undefined, name: string): number[] {
  if (!limits || !Object.hasOwn(limits, name)) return []
  return [limits[name] ?? Number.POSITIVE_INFINITY]
}

/** A flag of the tenant or of an override decides, and a no wins; else the plan's features do. */
export function featureOf({ tenant, overrides = [], plan }: Snapshot, name: string): boolean {
  const flags = [tenant.flags, ...overrides.map((one) => one.flags)].flatMap((one) => flagIn(one, name))
  return flags.length > 0 ? flags.every(Boolean) : (plan?.features?.includes(name) ?? false)
}

function flagIn(flags: Flags | null | undefined, name: string): boolean[] {
  return flags && Object.hasOwn(flags, name) ? [flags[name] === true] : []
}
