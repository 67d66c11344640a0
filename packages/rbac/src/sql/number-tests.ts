import type { NumberTest, Scalar } from '../constraints/condition.ts'
import { decimalText } from '../constraints/numeric.ts'
import { roundingInterval } from './rounding.ts'

/**
 * How a column's numbers are compared, so that `where` decides about the very number that `can` sees:
 * - `integer`: smallint, integer, bigint, read as number or bigint. Exact, and by the column's index.
 * - `numeric`: numeric, read with `numeric()`. Exact, and by the column's index.
 * - `number`: any of them, also real and double precision, read as a number: a numeric is compared as the double that
 *   JavaScript makes of it, whatever its digits.
 */
export type NumberKind = 'integer' | 'numeric' | 'number'

/** SQL with places for the column and for parameters. */
export type Piece = string | typeof COLUMN | { readonly parameter: Scalar | readonly Scalar[] }
export const COLUMN: unique symbol = Symbol('column')

/** `column < value` and so on. */
export function numberTest(kind: NumberKind, op: NumberTest, value: number): Piece[] {
  if (kind === 'integer') return integerTest(op, value)
  if (kind === 'numeric') return sql`(${COLUMN} ${SIGN[op]} ${exact(value)})`
  const { low, high, inclusive } = roundingInterval(value)
  // Less than 10 are the numbers below those that read as 10.
  const [edge, includes] =
    op === 'lt' || op === 'gte' ? [low, inclusive === (op === 'gte')] : [high, inclusive === (op === 'lte')]
  const sign = `${op === 'lt' || op === 'lte' ? '<' : '>'}${includes ? '=' : ''}`
  return sql`(${near(op === 'lt' || op === 'lte' ? [undefined, value] : [value])} and ${SEEN} ${sign} ${decimal(edge)})`
}

/** `column = value`, or one of several. */
export function numberIn(kind: NumberKind, values: readonly number[]): Piece[] {
  if (kind === 'integer') return integerIn(values)
  if (kind === 'numeric') {
    const [first] = values
    if (values.length === 1 && first !== undefined) return sql`(${COLUMN} = ${exact(first)})`
    return sql`(${COLUMN} = any (${{ parameter: values.map(decimalText) }}::numeric[]))`
  }
  const intervals = values.map(roundingInterval)
  const lows = { parameter: intervals.map(({ low }) => low) }
  const highs = { parameter: intervals.map(({ high }) => high) }
  const inclusive = { parameter: intervals.map((one) => one.inclusive) }
  const range = near([Math.min(...values), Math.max(...values)])
  return sql`(${range} and case when ${COLUMN} is not null then exists (select from (select ${SEEN}) as seen (value), unnest(${lows}::numeric[], ${highs}::numeric[], ${inclusive}::boolean[]) as one (low, high, inclusive) where case when one.inclusive then seen.value between one.low and one.high else seen.value > one.low and seen.value < one.high end) end)`
}

const SIGN: Readonly<Record<NumberTest, string>> = { lt: '<', lte: '<=', gt: '>', gte: '>=' }

/** The number that the driver's text stands for: of a real 0.1, not what is next to it in double precision. */
const SEEN: readonly Piece[] = [COLUMN, '::text::numeric']

/** True of every number that may match, so that the column's index narrows the rows; a bound read as it is one half away at most. */
function near([least, most]: readonly [least: number | undefined, most?: number]): Piece[] {
  const from = least === undefined ? [] : sql`${COLUMN} >= ${{ parameter: Math.ceil(least) - 1 }}::bigint`
  const to = most === undefined ? [] : sql`${COLUMN} <= ${{ parameter: Math.floor(most) + 1 }}::bigint`
  return from.length > 0 && to.length > 0 ? [...from, ' and ', ...to] : [...from, ...to]
}

function integerTest(op: NumberTest, value: number): Piece[] {
  const whole = Number.isInteger(value)
  const [sign, bound] = whole
    ? [SIGN[op], value]
    : op === 'lt' || op === 'lte'
      ? ['<=', Math.floor(value)]
      : ['>=', Math.ceil(value)]
  return sql`(${COLUMN} ${sign} ${{ parameter: bound }}::bigint)`
}

function integerIn(values: readonly number[]): Piece[] {
  const whole = values.filter(Number.isInteger)
  const [first] = whole
  // No integer is a fraction: false, but unknown for null.
  if (first === undefined) return sql`(${COLUMN} <> ${COLUMN})`
  if (values.length === 1) return sql`(${COLUMN} = ${{ parameter: first }}::bigint)`
  return sql`(${COLUMN} = any (${{ parameter: whole }}::bigint[]))`
}

const exact = (value: number): Piece[] => decimal(decimalText(value))
const decimal = (text: string): Piece[] => [{ parameter: text }, '::numeric']

function sql(texts: TemplateStringsArray, ...pieces: readonly (Piece | readonly Piece[])[]): Piece[] {
  return texts.flatMap((text, at) => {
    const piece = pieces[at] ?? []
    return [text, ...(Array.isArray(piece) ? piece : [piece as Piece])]
  })
}
