import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { TenancyError } from '@org/core'
import type { PresentedKey } from './key-text.ts'

/** A key that never is in the database: what stands there is worth nothing without it. */
export interface Pepper {
  /** its name for ever, stored with each key: 1 to 64 of `A-Z a-z 0-9 . _ -` */
  readonly id: string
  /** 32 random bytes, as 64 hex or 44 base64 characters (`openssl rand -hex 32`) or as they are */
  readonly key: string | Uint8Array
}

/** The peppers at hand; the first is for new hashes, the rest is for reading. */
export interface Peppers {
  readonly current: string
  readonly keys: ReadonlyMap<string, KeyObject>
}

const ID = /^[A-Za-z0-9._-]{1,64}$/
const HEX = /^[0-9a-fA-F]{64}$/
const BASE64 = /^[A-Za-z0-9+/]{43}=$/

/**
 * @throws TenancyError KEY_MISSING without any, INVALID_OPTION for a bad or repeated id, KEY_INVALID for a bad key
 */
export function parsePeppers(peppers: readonly Pepper[]): Peppers {
  if (!Array.isArray(peppers) || peppers.length === 0) {
    throw new TenancyError(
      'KEY_MISSING',
      'API keys need a pepper: peppers: [{ id, key }], the key being 32 random bytes that are not in the database.',
      { details: { option: 'peppers' } },
    )
  }
  const keys = new Map<string, KeyObject>()
  for (const pepper of peppers as readonly (Partial<Pepper> | null | undefined)[]) {
    const { id, key } = pepper ?? {}
    if (typeof id !== 'string' || !ID.test(id) || keys.has(id)) {
      throw new TenancyError(
        'INVALID_OPTION',
        'Each pepper has an id of its own: 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-".',
        { details: { option: 'peppers' } },
      )
    }
    keys.set(id, createSecretKey(readPepper(id, key)))
  }
  return { current: (peppers[0] as Pepper).id, keys }
}

function readPepper(id: string, key: unknown): Buffer {
  if (key instanceof Uint8Array && key.length === 32) return Buffer.from(key)
  if (typeof key === 'string') {
    if (HEX.test(key)) return Buffer.from(key, 'hex')
    const bytes = Buffer.from(key, 'base64')
    // Two spellings of one key are a copying mistake that would be noticed late.
    if (BASE64.test(key) && bytes.toString('base64') === key) return bytes
  }
  throw new TenancyError(
    'KEY_INVALID',
    'A pepper is 32 bytes: 64 hex characters, 44 of base64, or a Uint8Array. Make one with "openssl rand -hex 32".',
    { details: { pepperId: id } },
  )
}

/** Computes the tag of a key in a tenant, 32 bytes. The seam at which tests count the work. */
export type Tag = (pepper: KeyObject, tenant: string, key: PresentedKey) => Buffer

/**
 * HMAC-SHA-256 over everything that makes the key what it is, each part with its length, so that no two sets of parts
 * give one message: a row copied to another tenant, or a test key edited into a live one, does not verify.
 */
export const hmacTag: Tag = (pepper, tenant, { prefix, env, keyId, secret }) => {
  let message = 'org/crypto api key v1'
  for (const part of [tenant, prefix, env, keyId, secret]) message += `|${Buffer.byteLength(part)}:${part}`
  return createHmac('sha256', pepper).update(message).digest()
}
