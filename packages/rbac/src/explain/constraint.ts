import { ALWAYS, type Condition, visitCondition } from '../constraints/condition.ts'
import { holds } from '../constraints/holds.ts'
import type { ConstraintProblem } from '../constraints/parse.ts'
import { type Step, step } from './step.ts'

/** What one permission says of an action. */
export interface Claim {
  /** The group, or the key. */
  readonly holder: string
  /** As it was granted: an action, or `tool.*`. */
  readonly grant: string
  readonly denies: boolean
  readonly condition: Condition | ConstraintProblem
}

/** The link of the constraint; none when the action is granted on all records and denied on none. */
export function constraintStep(
  claims: readonly Claim[],
  resource: object | null | undefined,
): Step | undefined {
  const readable = claims.filter(isReadable)
  const denial = readable.find(({ denies, condition }) => denies && holds(condition, resource) !== false)
  if (denial) {
    return step('constraint', false, 'DENY_APPLIES', {
      holder: denial.holder,
      fields: fieldsOf(denial.condition),
    })
  }
  const allows = readable.filter(({ denies }) => !denies)
  if (allows.some(({ condition }) => condition === ALWAYS)) return undefined
  const met = allows.find(({ condition }) => holds(condition, resource) === true)
  if (met) return step('constraint', true, 'CONSTRAINT_HOLDS', { holder: met.holder })
  const nearest = allows.toSorted((a, b) => failing(a, resource).length - failing(b, resource).length)[0]
  if (!nearest) return unreadable(claims)
  if (resource === undefined || resource === null) {
    const names = { holder: nearest.holder, fields: fieldsOf(nearest.condition) }
    return step('constraint', false, 'RECORD_NEEDED', names)
  }
  const fields = failing(nearest, resource).map(fieldsOf)
  return step('constraint', false, 'CONSTRAINT_FAILS', {
    holder: nearest.holder,
    fields: [...new Set(fields)].join(', '),
  })
}

type Readable = Claim & { readonly condition: Condition }

const isReadable = (claim: Claim): claim is Readable => typeof claim.condition !== 'string'

function unreadable(claims: readonly Claim[]): Step | undefined {
  const claim = claims.find(({ denies, condition }) => !denies && typeof condition === 'string')
  if (!claim) return undefined
  return step('constraint', false, 'CONSTRAINT_UNREADABLE', {
    holder: claim.holder,
    problem: String(claim.condition),
  })
}

/** The tests of a constraint that do not hold. */
function failing({ condition }: Readable, resource: object | null | undefined): Condition[] {
  const tests = condition.op === 'and' ? condition.of : [condition]
  return tests.filter((test) => holds(test, resource) !== true)
}

function fieldsOf(condition: Condition): string {
  const none: string[] = []
  const fields = visitCondition<string[]>(condition, {
    constant: () => none,
    and: (of) => of.flat(),
    or: (of) => of.flat(),
    not: (of) => of,
    in: (field) => [field],
    number: (_, field) => [field],
    prefix: (field) => [field],
  })
  return [...new Set(fields)].join(', ')
}
