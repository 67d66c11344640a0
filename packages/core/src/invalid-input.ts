import { TenancyError } from './tenancy-error.ts'

/** Names come from callers too; longer ones are nobody's. */
const shown = (name: string): string => name.slice(0, 40)

/**
 * The error for an option that is not what it must be: the program is mistaken, whoever calls it is not.
 *
 * @param expected what stands behind "must be"; never the value
 * @example
 * ```ts
 * import { invalidOption } from '@org/core'
 *
 * invalidOption('max', 'a whole number from 1').message // → 'Option "max" must be a whole number from 1.'
 * ```
 */
export function invalidOption(option: string, expected: string): TenancyError {
  return new TenancyError('INVALID_OPTION', `Option "${shown(option)}" must be ${expected}.`, {
    details: { option: shown(option) },
  })
}

/**
 * The error for a field of a request that is not what it must be.
 *
 * @param expected what stands behind "must be"; never the value
 * @example
 * ```ts
 * import { invalidField } from '@org/core'
 *
 * invalidField('email', 'an address').code // → 'VALIDATION_ERROR'
 * ```
 */
export function invalidField(field: string, expected: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', `"${shown(field)}" must be ${expected}.`, {
    details: { field: shown(field) },
  })
}

/**
 * Checks an option that is an integer.
 *
 * @param max the largest it may be (default: any safe integer)
 * @param unit what it counts, for the message, e.g. `milliseconds`
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { integerOption } from '@org/core'
 *
 * integerOption('port', 5432, 1, 65_535) // → 5432
 * integerOption('port', 0.5, 1, 65_535) // → throws INVALID_OPTION
 * ```
 */
export function integerOption(
  option: string,
  value: unknown,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
  unit?: string,
): number {
  if (isIntegerWithin(value, min, max)) return value
  throw invalidOption(option, integerWithin(min, max, unit))
}

/**
 * Checks an option that may be an AbortSignal. One that only looks like it would fail in the middle of the work, where it is asked.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { signalOption } from '@org/core'
 *
 * signalOption('signal', AbortSignal.timeout(1_000))?.aborted // → false
 * signalOption('signal', Object.create(AbortSignal.prototype)) // → throws INVALID_OPTION
 * ```
 */
export function signalOption(option: string, value: unknown): AbortSignal | undefined {
  if (value === undefined || isSignal(value)) return value
  throw invalidOption(option, 'an AbortSignal')
}

function isSignal(value: unknown): value is AbortSignal {
  try {
    return value instanceof AbortSignal && typeof value.aborted === 'boolean'
  } catch {
    return false
  }
}

/**
 * Checks a field of a request that is an integer.
 *
 * @throws TenancyError VALIDATION_ERROR
 * @example
 * ```ts
 * import { integerField } from '@org/core'
 *
 * integerField('limit', 0, 1, 100) // → throws VALIDATION_ERROR
 * ```
 */
export function integerField(field: string, value: unknown, min: number, max: number): number {
  if (isIntegerWithin(value, min, max)) return value
  throw invalidField(field, integerWithin(min, max))
}

const isIntegerWithin = (value: unknown, min: number, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max

const integerWithin = (min: number, max: number, unit?: string): string =>
  `a whole number ${unit === undefined ? '' : `of ${unit} `}from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}`
