import { invalidValue } from './errors.ts'

/**
 * The text a value is stored as.
 *
 * @throws TenancyError VALIDATION_ERROR when the text would not read back as the same value
 */
export function encode(setting: string, value: unknown, asText: boolean): string {
  return asText ? encodeText(setting, value) : encodeJson(setting, value)
}

/** What {@link encode} was given, or `undefined` (which no text stands for) when it is no JSON. */
export function decode(stored: string, asText: boolean): unknown {
  if (asText) return stored
  try {
    return JSON.parse(stored)
  } catch {
    return undefined
  }
}

function encodeText(setting: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidValue(setting, 'is kept as text and takes only strings')
  // A lone surrogate has no UTF-8: it would come back as U+FFFD.
  if (!value.isWellFormed()) throw invalidValue(setting, 'is kept as text and takes only well-formed Unicode')
  return value
}

function encodeJson(setting: string, value: unknown): string {
  let json: string | undefined
  try {
    json = JSON.stringify(value, refuseLoss)
  } catch {
    // A cycle, a bigint, too deep, a toJSON that throws, or refused below: the cause may quote the value.
  }
  if (json !== undefined) return json
  throw invalidValue(
    setting,
    'takes only what JSON can hold (no undefined, bigint, NaN, Map, Set or class instances); to remove it, delete it',
  )
}

/** `JSON.stringify` drops or rewrites what JSON has no form for. `toJSON` (a Date's, say) has been called before. */
function refuseLoss(this: unknown, _: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError()
  if (typeof value === 'function' || typeof value === 'symbol') throw new TypeError()
  if (value === undefined && Array.isArray(this)) throw new TypeError()
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !isPlain(value))
    throw new TypeError()
  return value
}

/** Made by `{}` or `Object.create(null)`, in this realm or another. */
function isPlain(value: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
