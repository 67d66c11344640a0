import { expect, it } from 'vitest'
import {
  accessControlCheck,
  buildOurs,
  casbinCheck,
  caslCheck,
  cedarCheck,
  grantsOf,
} from '../support/contenders.ts'

it('what the benchmark compares gives the same answers', async () => {
  const grants = grantsOf(1_100)
  const foreign = { ...grants, asked: ['tool0.resource0.verb9', 'tool1.resource49.verb2'] }
  const ours = (one: typeof grants) => {
    const evaluator = buildOurs(one)
    return (at: number) => evaluator.can(one.asked[at] ?? '')
  }
  for (const contender of [ours, caslCheck, casbinCheck, cedarCheck, accessControlCheck]) {
    const check = await contender(grants)
    for (const at of [0, 1, 2, 1_023]) expect(check(at), contender.name).toBe(true)
  }
  for (const contender of [ours, caslCheck]) {
    expect([0, 1].map(await contender(foreign))).toEqual([false, false])
  }
})
