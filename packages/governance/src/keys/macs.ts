import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import { TenancyError } from '@org/core'
import { invalidOption } from '../input/input.ts'

/**
 * Keys of the application for codes over entries and seals, by id; the first is used for new ones. Each 32 bytes, or their
 * base64. They must not be known to whoever may change the database.
 */
export type MacKeys = Readonly<Record<string, Uint8Array | string>>

/** @internal Makes and checks message authentication codes (HMAC-SHA-256, RFC 2104). */
export interface Macs {
  /** @returns `<key id>:<base64url>` */
  sign(purpose: string, text: string): string
  /** Whether the code was made with one of the keys over that very text. */
  verify(purpose: string, text: string, mac: string): boolean
}

const KEY_ID = /^[a-z0-9][a-z0-9_-]{0,31}$/

/**
 * @internal
 * @throws TenancyError INVALID_OPTION; KEY_INVALID when a key is not of 32 bytes
 */
export function macsOf(keys: MacKeys, use: string): Macs {
  if (typeof keys !== 'object' || keys === null) throw invalidOption('keys', 'an object of keys by id')
  const derived = new Map(Object.entries(keys).map(([id, key]) => [checkedId(id), macKey(id, key, use)]))
  const [current] = derived.keys()
  if (current === undefined) throw invalidOption('keys', 'an object of at least one key')
  const digest = (id: string, purpose: string, text: string) =>
    createHmac('sha256', derived.get(id) as KeyObject)
      .update(`${purpose}\0${text}`, 'utf8')
      .digest()
  return {
    sign: (purpose, text) => `${current}:${digest(current, purpose, text).toString('base64url')}`,
    verify: (purpose, text, mac) => {
      const at = mac.indexOf(':')
      const id = mac.slice(0, at)
      if (at < 0 || !derived.has(id)) return false
      const [claimed, real] = [Buffer.from(mac.slice(at + 1), 'base64url'), digest(id, purpose, text)]
      return claimed.length === real.length && timingSafeEqual(claimed, real)
    },
  }
}

function checkedId(id: string): string {
  if (KEY_ID.test(id)) return id
  throw invalidOption('keys', 'keys by ids of 1 to 32 of a-z, 0-9, "_" and "-"')
}

/**
 * The application may use one key for several things: for each use a key of its own is derived from it (HKDF, RFC 5869).
 *
 * @internal
 * @throws TenancyError KEY_INVALID
 */
export function macKey(id: string, key: unknown, use: string): KeyObject {
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64') : key
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32) {
    throw new TenancyError('KEY_INVALID', 'A key has 32 bytes, given as such or as base64.', {
      details: { keyId: id },
    })
  }
  // A key object is made ready once; bytes are at every use, which costs eight times as much.
  return createSecretKey(Buffer.from(hkdfSync('sha256', bytes, '', `@org/governance/${use}`, 32)))
}
