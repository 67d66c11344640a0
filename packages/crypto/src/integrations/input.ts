import { invalidField } from '@org/core'

/** What a service calls a credential; more is a file. */
const MAX_DATA = 65_536
const NAME = /^[a-z][a-z0-9_.-]{0,99}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$/

/** @throws TenancyError VALIDATION_ERROR */
export function nameOf(value: unknown, field: string): string {
  if (value === undefined && field === 'name') return 'default'
  if (typeof value === 'string' && NAME.test(value)) return value
  throw invalidField(field, '1 to 100 of a-z, 0-9, "_", "." and "-", beginning with a letter')
}

/** What reads back as the same value. @throws TenancyError VALIDATION_ERROR */
export function dataOf(value: unknown): string {
  const expected = `an object that JSON can hold, at most ${MAX_DATA} bytes`
  if (!isPlain(value)) throw invalidField('data', expected)
  let json: string | undefined
  try {
    json = JSON.stringify(value, refuseLoss)
  } catch {
    // A cycle, a bigint, a toJSON that throws, or refused below: the cause may quote the value.
  }
  if (json !== undefined && Buffer.byteLength(json) <= MAX_DATA) return json
  throw invalidField('data', expected)
}

function refuseLoss(_: string, value: unknown): unknown {
  const kept =
    value === null ||
    typeof value === 'string' ||
    typeof value === 'boolean' ||
    (typeof value === 'number' && Number.isFinite(value)) ||
    Array.isArray(value) ||
    isPlain(value)
  if (kept) return value
  throw new TypeError()
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** A moment as PostgreSQL reads it, or `null`. @throws TenancyError VALIDATION_ERROR */
export function instant(value: unknown, field: string): string | null {
  if (value === undefined || value === null) return null
  const date = typeof value === 'string' && INSTANT.test(value) ? new Date(value) : value
  const good = date instanceof Date && date.getTime() >= 0 && date.getUTCFullYear() <= 9999
  if (!good) throw invalidField(field, 'a Date or a moment in ISO 8601 with its zone, from 1970 to 9999')
  return typeof value === 'string' ? value : date.toISOString()
}

/** @throws TenancyError VALIDATION_ERROR */
export function version(value: unknown): string | null | undefined {
  if (value === undefined || value === null) return value
  if (typeof value === 'string' && value.length <= 40 && INSTANT.test(value)) return value
  throw invalidField('ifUpdatedAt', 'the updatedAt that put, get or list gave, or null')
}
