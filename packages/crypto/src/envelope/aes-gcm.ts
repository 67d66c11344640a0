import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto'

/** AES-256-GCM as NIST SP 800-38D has it: the nonce is 96 bits, the tag never shorter than 128. */
export const NONCE_BYTES = 12
export const TAG_BYTES = 16
const ALGORITHM = 'aes-256-gcm'
/** Without it Node accepts tags of 4 to 16 bytes, and a tag of 4 is found by guessing. */
const OPTIONS = { authTagLength: TAG_BYTES } as const

/** What encryption gives: the caller lays the parts out. */
export interface Encrypted {
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

/** @param aad authenticated with it; `null` for none */
export function encrypt(
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array | null,
  plaintext: string | Uint8Array,
): Encrypted {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS)
  if (aad !== null) cipher.setAAD(aad)
  const ciphertext =
    typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext)
  // GCM is a stream: `final` has no bytes left to give, it computes the tag.
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

/** @returns the plaintext, or `null` when the tag does not match: nothing of it is released before that is known */
export function decrypt(
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array | null,
  tag: Uint8Array,
  ciphertext: Uint8Array,
): Buffer | null {
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS)
  if (aad !== null) decipher.setAAD(aad)
  decipher.setAuthTag(tag)
  const plaintext = decipher.update(ciphertext)
  try {
    decipher.final()
  } catch {
    plaintext.fill(0)
    return null
  }
  return plaintext
}
