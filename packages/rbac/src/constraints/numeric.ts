import { TenancyError } from '@org/core'

/**
 * A number as PostgreSQL's `numeric` holds it: any number of digits, `NaN`, `Infinity` and `-Infinity`. A JavaScript number
 * keeps 15 to 17 digits of it, and then `can` would decide about another number than `where`.
 */
export class Numeric {
  readonly #text: string

  /** @internal Checked by {@link numeric}. */
  constructor(text: string) {
    this.#text = text
    Object.freeze(this)
  }

  toString(): string {
    return this.#text
  }

  toJSON(): string {
    return this.#text
  }
}

/** As PostgreSQL prints one (`numeric_out`): never with an exponent. At most 131,072 digits before the point and 16,383 behind. */
const TEXT = /^(?:-?[0-9]+(?:\.[0-9]+)?|NaN|-?Infinity)$/
const MOST = 131_072 + 16_383 + 2

/**
 * Reads what the driver returns for a `numeric` column (a text), for the record that `can` is given:
 * `{ ...row, amount: numeric(row.amount) }`, or once for all as a type parser.
 *
 * @throws TenancyError VALIDATION_ERROR when it is not the text of a numeric
 * @example
 * ```ts
 * import { numeric } from '@org/rbac'
 * import pg from 'pg'
 *
 * pg.types.setTypeParser(pg.types.builtins.NUMERIC, numeric)
 * ```
 */
export function numeric(text: string): Numeric {
  if (typeof text === 'string' && text.length <= MOST && TEXT.test(text)) return new Numeric(text)
  throw new TenancyError(
    'VALIDATION_ERROR',
    'A numeric is read from the text that PostgreSQL prints for it, e.g. numeric("12.50").',
    { details: { field: 'numeric' } },
  )
}

/** `undefined` is no decimal: NaN, which PostgreSQL orders above every number, or an infinity. */
interface Decimal {
  readonly negative: boolean
  /** Without zeros in front; `` for 0. */
  readonly whole: string
  /** Without zeros behind. */
  readonly fraction: string
}

/**
 * How a numeric compares with a number of a constraint, exactly: less than 0, 0, or more. A number stands for the shortest
 * decimal that reads as it, which is how it was written.
 */
export function compareNumeric(value: Numeric, bound: number): number {
  const text = value.toString()
  if (text === 'NaN' || text === 'Infinity') return 1
  if (text === '-Infinity') return -1
  return compareDecimals(decimalOf(text), decimalOf(decimalText(bound)))
}

function compareDecimals(a: Decimal, b: Decimal): number {
  if (a.negative !== b.negative) return a.negative ? -1 : 1
  const size =
    a.whole.length - b.whole.length ||
    compareTexts(a.whole, b.whole) ||
    // Digits behind the point compare as texts do: what is missing is a zero, and no zeros are at the end.
    compareTexts(a.fraction, b.fraction)
  return a.negative ? -size : size
}

const compareTexts = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1)

function decimalOf(text: string): Decimal {
  const negative = text.startsWith('-')
  const [digits = '', behind = ''] = (negative ? text.slice(1) : text).split('.')
  const whole = digits.replace(/^0+/, '')
  let end = behind.length
  while (end > 0 && behind[end - 1] === '0') end--
  const fraction = behind.slice(0, end)
  // There is one zero.
  return { negative: negative && `${whole}${fraction}` !== '', whole, fraction }
}

/** A finite number as PostgreSQL reads a numeric, without an exponent: `1e-7` is `0.0000001`. */
export function decimalText(value: number): string {
  const [mantissa = '', exponent] = String(value === 0 ? 0 : value).split('e')
  if (exponent === undefined) return mantissa
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const places = Number(exponent)
  if (places >= 0) return `${sign}${whole}${fraction.padEnd(places, '0')}`
  return `${sign}0.${'0'.repeat(-places - whole.length)}${whole}${fraction}`
}
