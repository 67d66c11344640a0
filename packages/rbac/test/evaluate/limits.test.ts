import { describe, expect, it } from 'vitest'
import { createEvaluator, type Snapshot } from '../../src/index.ts'
import { thrown } from '../support/codes.ts'
import { catalog, snapshot } from '../support/product.ts'

const plan = { key: 'team', limits: { max_users: 5, max_notes: null }, features: ['sso'] }
const of = (changes: Partial<Snapshot>) => createEvaluator(catalog, snapshot(changes))

describe('limit', () => {
  it.each<[string, Partial<Snapshot>, number, string]>([
    ['the plan sets it', { plan }, 5, 'plan'],
    ['nothing sets it', {}, 0, 'none'],
    ['the plan says nothing of it', { plan: { key: 'x', limits: {} } }, 0, 'none'],
    [
      'the tenant has its own, higher',
      { plan, tenant: { status: 'active', limits: { max_users: 9 } } },
      9,
      'override',
    ],
    [
      'the tenant has its own, lower',
      { plan, tenant: { status: 'active', limits: { max_users: 0 } } },
      0,
      'override',
    ],
    [
      'unlimited for this tenant',
      { plan, overrides: [{ target: 'notes.*', limits: { max_users: null } }] },
      Infinity,
      'override',
    ],
    [
      'several overrides: the lowest',
      {
        plan,
        tenant: { status: 'active', limits: { max_users: null } },
        overrides: [
          { target: 'notes.*', limits: { max_users: 8 } },
          { target: 'billing.*', effect: 'allow', limits: { max_users: 7 } },
        ],
      },
      7,
      'override',
    ],
  ])('%s', (_, changes, value, source) => {
    const limit = of(changes).limit('max_users')
    expect([limit.value, limit.source]).toEqual([value, source])
    for (const text of Object.values(limit.sentence)) expect(text).toMatch(/max_users/)
  })

  it('explains itself', () => {
    const { limit } = { limit: of({ plan }).limit('max_users') }
    expect(limit.sentence).toEqual({
      en: 'The plan team sets max_users to 5.',
      pt: 'O plano team define max_users como 5.',
      es: 'El plan team fija max_users en 5.',
    })
  })

  it('a name the catalogue does not have is 0, whatever is stored under it', () => {
    const evaluator = of({ plan: { key: 'x', limits: { max_things: 5 } } })
    for (const name of ['max_things', 'toString', '__proto__']) {
      // @ts-expect-error it does not compile either
      const limit = evaluator.limit(name)
      expect([limit.value, limit.source]).toEqual([0, 'none'])
    }
  })

  it('remaining is never below 0', () => {
    const limit = of({ plan }).limit('max_users')
    expect([0, 4, 5, 6].map(limit.remaining)).toEqual([5, 1, 0, 0])
    expect(of({ plan }).limit('max_notes').remaining(1e9)).toBe(Infinity)
    for (const used of [-1, Number.NaN, '3' as never]) {
      expect(thrown(() => limit.remaining(used)).code).toBe('VALIDATION_ERROR')
    }
  })
})

describe('feature', () => {
  const flags = (...all: boolean[]): Partial<Snapshot> => ({
    plan,
    overrides: all.map((sso) => ({ target: 'notes.*', flags: { sso } })),
  })
  it.each<[string, Partial<Snapshot>, boolean]>([
    ['of the plan', { plan }, true],
    ['of no plan', {}, false],
    ['taken away', flags(false), false],
    ['given', { tenant: { status: 'active', flags: { sso: true } } }, true],
    ['given and taken away: no wins', flags(true, false, true), false],
  ])('%s', (_, changes, expected) => {
    expect(of(changes).feature('sso')).toBe(expected)
    expect(of(changes).feature('toString')).toBe(false)
  })
})
