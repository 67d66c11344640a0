import { randomFillSync } from 'node:crypto'
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from './aes-gcm.ts'
import { decodeCanonical } from './base64.ts'
import type { SecretPlace } from './envelopes.ts'
import type { HeldKey, KeyList } from './held-keys.ts'
import { placeEncoder } from './place.ts'

/** `enc:v1:` and the base64 of iv (12 bytes), tag (16), ciphertext. FORMAT.md, "enc:v1". */
export const V1 = 'enc:v1:'
const HEAD_BYTES = NONCE_BYTES + TAG_BYTES

const encodePlace = placeEncoder('@org/crypto enc:v1')

/** A fresh random iv each time, straight from the generator: a stock of them could be used twice by a cloned VM. */
export function sealV1({ key }: HeldKey, plaintext: string | Uint8Array, place: SecretPlace): string {
  const aad = encodePlace(place)
  const iv = randomFillSync(Buffer.allocUnsafe(NONCE_BYTES))
  const { ciphertext, tag } = encrypt(key, iv, aad, plaintext)
  const all = Buffer.allocUnsafe(HEAD_BYTES + ciphertext.length)
  all.set(iv, 0)
  all.set(tag, NONCE_BYTES)
  all.set(ciphertext, HEAD_BYTES)
  return V1 + all.toString('base64')
}

/** What an envelope held, and how it was held. */
export interface Opened {
  readonly plaintext: Buffer
  readonly key: HeldKey
  readonly bound: boolean
}

/** The envelope does not name its key: the current one is tried first, then the retired ones. */
export function openV1(
  keys: KeyList,
  envelope: string,
  place: SecretPlace,
  acceptUnbound: boolean,
): Opened | null {
  const aad = encodePlace(place)
  const all = decodeCanonical(envelope.slice(V1.length))
  if (all === null || all.length < HEAD_BYTES) return null
  return open(keys, all, aad) ?? (acceptUnbound ? open(keys, all, null) : null)
}

function open(keys: KeyList, all: Buffer, aad: Uint8Array | null): Opened | null {
  const iv = all.subarray(0, NONCE_BYTES)
  const tag = all.subarray(NONCE_BYTES, HEAD_BYTES)
  const ciphertext = all.subarray(HEAD_BYTES)
  for (const held of keys) {
    const plaintext = decrypt(held.key, iv, aad, tag, ciphertext)
    if (plaintext !== null) return { plaintext, key: held, bound: aad !== null }
  }
  return null
}
