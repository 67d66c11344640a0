import type { SecretPlace } from './envelopes.ts'
import { invalidSecret } from './errors.ts'

/** Bytes (UTF-8) of tenant, table and name together: room for any identifier, and HKDF's `info` stays small. */
export const MAX_PLACE_BYTES = 900

/** A part can take three bytes for each UTF-16 unit; a length of four bytes stands before each. */
const ROOM = 3 * MAX_PLACE_BYTES + 64

/**
 * Writes a place so that no two places look alike: a label of fixed length that says what the bytes are for, then
 * each part behind its length in bytes (32 bits, big-endian). FORMAT.md, "The place". Check the place first.
 *
 * @returns a function whose result is valid until it is called again: it is handed to OpenSSL at once, which copies
 */
export function placeEncoder(label: string): (place: SecretPlace, keyId?: string) => Uint8Array {
  const start = Buffer.byteLength(label)
  const scratch = Buffer.alloc(start + ROOM)
  scratch.write(label)
  const append = (part: string, at: number): number => {
    const length = scratch.write(part, at + 4)
    scratch.writeUInt32BE(length, at)
    return at + 4 + length
  }
  return (place, keyId) => {
    const first = keyId === undefined ? start : append(keyId, start)
    const end = append(place.name, append(place.table, append(place.tenant, first)))
    if (end - first > MAX_PLACE_BYTES + 12) throw tooLong()
    return scratch.subarray(0, end)
  }
}

/** @throws TenancyError VALIDATION_ERROR for a place that cannot be encoded as what it is */
export function checkPlace(place: SecretPlace): void {
  const units = part(place?.tenant, 'tenant') + part(place?.table, 'table') + part(place?.name, 'name')
  if (units > MAX_PLACE_BYTES) throw tooLong()
}

/** Half a surrogate pair has no UTF-8: two different names would become one, so it is refused. */
function part(value: unknown, field: string): number {
  if (typeof value === 'string' && value !== '' && value.isWellFormed()) return value.length
  throw invalidSecret(field, `The ${field} of a secret's place is a string of Unicode text and not empty.`)
}

function tooLong(): Error {
  return invalidSecret(
    'place',
    `The tenant, table and name of a secret's place have at most ${MAX_PLACE_BYTES} bytes together.`,
  )
}
