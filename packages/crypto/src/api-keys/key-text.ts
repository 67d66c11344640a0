import { TenancyError } from '@org/core'
import { randomBase62 } from './base62.ts'
import { CHECKSUM_LENGTH, checksum } from './checksum.ts'

/** Where a key works: a test key never opens live data, also when its text is edited. */
export type ApiKeyEnv = 'live' | 'test'

/** What can be told from a key's text alone; nothing of it is proven, and the secret is left out. */
export interface ParsedApiKey {
  readonly prefix: string
  readonly env: ApiKeyEnv
  readonly keyId: string
}

/** @internal The same with the secret: it stays inside this folder. */
export interface PresentedKey extends ParsedApiKey {
  readonly secret: string
}

/** 95 bits: what a key is looked up by; no secret. */
export const KEY_ID_LENGTH = 16
/** 62^43 > 2^256. */
const SECRET_LENGTH = 43

/** No "_", which separates the parts. */
export const PREFIX = /^[a-z][a-z0-9]{1,15}$/
const PARTS = /^([a-z][a-z0-9]{1,15})_(live|test)_([0-9A-Za-z]{16})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/

/** A new key's text and parts. */
export function makeKeyText(
  prefix: string,
  env: ApiKeyEnv,
  keyId: string = randomBase62(KEY_ID_LENGTH),
): { readonly key: string; readonly presented: PresentedKey } {
  const secret = randomBase62(SECRET_LENGTH)
  const body = `${prefix}_${env}_${keyId}_${secret}`
  return { key: body + checksum(body), presented: { prefix, env, keyId, secret } }
}

/**
 * Reads a key's text, for example to tell somebody at once that they mistyped it.
 *
 * @param text what came from outside; nothing is trimmed or otherwise changed
 * @throws TenancyError INVALID_TOKEN; `details.reason` is `format` or `checksum`
 * @example
 * ```ts
 * import { parseApiKey } from '@org/crypto/api-keys'
 *
 * parseApiKey('no key') // → throws INVALID_TOKEN
 * ```
 */
export function parseApiKey(text: unknown): ParsedApiKey {
  const { prefix, env, keyId } = readKeyText(text)
  return { prefix, env, keyId }
}

/** @internal */
export function readKeyText(text: unknown): PresentedKey {
  const found = typeof text === 'string' ? PARTS.exec(text) : null
  if (!found) throw badKey('format')
  const [whole, prefix = '', env, keyId = '', secret = '', check] = found
  if (checksum(whole.slice(0, -CHECKSUM_LENGTH)) !== check) throw badKey('checksum')
  return { prefix, env: env as ApiKeyEnv, keyId, secret }
}

/**
 * What finds this system's keys in text: for a log redactor, or as the custom pattern of a secret scanner.
 *
 * @param prefix as given to `createApiKeys` (default `pgt`)
 * @returns a new global RegExp
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { apiKeyPattern } from '@org/crypto/api-keys'
 *
 * const line = `authorization: pgt_live_${'a'.repeat(16)}_${'b'.repeat(49)}`
 * line.replace(apiKeyPattern(), '[api key]') // → 'authorization: [api key]'
 * ```
 */
export function apiKeyPattern(prefix = 'pgt'): RegExp {
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) throw badPrefix()
  return new RegExp(`\\b${prefix}_(?:live|test)_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}\\b`, 'g')
}

/** @internal */
export function badPrefix(): TenancyError {
  return new TenancyError(
    'INVALID_OPTION',
    'A key prefix has 2 to 16 of a-z and 0-9 and begins with a letter.',
    {
      details: { option: 'prefix' },
    },
  )
}

/** One text for every refused key, so that it does not tell an unknown one from a wrong one. */
export function badKey(reason?: string): TenancyError {
  return new TenancyError(
    'INVALID_TOKEN',
    'The API key was not accepted. Check that it was copied whole, or have a new one made.',
    reason === undefined ? {} : { details: { reason } },
  )
}
