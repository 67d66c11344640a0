import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

/** Bytes of random salt: the same salt comes twice with probability 2^-32 after 2^112 messages. */
export const SALT_BYTES = 32
export const COMMITMENT_BYTES = 32
const KEY_BYTES = 32

/** What one message is sealed with. */
export interface MessageKeys {
  /** used for this message and no other */
  readonly key: KeyObject
  /** public, and another for every other key, salt or header */
  readonly commitment: Buffer
}

/**
 * HKDF-SHA-256 (RFC 5869): the first 32 bytes encrypt, the last 32 commit. Two keys (or headers) with one commitment
 * would be a collision of SHA-256.
 *
 * @param header what the message is and where it belongs; at most 1,024 bytes
 */
export function deriveMessageKeys(key: KeyObject, salt: Uint8Array, header: Uint8Array): MessageKeys {
  const okm = Buffer.from(hkdf(key, salt, header, KEY_BYTES + COMMITMENT_BYTES))
  const messageKey = createSecretKey(okm.subarray(0, KEY_BYTES))
  const commitment = Buffer.from(okm.subarray(KEY_BYTES))
  okm.fill(0)
  return { key: messageKey, commitment }
}

/** HKDF-SHA-256 as it is; apart so that published vectors run through it. */
export function hkdf(key: KeyObject, salt: Uint8Array, info: Uint8Array, length: number): ArrayBuffer {
  return hkdfSync('sha256', key, salt, info, length)
}
