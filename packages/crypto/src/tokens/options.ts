import { invalidField, invalidOption } from '@org/core'

/**
 * A number among the options, or its default.
 *
 * @throws TenancyError INVALID_OPTION outside `min` to `max`, or not whole
 */
export function numberOption(
  name: string,
  value: unknown,
  { fallback, min, max, unit }: { fallback: number; min: number; max: number; unit: string },
): number {
  const number = value ?? fallback
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= min && number <= max) {
    return number
  }
  throw invalidOption(name, `a whole number of ${unit} from ${min} to ${max}`)
}

/** A number of seconds, likewise. @throws TenancyError INVALID_OPTION */
export function seconds(
  name: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  return numberOption(name, value, { fallback, min, max, unit: 'seconds' })
}

/** @throws TenancyError INVALID_OPTION when it is not a text of 1 to 512 characters */
export function textOption(name: string, value: unknown): string {
  if (typeof value === 'string' && value.length >= 1 && value.length <= 512) return value
  throw invalidOption(name, 'a text of 1 to 512 characters')
}

/** @throws TenancyError INVALID_OPTION when there is a value and it is not a function */
export function functionOption<F>(name: string, value: F | undefined, fallback: F): F {
  if (value === undefined) return fallback
  if (typeof value === 'function') return value
  throw invalidOption(name, 'a function')
}

/** An identifier that a caller hands in: a user's id, a token's id. @throws TenancyError VALIDATION_ERROR */
export function identifier(field: string, value: unknown): string {
  if (isIdentifier(value)) return value
  throw invalidField(field, 'a text of 1 to 255 characters, none of them a control character')
}

/** Whether it can be a subject or token id: short, and storable (PostgreSQL takes no U+0000 in text). */
export function isIdentifier(value: unknown): value is string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  return typeof value === 'string' && /^[^\u0000-\u001f\u007f\ud800-\udfff]{1,255}$/.test(value)
}
