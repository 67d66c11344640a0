import { describe, expect, it } from 'vitest'
import { createEvaluator, type Permission, parseConstraints } from '../../src/index.ts'
import { thrown } from '../support/codes.ts'
import { catalog, group, now, service, snapshot } from '../support/product.ts'

const READ = 'notes.item.read'
const can = (permissions: readonly Permission[], resource?: object | null) =>
  createEvaluator(catalog, snapshot({ groups: [group([...permissions])] }), { now }).can(READ, resource)

/** What a grant permits and a deny leaves, on a record: "yes" holds, "no" does not, "unknown" permits neither. */
function truth(constraints: unknown, resource: object | null | undefined): 'yes' | 'no' | 'unknown' {
  const grants = can([{ action: READ, constraints }], resource)
  const denies = !can([{ action: READ }, { action: READ, effect: 'deny', constraints }], resource)
  if (grants) expect(denies).toBe(true)
  return grants ? 'yes' : denies ? 'unknown' : 'no'
}

class Row {
  readonly a = 'x'
  get n() {
    return 1
  }
}

describe('a constraint', () => {
  it.each<[unknown, object | null | undefined, 'yes' | 'no' | 'unknown']>([
    [{ a: 'x' }, { a: 'x' }, 'yes'],
    [{ a: 'x' }, { a: 'X' }, 'no'],
    [{ a: 'x' }, {}, 'unknown'],
    [{ a: 'x' }, { a: null }, 'unknown'],
    [{ a: 'x' }, { a: undefined }, 'unknown'],
    [{ a: 'x' }, undefined, 'unknown'],
    [{ a: 'x' }, null, 'unknown'],
    [{ a: 'x' }, [], 'unknown'],
    [{ a: 'x' }, Object.create({ a: 'x' }) as object, 'unknown'],
    [{ a: 'x' }, new Row(), 'yes'],
    [{ n: 1 }, new Row(), 'unknown'],
    [{ a: '1' }, { a: 1 }, 'unknown'],
    [{ n: 1 }, { n: '1' }, 'unknown'],
    [{ n: 1 }, { n: true }, 'unknown'],
    [{ n: 1 }, { n: 1n }, 'yes'],
    [{ n: 1 }, { n: 2n }, 'no'],
    [{ n: 0.5 }, { n: 1n }, 'no'],
    [{ n: [1, 2] }, { n: 2n }, 'yes'],
    [{ n: { gt: 1 } }, { n: 2n }, 'yes'],
    [{ n: 1 }, { n: Number.NaN }, 'no'],
    [{ n: { gt: 1 } }, { n: Number.NaN }, 'yes'],
    [{ n: { lte: 1 } }, { n: Number.NaN }, 'no'],
    [{ b: false }, { b: false }, 'yes'],
    [{ b: false }, { b: 0 }, 'unknown'],
    [{ a: ['x', 'y'] }, { a: 'y' }, 'yes'],
    [{ a: ['x', 'y'] }, { a: 'z' }, 'no'],
    [{ a: ['x', 'y'] }, { a: ['x'] }, 'unknown'],
    [{ a: { in: ['x'] } }, { a: 'x' }, 'yes'],
    [{ a: { eq: 'x' } }, { a: 'x' }, 'yes'],
    [{ a: { prefix: 'br/' } }, { a: 'br/sp' }, 'yes'],
    [{ a: { prefix: 'br/' } }, { a: 'us/br/' }, 'no'],
    [{ a: { prefix: 'br/' } }, { a: 1 }, 'unknown'],
    [{ n: { gte: 1, lt: 3 } }, { n: 1 }, 'yes'],
    [{ n: { gte: 1, lt: 3 } }, { n: 3 }, 'no'],
    [{ n: { gt: 1 } }, { n: 1 }, 'no'],
    [{ n: { lte: 1 } }, { n: 1 }, 'yes'],
    [{ n: { lt: 1 } }, { n: new Date(0) }, 'unknown'],
    [{ a: 'x', n: 1 }, { a: 'x', n: 1 }, 'yes'],
    [{ a: 'x', n: 1 }, { a: 'x' }, 'unknown'],
    [{ a: 'x', n: 1 }, { a: 'y' }, 'no'],
    [{ own: true }, { ownerId: 'u1' }, 'yes'],
    [{ own: true }, { ownerId: 'u2' }, 'no'],
    [{ own: true }, {}, 'unknown'],
    [{ own: true, a: 'x' }, { ownerId: 'u1', a: 'y' }, 'no'],
  ])('%o on %o: %s', (constraints, resource, expected) => {
    expect(truth(constraints, resource)).toBe(expected)
  })

  it('own is the key itself for a key', () => {
    const evaluator = createEvaluator(
      catalog,
      service({ permissions: [{ action: READ, constraints: { own: true } }] }),
    )
    expect([{ ownerId: 'k1' }, { ownerId: 'u1' }].map((one) => evaluator.can(READ, one))).toEqual([
      true,
      false,
    ])
  })
})

