import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Column, conditionToSql, createEvaluator, numeric, type Permission } from '../../src/index.ts'
import { roundingInterval } from '../../src/sql/rounding.ts'
import { catalog, group, now, snapshot } from '../support/product.ts'
import { useWorld } from '../support/world.ts'

/** `where` and `can` decide about the same number, for every number PostgreSQL can hold. */

const world = useWorld([])

/** A column, how it is declared, and how the driver's text is read for it. */
interface Kind extends Column {
  readonly read: (text: string) => unknown
}
const KINDS: Readonly<Record<string, Kind>> = {
  exact: { column: 'n', type: 'numeric', read: numeric },
  asDouble: { column: 'n', type: 'number', read: Number },
  double: { column: 'f', type: 'number', read: Number },
  real: { column: 'r', type: 'number', read: Number },
  big: { column: 'k', type: 'integer', read: BigInt },
  bigAsNumber: { column: 'k', type: 'number', read: BigInt },
  bigAsNumeric: { column: 'k', type: 'numeric', read: numeric },
  int: { column: 'i', type: 'integer', read: Number },
}

const BOUNDS = [
  0,
  1,
  -1,
  10,
  0.1,
  -0.1,
  0.5,
  2.5,
  1e-7,
  1e-300,
  5e-324,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  4_503_599_627_370_495.5,
  0.30000000000000004,
]

/** What stands next to a bound, on both sides and in every form. */
const around = BOUNDS.flatMap((bound) => {
  const { low, high } = roundingInterval(bound)
  const beyond = (text: string) => (text.includes('.') ? `${text}000001` : `${text}.000001`)
  return [
    low,
    high,
    beyond(low),
    beyond(high),
    ...(Math.abs(bound) < 1e-6 ? [] : [`${bound}`, beyond(`${bound}`)]),
  ]
})
const NUMERICS = [
  ...around,
  '1e400',
  '-1e400',
  '1e-400',
  '-1e-400',
  '1e131071',
  'NaN',
  'Infinity',
  '-Infinity',
  '0',
  '-0',
  '10.0000',
  '179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880',
  '2.4703282292062327208e-324',
]
const FLOATS = [
  'NaN',
  'Infinity',
  '-Infinity',
  '-0',
  '0',
  '5e-324',
  '1.7976931348623157e308',
  ...BOUNDS.map(String),
]
const REALS = ['NaN', 'Infinity', '-0', '0.1', '1.5', '3e38', '1e-45', '16777217', '0.3']
const INTS = [
  '-9223372036854775808',
  '9223372036854775807',
  '9007199254740993',
  '9007199254740991',
  '-1',
  '0',
  '1',
  '10',
  '11',
]

interface Stored {
  readonly id: number
  readonly record: Readonly<Record<string, unknown>>
}
const stored: Stored[] = []

beforeAll(async () => {
  await world.root.query(
    'create table number (id int primary key, n numeric, f float8, r real, k int8, i int4)',
  )
  const rows = Math.max(NUMERICS.length, FLOATS.length, REALS.length, INTS.length)
  const cell = (list: readonly string[], at: number) => (at === 0 ? null : list[at % list.length])
  for (let id = 0; id < rows + 1; id++) {
    await world.root.query('insert into number values ($1, $2, $3, $4, $5, $6)', [
      id,
      cell(NUMERICS, id),
      cell(FLOATS, id),
      cell(REALS, id),
      cell(INTS, id),
      id === 0 ? null : (id % 23) - 2,
    ])
  }
  const asText = { getTypeParser: () => (text: string) => text }
  const { rows: found } = await world.root.query({ text: 'select * from number', types: asText })
  for (const row of found) {
    const record = Object.entries(KINDS).map(([field, { column, read }]) => [
      field,
      row[column] === null ? null : read(row[column]),
    ])
    stored.push({ id: Number(row.id), record: Object.fromEntries(record) })
  }
})

const bound = fc.oneof(
  fc.constantFrom(...BOUNDS, ...BOUNDS.map((one) => -one)),
  fc.double({ min: -(2 ** 53 - 1), max: 2 ** 53 - 1, noNaN: true }),
  fc.integer({ min: -20, max: 20 }),
)
const test = fc.oneof(
  bound,
  fc.array(bound, { minLength: 1, maxLength: 4 }),
  fc
    .record({ lt: bound, lte: bound, gt: bound, gte: bound }, { requiredKeys: [] })
    .filter((one) => Object.keys(one).length > 0),
)
const permission: fc.Arbitrary<Permission> = fc.record({
  action: fc.constant('notes.*'),
  effect: fc.constantFrom('allow' as const, 'deny' as const),
  constraints: fc
    .tuple(fc.constantFrom(...Object.keys(KINDS)), test)
    .map(([field, one]) => ({ [field]: one })),
})

async function expectAgreement(permissions: readonly Permission[]): Promise<number> {
  const evaluator = createEvaluator(catalog, snapshot({ groups: [group([...permissions])] }), { now })
  const expected = stored.filter(({ record }) => evaluator.can('notes.item.read', record)).map(({ id }) => id)
  const { text, values } = conditionToSql(evaluator.where('notes.item.read'), { columns: KINDS })
  const { rows } = await world.root.query(`select id from number where ${text} order by id`, [...values])
  expect(rows.map(({ id }) => id)).toEqual(expected)
  return expected.length
}

describe('numbers', () => {
  it('are the same for where and can, whatever they are', { tags: 'slow' }, async () => {
    let found = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(permission, { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        async (permissions, all) => {
          found += await expectAgreement([...permissions, ...(all ? [{ action: 'notes.*' }] : [])])
        },
      ),
      { numRuns: 500 },
    )
    expect(found).toBeGreaterThan(1_000)
  })

  it.each(Object.keys(KINDS))('%s, at every bound and every test', async (field) => {
    for (const value of BOUNDS) {
      for (const one of [value, [value, 10], { lt: value }, { lte: value }, { gt: value }, { gte: value }]) {
        const constraints = { [field]: one }
        await expectAgreement([{ action: 'notes.*', constraints }])
        await expectAgreement([{ action: 'notes.*' }, { action: 'notes.*', effect: 'deny', constraints }])
      }
    }
  })

  it('of a numeric are compared to the last digit', async () => {
    const allowed = (record: object) =>
      createEvaluator(
        catalog,
        snapshot({ groups: [group([{ action: 'notes.*', constraints: { exact: { lte: 10 } } }])] }),
        { now },
      ).can('notes.item.read', record)
    expect(
      ['10.000000000000000001', '10.000', '-1e1'.replace('e1', '0'), 'NaN', '-Infinity'].map((text) =>
        allowed({ exact: numeric(text) }),
      ),
    ).toEqual([false, true, true, false, true])
    // Read as a number it is another one: that is what type `number` compares.
    expect(allowed({ exact: Number('10.000000000000000001') })).toBe(true)
  })

  it.each([
    '',
    '1e5',
    ' 1',
    '1_000',
    '0x10',
    '.5',
    '5.',
    'nan',
    '1'.repeat(150_000),
    5 as never,
    null as never,
  ])('numeric(%j) is refused', (text) => {
    expect(() => numeric(text)).toThrowError(expect.objectContaining({ code: 'VALIDATION_ERROR' }))
  })
})
