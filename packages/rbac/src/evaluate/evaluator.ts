import { TenancyError } from '@org/core'
import { isActionKey } from '../catalog/keys.ts'
import type { Catalog } from '../catalog/model.ts'
import { type Compiled, compile, type Period, periodAt } from '../compile/compiled.ts'
import { DEPENDS, NO, YES } from '../compile/grants.ts'
import { ALWAYS, type Condition, NEVER } from '../constraints/condition.ts'
import { holds } from '../constraints/holds.ts'
import { type Explanation, explain } from '../explain/explain.ts'
import type { Snapshot } from '../snapshot/model.ts'
import { type Changes, changesWhen } from './changes.ts'
import { type EffectiveLimit, featureOf, limitOf } from './limits.ts'

/** A moment: a `Date`, or milliseconds since 1970. */
export type At = Date | number

/** An action somebody may do, and whether it depends on the record. */
export interface Permitted<Action extends string = string> {
  readonly action: Action
  readonly constrained: boolean
}

/** What one actor of one tenant may do: pure and synchronous. Made by {@link createEvaluator}. */
export interface Evaluator<
  Action extends string = string,
  Package extends string = string,
  Limit extends string = string,
> {
  /**
   * Whether the action is permitted, on this record. Without a record a grant that depends on one permits nothing.
   *
   * @param at default: the evaluator's clock
   */
  can(action: Action, resource?: object | null, at?: At): boolean
  /**
   * @throws TenancyError FORBIDDEN_ACTION with `details.action` and nothing else
   */
  assert(action: Action, resource?: object | null, at?: At): void
  /** Every action that is permitted, on all records or some, in the order of the catalogue. */
  list(at?: At): Permitted<Action>[]
  /** Why, link by link, and in a sentence for an administrator. For them: it names packages, groups and fields. */
  explain(action: Action, resource?: object | null, at?: At): Explanation
  /** On which records the action is permitted: `conditionToSql` makes a `where` of it. */
  where(action: Action, at?: At): Condition
  /** The same evaluator with its clock stopped at a moment: cheap, and its checks read no clock (one for a request). */
  asOf(moment: At): Evaluator<Action, Package, Limit>
  /** What is lost when a package the tenant has expires (or, if it never does, were it taken away now). */
  changesWhen(expiring: Package): Changes<Action>
  /** The upper bound the plan and the tenant's overrides set. */
  limit(name: Limit): EffectiveLimit
  /** Whether the plan has a feature, or the tenant was given it; a flag that says no wins. */
  feature(name: string): boolean
}

export interface EvaluatorOptions {
  /**
   * The clock, in milliseconds since 1970 (default `Date.now`). It is asked only when something in the snapshot has yet
   * to begin or expire, and taken not to go back behind the moment the evaluator was built.
   */
  readonly now?: (() => number) | undefined
}

/**
 * Builds an evaluator from everything that was granted. The snapshot must not change afterwards: load a new one.
 *
 * @throws TenancyError INVALID_OPTION for a snapshot that is not valid
 * @example
 * ```ts
 * import { createEvaluator, defineCatalog } from '@org/rbac'
 *
 * const catalog = defineCatalog({
 *   tools: { notes: { name: 'Notes' } },
 *   actions: { 'notes.item.delete': { name: 'Delete notes', kind: 'write' } },
 *   packages: { basic: { name: 'Basic', actions: ['notes.*'] } },
 * })
 * const own = { action: 'notes.item.delete', constraints: { own: true } } as const
 * const evaluator = createEvaluator(catalog, {
 *   tenant: { status: 'active' },
 *   actor: { type: 'user', id: 'u1', status: 'active' },
 *   packages: [{ key: 'basic', status: 'active' }],
 *   groups: [{ name: 'EDITORS', status: 'active', permissions: [own] }],
 * })
 * evaluator.can('notes.item.delete', { ownerId: 'u1' }) // → true
 * evaluator.can('notes.item.delete', { ownerId: 'u2' }) // → false
 * ```
 */
export function createEvaluator<
  Tool extends string,
  Action extends string,
  Package extends string,
  Limit extends string,
>(
  catalog: Catalog<Tool, Action, Package, Limit>,
  snapshot: Snapshot,
  options: EvaluatorOptions = {},
): Evaluator<Action, Package, Limit> {
  const { now = Date.now } = options
  const compiled = compile(catalog, snapshot)
  const period = periodAt(compiled, now())
  const changes = period.until !== Number.POSITIVE_INFINITY
  return new SnapshotEvaluator<Action, Package, Limit>(compiled, now, period, changes ? undefined : period)
}