const many = Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`f${at}`, 1]))

describe('a constraint that cannot be read', () => {
  it.each<[unknown, string]>([
    [null, 'not_an_object'],
    ['own', 'not_an_object'],
    [true, 'not_an_object'],
    [[], 'not_an_object'],
    [[{ own: true }], 'not_an_object'],
    [{}, 'empty'],
    [{ a: {} }, 'empty'],
    [{ a: [] }, 'empty'],
    [{ a: { in: [] } }, 'empty'],
    [{ a: null }, 'value'],
    [{ a: undefined }, 'value'],
    [{ a: ['x', 1] }, 'value'],
    [{ a: ['x', null] }, 'value'],
    [{ a: [['x']] }, 'value'],
    [{ a: { eq: { eq: 'x' } } }, 'value'],
    [{ a: { lt: 'x' } }, 'value'],
    [{ a: { lt: null } }, 'value'],
    [{ a: { prefix: '' } }, 'value'],
    [{ a: { prefix: 1 } }, 'value'],
    [{ a: 'x\0' }, 'value'],
    [{ a: '\ud800' }, 'value'],
    [{ a: 'x'.repeat(1_001) }, 'value'],
    [{ n: Number.NaN }, 'value'],
    [{ n: Number.POSITIVE_INFINITY }, 'value'],
    [{ n: 2 ** 53 }, 'value'],
    [{ a: { ne: 'x' } }, 'operator'],
    [{ a: { not: { eq: 'x' } } }, 'operator'],
    [{ a: { constructor: 'x' } }, 'operator'],
    [{ a: JSON.parse('{"__proto__": "x"}') }, 'operator'],
    [{ own: false }, 'own'],
    [{ own: 1 }, 'own'],
    [{ own: null }, 'own'],
    [JSON.parse('{"__proto__": "x"}'), 'field'],
    [{ constructor: 'x' }, 'field'],
    [{ toString: 'x' }, 'field'],
    [{ prototype: 'x' }, 'field'],
    [{ 'a.b': 'x' }, 'field'],
    [{ $or: [1] }, 'field'],
    [{ '': 'x' }, 'field'],
    [{ a: 'x', 'b c': 'x' }, 'field'],
    [many, 'too_large'],
    [{ n: Array.from({ length: 1_001 }, () => 1) }, 'too_large'],
  ])('%j (%s) grants nothing, denies everything, and is refused when stored', (constraints, reason) => {
    const record = { a: 'x', n: 1, ownerId: 'u1', f0: 1 }
    expect(truth(constraints, record)).toBe('unknown')
    expect(truth(constraints, undefined)).toBe('unknown')
    const error = thrown(() => parseConstraints(constraints))
    expect([error.code, error.details]).toEqual(['VALIDATION_ERROR', { field: 'constraints', reason }])
    const step = createEvaluator(catalog, snapshot({ groups: [group([{ action: READ, constraints }])] }), {
      now,
    }).explain(READ, record).missing
    expect([step?.reason, step?.names.problem]).toEqual(['CONSTRAINT_UNREADABLE', reason])
  })

  it('leaves the other grants alone', () => {
    expect(
      can(
        [
          { action: READ, constraints: {} },
          { action: READ, constraints: { a: 'x' } },
        ],
        { a: 'x' },
      ),
    ).toBe(true)
  })

  it('left out is no constraint; parseConstraints returns what can be read', () => {
    expect(can([{ action: READ }])).toBe(true)
    const constraints = { a: ['x'], n: { lt: 3 }, own: true }
    expect(parseConstraints(constraints)).toBe(constraints)
  })
})
