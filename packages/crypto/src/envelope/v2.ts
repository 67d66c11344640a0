import { randomFillSync, timingSafeEqual } from 'node:crypto'
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from './aes-gcm.ts'
import { decodeCanonical } from './base64.ts'
import { COMMITMENT_BYTES, deriveMessageKeys, SALT_BYTES } from './derive.ts'
import type { SecretPlace } from './envelopes.ts'
import type { HeldKey, KeyList } from './held-keys.ts'
import { placeEncoder } from './place.ts'
import type { Opened } from './v1.ts'

/** `enc:v2:`, key id, `:`, and the base64 of salt (32 bytes), commitment (32), tag (16), ciphertext. See FORMAT.md. */
export const V2 = 'enc:v2:'
const KEY_ID_LENGTH = 16
const BODY_AT = V2.length + KEY_ID_LENGTH + 1
const TAG_AT = SALT_BYTES + COMMITMENT_BYTES
const HEAD_BYTES = TAG_AT + TAG_BYTES

/** Each message has a key of its own, derived from a random salt, and a key used once needs no random nonce. */
const NONCE = Buffer.alloc(NONCE_BYTES)

const encodeHeader = placeEncoder('@org/crypto enc:v2')

export function sealV2({ id, key }: HeldKey, plaintext: string | Uint8Array, place: SecretPlace): string {
  const header = encodeHeader(place, id)
  const salt = randomFillSync(Buffer.allocUnsafe(SALT_BYTES))
  const message = deriveMessageKeys(key, salt, header)
  const { ciphertext, tag } = encrypt(message.key, NONCE, header, plaintext)
  const all = Buffer.allocUnsafe(HEAD_BYTES + ciphertext.length)
  all.set(salt, 0)
  all.set(message.commitment, SALT_BYTES)
  all.set(tag, TAG_AT)
  all.set(ciphertext, HEAD_BYTES)
  return `${V2}${id}:${all.toString('base64')}`
}

/** The envelope names its key, and opens under that one only: the commitment is checked before anything is decrypted. */
export function openV2(keys: KeyList, envelope: string, place: SecretPlace): Opened | null {
  const id = envelope.slice(V2.length, BODY_AT - 1)
  const held = keys.find((candidate) => candidate.id === id)
  if (held === undefined || envelope[BODY_AT - 1] !== ':') return null
  const all = decodeCanonical(envelope.slice(BODY_AT))
  if (all === null || all.length < HEAD_BYTES) return null
  const header = encodeHeader(place, held.id)
  const message = deriveMessageKeys(held.key, all.subarray(0, SALT_BYTES), header)
  if (!timingSafeEqual(message.commitment, all.subarray(SALT_BYTES, TAG_AT))) return null
  const tag = all.subarray(TAG_AT, HEAD_BYTES)
  const plaintext = decrypt(message.key, NONCE, header, tag, all.subarray(HEAD_BYTES))
  return plaintext === null ? null : { plaintext, key: held, bound: true }
}
