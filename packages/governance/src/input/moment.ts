import { invalidField } from './input.ts'

const ISO = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

/**
 * A Date or ISO 8601 as PostgreSQL takes it; `null` for `undefined`.
 *
 * @internal
 * @throws TenancyError VALIDATION_ERROR
 */
export function momentOf(value: unknown, field: string): string | null {
  if (value === undefined) return null
  const date = typeof value === 'string' && ISO.test(value) && isMoment(value) ? new Date(value) : value
  // Years that PostgreSQL and ISO 8601 write alike.
  if (date instanceof Date && date.getTime() >= 0 && date.getUTCFullYear() <= 9999) return date.toISOString()
  throw invalidField(field, 'a moment in ISO 8601, from 1970 to 9999')
}

/**
 * Whether text that begins as ISO 8601 does names a moment there is: JavaScript takes the 31st of February for the 3rd of March,
 * and PostgreSQL refuses it.
 *
 * @internal
 */
export function isMoment(text: string): boolean {
  const [year = 0, month = 0, ...rest] = text.slice(0, 19).match(/\d+/g)?.map(Number) ?? []
  const [day = 0, hour = 0, minute = 0, second = 0] = rest
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  const [asked, there] = [
    [year, month, day, hour, minute, second],
    date.toISOString().match(/\d+/g)?.map(Number),
  ]
  return asked.every((one, at) => one === there?.[at])
}
