import { describe, expect, it } from 'vitest'
import { type Condition, conditionToSql } from '../../src/index.ts'
import { quoteIdentifier } from '../../src/sql/identifier.ts'
import { thrown } from '../support/codes.ts'

const columns = {
  status: { column: 'status', type: 'text' },
  size: { column: 'size', type: 'integer' },
  price: { column: 'price', type: 'numeric' },
  weight: { column: 'weight', type: 'number' },
} as const
const condition: Condition = {
  op: 'and',
  of: [
    { op: 'eq', field: 'status', value: "x'; drop table record" },
    { op: 'not', of: { op: 'in', field: 'size', values: [1, 2] } },
  ],
}

describe('conditionToSql', () => {
  it('puts values into parameters, from the number that is asked for', () => {
    expect(conditionToSql(condition, { columns, firstParameter: 4, table: 'n' })).toEqual({
      text: '(("n"."status" = $4::text and "n"."status"::text collate "C" = $4::text) and not ("n"."size" = any ($5::bigint[])))',
      values: ["x'; drop table record", [1, 2]],
    })
  })

  it('starts at $1, without a table', () => {
    const { text, values } = conditionToSql({ op: 'lt', field: 'price', value: 0.5 }, { columns })
    expect({ text, values }).toEqual({ text: '("price" < $1::numeric)', values: ['0.5'] })
  })

  it.each<[Condition, string, readonly unknown[]]>([
    [{ op: 'lt', field: 'size', value: 0.5 }, '("size" <= $1::bigint)', [0]],
    [{ op: 'gt', field: 'size', value: 0.5 }, '("size" >= $1::bigint)', [1]],
    [{ op: 'eq', field: 'size', value: 0.5 }, '("size" <> "size")', []],
    [
      { op: 'in', field: 'price', values: [1, 1e-7] },
      '("price" = any ($1::numeric[]))',
      [['1', '0.0000001']],
    ],
    [
      { op: 'lte', field: 'weight', value: 10 },
      '("weight" <= $1::bigint and "weight"::text::numeric <= $2::numeric)',
      [11, '10.00000000000000088817841970012523233890533447265625'],
    ],
  ])('numbers by the kind of their column: %j', (one, text, values) => {
    expect(conditionToSql(one, { columns })).toEqual({ text, values })
  })

  it.each([0, -1, 1.5, Number.NaN, 60_001])('refuses firstParameter %d', (firstParameter) => {
    expect(thrown(() => conditionToSql(condition, { columns, firstParameter })).code).toBe('INVALID_OPTION')
  })

  it('refuses a type of column it does not know', () => {
    const wrong = { status: { column: 'status', type: 'jsonb' } } as const
    // @ts-expect-error there is no such type
    const compile = () => conditionToSql(condition, { columns: wrong })
    expect(thrown(compile).details).toEqual({ option: 'columns' })
  })

  it('does not take what every object has for a column', () => {
    const inherited: Condition = { op: 'eq', field: 'toString', value: 'x' }
    expect(conditionToSql(inherited, { columns }).text).toBe('null::boolean')
  })
})

describe('quoteIdentifier', () => {
  it('doubles quotes and refuses what is no identifier', () => {
    expect(quoteIdentifier('a"b')).toBe('"a""b"')
    expect(() => quoteIdentifier('')).toThrow(RangeError)
    expect(() => quoteIdentifier('a\0')).toThrow(RangeError)
  })
})
