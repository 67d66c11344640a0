import { TenancyError } from '@org/core'

type Fields = Readonly<Record<string, unknown>>

/** A snapshot that is not one. Names the place, never the value. */
export function invalid(place: string, what: string): TenancyError {
  return new TenancyError(
    'INVALID_OPTION',
    `The snapshot of grants is not valid: ${place} ${what}. Nothing is permitted until it is; look at what loads it.`,
    { details: { option: `snapshot.${place}` } },
  )
}

/** An object with no field beside `known`: one that we do not know might have been meant to narrow. */
export function fieldsOf(value: unknown, place: string, known: ReadonlySet<string>): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(place, 'is not an object')
  for (const field in value) {
    if (!known.has(field)) throw invalid(place, 'has a field that is not known')
  }
  return value as Fields
}

/** A list; `undefined` is an empty one when `optional`. */
export function listOf(value: unknown, place: string, optional = false): readonly unknown[] {
  if (value === undefined && optional) return []
  if (!Array.isArray(value)) throw invalid(place, 'is not a list')
  return value
}

export function checkText(value: unknown, place: string): void {
  if (typeof value !== 'string' || value === '' || value.length > 300) {
    throw invalid(place, 'is not a text of 1 to 300 characters')
  }
}

/** One of `allowed`; `undefined` must be among them to be one. */
export function checkOneOf(value: unknown, place: string, allowed: readonly unknown[]): void {
  if (!allowed.includes(value)) throw invalid(place, 'is not one of the words that are allowed')
}

const MOMENT = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d(?::?\d\d)?)$/

/** Milliseconds since 1970 of a moment; fractions of a millisecond are cut off. */
export function millisecondsOf(moment: string, place: string): number {
  // PostgreSQL leaves the minutes of a zone out in some formats ("+00"); Date does not read that.
  const text = moment.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')
  const parsed = MOMENT.test(moment) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(parsed)) throw invalid(place, 'is not a moment in ISO 8601 with its zone')
  return parsed
}

export function checkMoment(value: unknown, place: string): void {
  if (value === undefined || value === null) return
  if (typeof value !== 'string') throw invalid(place, 'is not a moment in ISO 8601 with its zone')
  millisecondsOf(value, place)
}

/** An object of values that all pass `test`; missing and null are none. */
export function checkValues(value: unknown, place: string, test: (value: unknown) => boolean): void {
  if (value === undefined || value === null) return
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid(place, 'is not an object')
  if (!Object.values(value).every(test)) throw invalid(place, 'has a value of the wrong type')
}

export const isLimit = (value: unknown): boolean =>
  value === null || (typeof value === 'number' && Number.isFinite(value) && value >= 0)

export const isFlag = (value: unknown): boolean => typeof value === 'boolean'
