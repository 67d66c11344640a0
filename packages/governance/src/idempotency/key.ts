import { invalidField } from '../input/input.ts'

/** 1 to 255 printable characters of ASCII, without quotes and backslashes; it may stand in double quotes. */
const KEY = /^[\x21\x23-\x5b\x5d-\x7e]{1,255}$/

/**
 * The key of a request, from its `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header: a string of
 * structured fields, in quotes; without them it is taken as well, as most clients send it).
 *
 * @internal
 * @returns `undefined` without the header
 * @throws TenancyError VALIDATION_ERROR when it is there twice or is no key
 */
export function parseIdempotencyKey(header: unknown): string | undefined {
  if (header === undefined || header === null) return undefined
  const text = typeof header === 'string' && header.length <= 257 ? header : ''
  const key = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  if (KEY.test(key)) return key
  throw invalidField(
    'Idempotency-Key',
    'one key of 1 to 255 printable characters, without spaces, quotes and backslashes',
  )
}