class SnapshotEvaluator<Action extends string, Package extends string, Limit extends string>
  implements Evaluator<Action, Package, Limit>
{
  readonly #compiled: Compiled
  readonly #now: () => number
  readonly #numberOf: Catalog['index']['numberOf']
  #period: Period
  /** The decisions for good, when time cannot change any: then no check reads the clock. */
  readonly #steady: Uint8Array | undefined
  #asked: Period | undefined

  constructor(compiled: Compiled, now: () => number, period: Period, steady: Period | undefined) {
    this.#compiled = compiled
    this.#now = now
    this.#numberOf = compiled.catalog.index.numberOf
    this.#period = period
    this.#steady = steady?.table
  }

  can(action: Action, resource?: object | null, at?: At): boolean {
    // Small enough for the engine to inline. An unknown action has no number, and the table nothing under it.
    if (
      at === undefined &&
      (this.#steady ?? this.#tableNow())[this.#numberOf.get(action) as number] === YES
    ) {
      return true
    }
    return this.#decide(action, resource, at)
  }

  assert(action: Action, resource?: object | null, at?: At): void {
    if (!this.can(action, resource, at)) throw forbidden(action)
  }

  list(at?: At): Permitted<Action>[] {
    const { table } = this.#periodAt(at)
    return (this.#compiled.catalog.index.keys as readonly Action[])
      .map((action, number) => ({ action, decision: table[number] }))
      .filter(({ decision }) => decision !== NO)
      .map(({ action, decision }) => ({ action, constrained: decision === DEPENDS }))
  }

  explain(action: Action, resource?: object | null, at?: At): Explanation {
    const moment = this.#moment(at)
    return explain(this.#compiled, {
      action,
      resource,
      at: moment,
      allowed: this.can(action, resource, moment),
    })
  }

  where(action: Action, at?: At): Condition {
    const number = this.#numberOf.get(action)
    if (number === undefined) return NEVER
    const decision = this.#periodAt(at).table[number]
    return decision === YES ? ALWAYS : decision === DEPENDS ? this.#condition(number) : NEVER
  }

  asOf(moment: At): Evaluator<Action, Package, Limit> {
    const at = milliseconds(moment)
    const period = this.#periodAt(at)
    return new SnapshotEvaluator(this.#compiled, () => at, period, period)
  }

  changesWhen(expiring: Package): Changes<Action> {
    return changesWhen(this.#compiled, expiring, this.#now()) as Changes<Action>
  }

  limit(name: Limit): EffectiveLimit {
    return limitOf(this.#compiled, name)
  }

  feature(name: string): boolean {
    return featureOf(this.#compiled.snapshot, name)
  }

  /** The clock is nearly all of what this costs: two comparisons say whether the period is still the present one. */
  #tableNow(): Uint8Array {
    const now = this.#now()
    if (!covers(this.#period, now)) this.#period = periodAt(this.#compiled, now)
    return this.#period.table
  }

  #decide(action: Action, resource: object | null | undefined, at: At | undefined): boolean {
    const number = this.#numberOf.get(action)
    if (number === undefined) return false
    const decision = this.#periodAt(at).table[number]
    return decision === YES || (decision === DEPENDS && this.#holds(number, resource))
  }

  #holds(number: number, resource: object | null | undefined): boolean {
    return holds(this.#condition(number), resource) === true
  }

  #condition(number: number): Condition {
    return this.#compiled.grants.conditions.get(number) ?? NEVER
  }

  #moment(at: At | undefined): number {
    return at === undefined ? this.#now() : milliseconds(at)
  }

  /** The decisions of the clock's present, or of a moment that was asked for; each kept until another is needed. */
  #periodAt(at: At | undefined): Period {
    if (at === undefined && this.#steady !== undefined) return this.#period
    const moment = this.#moment(at)
    if (covers(this.#period, moment)) return this.#period
    if (at === undefined) {
      this.#period = periodAt(this.#compiled, moment)
      return this.#period
    }
    if (!this.#asked || !covers(this.#asked, moment)) this.#asked = periodAt(this.#compiled, moment)
    return this.#asked
  }
}

const covers = ({ from, until }: Period, at: number) => at >= from && at < until

function milliseconds(at: At): number {
  const value = typeof at === 'number' ? at : at instanceof Date ? at.getTime() : Number.NaN
  if (!Number.isNaN(value)) return value
  throw new TenancyError('VALIDATION_ERROR', 'A moment is a valid Date, or milliseconds since 1970.', {
    details: { field: 'at' },
  })
}

/** The one error of a refused action. What is no action's key is not repeated: nobody knows what it holds. */
export function forbidden(action: string): TenancyError {
  return new TenancyError('FORBIDDEN_ACTION', 'The action is not permitted. explain(action) says why.', {
    details: { action: isActionKey(action) ? action : 'not an action' },
  })
}
