import { createCipheriv, createHash, randomBytes } from 'node:crypto'
import { type KeyRing, type KeyRingFormat, keyRing } from '../../src/keys/key-ring.ts'

// Three keys; test data, nothing is protected by them.
const key = (seed: string): string => createHash('sha256').update(seed).digest('hex')
export const KEY_1 = key('one')
export const KEY_2 = key('two')
export const KEY_3 = key('three')

/** A ring that seals under `key` and also opens under `retired`. */
export function ring(key: string, retired: readonly string[] = [], format: KeyRingFormat = {}): KeyRing {
  return keyRing({ key, retired, ...format })
}

/** `enc:v1:` as other programs write it: without a place. */
export function sealedElsewhere(key: string, plaintext: string): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), iv, { authTagLength: 16 })
  const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return `enc:v1:${Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64')}`
}
