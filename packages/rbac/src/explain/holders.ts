import { numbersOf } from '../catalog/define.ts'
import type { Compiled } from '../compile/compiled.ts'
import { KINDS_OF_PROFILE } from '../compile/grants.ts'
import { ALWAYS, type Condition } from '../constraints/condition.ts'
import { type ConstraintProblem, readConstraints } from '../constraints/parse.ts'
import type { KeyGrant } from '../snapshot/model.ts'
import { type Claim, constraintStep } from './constraint.ts'
import { readable, type Step, step } from './step.ts'

/** What holds permissions, by name: a group, or a key. */
interface Holder {
  readonly link: 'group' | 'key'
  readonly name: string
  readonly claims: readonly Claim[]
}

/** The links of the grant: a group or the key, then the constraint where there is one. */
export function grantSteps(
  compiled: Compiled,
  number: number,
  at: number,
  resource: object | null | undefined,
): Step[] {
  const { key, groups = [] } = compiled.snapshot
  if (key) return keySteps(compiled, key, number, at, resource)
  const holders = groups.map((group) => ({
    link: 'group' as const,
    name: group.name,
    active: group.status === 'active',
    claims: claimsOf(compiled, group, number),
  }))
  const decided = decide(
    holders.filter(({ active }) => active),
    resource,
  )
  if (decided) return decided
  const suspended = holders.find(({ active, claims }) => !active && claims.some((claim) => !claim.denies))
  if (suspended) {
    const names = { holder: suspended.name, grant: suspended.claims[0]?.grant ?? '' }
    return [step('group', false, 'GROUP_SUSPENDED', names)]
  }
  if (groups.length === 0) return [step('group', false, 'NO_GROUP')]
  return [step('group', false, 'GROUP_MISSING', { groups: groups.map(({ name }) => name).join(', ') })]
}

function keySteps(
  compiled: Compiled,
  key: KeyGrant,
  number: number,
  at: number,
  resource: object | null | undefined,
): Step[] {
  const holder = key.name
  if (key.status !== 'active') return [step('key', false, 'KEY_SUSPENDED', { holder })]
  const { until } = compiled.keyTerm
  if (Number.isFinite(until) && !(at < until)) {
    return [step('key', false, 'KEY_EXPIRED', { holder, at: readable(until) })]
  }
  if (key.profile) {
    const kind = compiled.catalog.index.kinds[number] as 'read'
    const granted = KINDS_OF_PROFILE[key.profile].has(kind)
    const names = { holder, profile: key.profile, kind }
    return [step('key', granted, granted ? 'PROFILE_GRANTS' : 'PROFILE_LACKS', names)]
  }
  const claims = claimsOf(compiled, { name: holder, permissions: key.permissions ?? [] }, number)
  return (
    decide([{ link: 'key', name: holder, claims }], resource) ?? [
      step('key', false, 'KEY_MISSING', { holder }),
    ]
  )
}

/** What active holders decide, or `undefined` when none of them says a word of the action. */
function decide(holders: readonly Holder[], resource: object | null | undefined): Step[] | undefined {
  const link = holders[0]?.link ?? 'group'
  const claims = holders.flatMap((holder) => holder.claims)
  const denial = claims.find(
    ({ denies, condition }) => denies && (condition === ALWAYS || isProblem(condition)),
  )
  if (denial) {
    const names = { holder: denial.holder, grant: denial.grant }
    return isProblem(denial.condition)
      ? [step('constraint', false, 'DENY_UNREADABLE', { ...names, problem: denial.condition })]
      : [step(link, false, link === 'key' ? 'KEY_DENIES' : 'GROUP_DENIES', names)]
  }
  const allows = claims.filter(({ denies }) => !denies)
  const chosen = allows.find(({ condition }) => condition === ALWAYS) ?? allows[0]
  if (!chosen) return undefined
  const names = { holder: chosen.holder, grant: chosen.grant }
  const granted = step(link, true, link === 'key' ? 'KEY_GRANTS' : 'GROUP_GRANTS', names)
  const constraint = constraintStep(claims, resource)
  return constraint ? [granted, constraint] : [granted]
}

const isProblem = (condition: Condition | ConstraintProblem): condition is ConstraintProblem =>
  typeof condition === 'string'

/** What a holder's permissions say of one action. */
function claimsOf(
  { catalog, snapshot }: Compiled,
  { name, permissions }: Pick<KeyGrant, 'name' | 'permissions'>,
  number: number,
): Claim[] {
  return (permissions ?? [])
    .filter(({ action }) => numbersOf(catalog.index, action).includes(number))
    .map(({ action, effect, constraints }) => ({
      holder: name,
      grant: action,
      denies: effect === 'deny',
      condition: constraints === undefined ? ALWAYS : readConstraints(constraints, snapshot.actor.id),
    }))
}
