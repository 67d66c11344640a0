import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { keyRing } from '@org/crypto'
import type { Contender } from '../measure/interleave.ts'
import { batch } from './crypto-batch.ts'

export const ENVELOPE = {
  calls: 'cipher calls only',
  byHand: 'the same text by hand',
  v1: 'enc:v1',
  v2: 'enc:v2',
} as const

export const ENVELOPES_AT_ONCE = 200

const PLAINTEXT = 's'.repeat(64)
const PLACE = { tenant: 'acme', table: 'app_settings', name: 'smtp.password' }
/** As long as the additional data of that place in enc:v1 (FORMAT.md). */
const AAD = randomBytes(60)
const OPTIONS = { authTagLength: 16 } as const
const ALGORITHM = 'aes-256-gcm'
const PREFIX = 'enc:v1:'

/** Sealing 64 bytes: with node:crypto alone, into the same text by hand, and with a key ring. */
export function sealContenders(): Contender[] {
  const { key, v1, v2 } = keys()
  return [
    batch(ENVELOPE.calls, ENVELOPES_AT_ONCE, () => sealOnly(key)),
    batch(ENVELOPE.byHand, ENVELOPES_AT_ONCE, () => sealByHand(key)),
    batch(ENVELOPE.v1, ENVELOPES_AT_ONCE, () => v1.seal(PLAINTEXT, PLACE)),
    batch(ENVELOPE.v2, ENVELOPES_AT_ONCE, () => v2.seal(PLAINTEXT, PLACE)),
  ]
}

/** Opening what the others sealed. */
export function openContenders(): Contender[] {
  const { key, v1, v2 } = keys()
  const byHand = sealByHand(key)
  const parts = split(byHand)
  const [first, second] = [v1.seal(PLAINTEXT, PLACE), v2.seal(PLAINTEXT, PLACE)]
  return [
    batch(ENVELOPE.calls, ENVELOPES_AT_ONCE, () => openOnly(key, parts)),
    batch(ENVELOPE.byHand, ENVELOPES_AT_ONCE, () => openByHand(key, byHand)),
    batch(ENVELOPE.v1, ENVELOPES_AT_ONCE, () => v1.open(first, PLACE)),
    batch(ENVELOPE.v2, ENVELOPES_AT_ONCE, () => v2.open(second, PLACE)),
  ]
}

function keys() {
  const bytes = randomBytes(32)
  const hex = bytes.toString('hex')
  return { key: createSecretKey(bytes), v1: keyRing({ key: hex }), v2: keyRing({ key: hex, format: 'v2' }) }
}

interface Sealed {
  readonly iv: Buffer
  readonly tag: Buffer
  readonly data: Buffer
}

/** A random iv, the cipher and its tag; nothing is put together. */
function sealOnly(key: KeyObject): Sealed {
  const iv = randomBytes(12)
  const cipher = createCipheriv(ALGORITHM, key, iv, OPTIONS)
  cipher.setAAD(AAD)
  const data = cipher.update(PLAINTEXT, 'utf8')
  cipher.final()
  return { iv, tag: cipher.getAuthTag(), data }
}

function sealByHand(key: KeyObject): string {
  const { iv, tag, data } = sealOnly(key)
  return PREFIX + Buffer.concat([iv, tag, data]).toString('base64')
}

function openOnly(key: KeyObject, { iv, tag, data }: Sealed): Buffer {
  const decipher = createDecipheriv(ALGORITHM, key, iv, OPTIONS)
  decipher.setAAD(AAD)
  decipher.setAuthTag(tag)
  const plaintext = decipher.update(data)
  decipher.final()
  return plaintext
}

/** As Node's manual does it ("CCM mode", which goes for GCM): the text straight from `update`. */
function openByHand(key: KeyObject, text: string): string {
  const { iv, tag, data } = split(text)
  const decipher = createDecipheriv(ALGORITHM, key, iv, OPTIONS)
  decipher.setAAD(AAD)
  decipher.setAuthTag(tag)
  const plaintext = decipher.update(data, undefined, 'utf8')
  decipher.final()
  return plaintext
}

function split(text: string): Sealed {
  const bytes = Buffer.from(text.slice(PREFIX.length), 'base64')
  return { iv: bytes.subarray(0, 12), tag: bytes.subarray(12, 28), data: bytes.subarray(28) }
}
