// @module-tag sampled
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeCatalog } from '../../src/catalog/define.ts'
import { holds } from '../../src/constraints/holds.ts'
import { createEvaluator } from '../../src/index.ts'
import { ACTIONS, definition, moment, resource, snapshot } from '../support/arbitrary.ts'
import { cedarCan, cedarPolicies } from '../support/cedar.ts'
import { referenceCan } from '../support/reference.ts'

const RUNS = { numRuns: Number(process.env.RBAC_ORACLE_RUNS ?? (process.env.TEST_SLOW ? 1_500 : 200)) }

describe('every decision is the same', () => {
  it('as the nested loops of the reference, at any moment, whatever the clock did before', () => {
    const seen = { allow: 0, deny: 0 }
    const worlds = fc.tuple(definition, snapshot, resource, fc.array(moment, { minLength: 1, maxLength: 4 }))
    fc.assert(
      fc.property(worlds, ([defined, loaded, record, moments]) => {
        let clock = Math.min(...moments)
        const evaluator = createEvaluator(makeCatalog(defined), loaded, { now: () => clock })
        for (const at of [...moments, ...moments.toSorted()]) {
          for (const action of [...ACTIONS, 'red.gone.x', 'toString']) {
            const expected = referenceCan(defined, loaded, action, record, at)
            seen[expected ? 'allow' : 'deny']++
            expect(evaluator.can(action, record, at)).toBe(expected)
            expect(evaluator.asOf(at).can(action, record)).toBe(expected)
            clock = at
            expect(evaluator.can(action, record)).toBe(expected)
          }
        }
      }),
      RUNS,
    )
    // The worlds are not so poor that nothing is ever allowed.
    expect(seen.allow).toBeGreaterThan(seen.deny / 40)
  })

  it('as Cedar decides', () => {
    const seen = { allow: 0, deny: 0 }
    fc.assert(
      fc.property(fc.tuple(definition, snapshot, resource, moment), ([defined, loaded, record, at]) => {
        const evaluator = createEvaluator(makeCatalog(defined), loaded, { now: () => at })
        const policies = cedarPolicies(defined, loaded)
        for (const action of ACTIONS) {
          const expected = cedarCan(policies, loaded.actor.id, action, record, at)
          seen[expected ? 'allow' : 'deny']++
          expect(evaluator.can(action, record)).toBe(expected)
        }
      }),
      { numRuns: Math.ceil(RUNS.numRuns / 3) },
    )
    expect(seen.allow).toBeGreaterThan(seen.deny / 40)
  })
})

describe('explain, list and where', () => {
  it('say what can says, and name the first missing link exactly when it is denied', () => {
    fc.assert(
      fc.property(fc.tuple(definition, snapshot, resource, moment), ([defined, loaded, record, at]) => {
        const evaluator = createEvaluator(makeCatalog(defined), loaded, { now: () => at })
        const listed = new Map(evaluator.list().map(({ action, constrained }) => [action, constrained]))
        for (const action of [...ACTIONS, 'red.gone.x']) {
          const { allowed, steps, missing, sentence } = evaluator.explain(action, record)
          expect(allowed).toBe(evaluator.can(action, record))
          expect(steps.every(({ ok }) => ok)).toBe(allowed)
          expect(missing === undefined).toBe(allowed)
          for (const text of Object.values(sentence)) expect(text).not.toMatch(/[{}]|undefined|^$/)
          expect(holds(evaluator.where(action), record) === true).toBe(allowed)
          if (allowed) expect(listed.has(action)).toBe(true)
          if (listed.get(action) === false) expect(allowed).toBe(true)
        }
      }),
      RUNS,
    )
  })
})
