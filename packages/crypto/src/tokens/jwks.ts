import type { JsonWebKey, KeyObject } from 'node:crypto'
import { keyInvalid } from './errors.ts'
import { publicKey } from './rsa-key.ts'

/** Where a verifier gets its public keys from. */
export interface KeySource {
  /**
   * The key of that id if it is at hand and trusted at this moment; without waiting. Asked on every verification,
   * so that a key taken away takes its tokens with it.
   */
  peek(kid: string): KeyObject | undefined
  /**
   * The same, after fetching keys where that can help.
   *
   * @throws TenancyError SERVICE_UNAVAILABLE when keys are needed and cannot be had
   */
  find(kid: string): Promise<KeyObject | undefined>
}

/** A JSON Web Key Set (RFC 7517, 5). */
export interface Jwks {
  readonly keys: readonly object[]
}

/** No issuer has more keys in use than this. */
const MAX_KEYS = 100

/**
 * A fixed set of public keys. Strict: one key that cannot be used makes it refuse the set, so that a mistake shows
 * when the program starts.
 *
 * @throws TenancyError KEY_INVALID for no keys, a key without `kid`, the same `kid` twice, another `use`, `alg` or
 *   `key_ops` than verifying RS256, a private key, or an RSA key under 2048 bits
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { createSigningKeys, createStaticKeys, createTokenVerifier } from '@org/crypto/tokens'
 *
 * const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
 * const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
 * const published = createSigningKeys({ keys: [{ kid: '2026-11', key, signsFrom: new Date('2026-11-01') }] }).jwks()
 * const keys = createStaticKeys(published)
 * createTokenVerifier({ issuer: 'https://auth.example', audience: 'https://api.example', keys })
 * ```
 */
export function createStaticKeys(jwks: Jwks): KeySource {
  const keys = new Map<string, KeyObject>()
  for (const jwk of entries(jwks)) {
    const { kid } = jwk
    if (!isKid(kid) || !isForVerifying(jwk)) {
      throw keyInvalid('every key needs a kid, and is a public RSA key for "use": "sig" and "alg": "RS256"')
    }
    if (keys.has(kid)) throw keyInvalid('two keys of the set have the same kid')
    keys.set(kid, publicKey(jwk))
  }
  return { peek: (kid) => keys.get(kid), find: async (kid) => keys.get(kid) }
}

/**
 * The keys of somebody else's set that we can use. Other keys in it are left alone, as RFC 7517, 5 asks; a `kid`
 * that two usable keys share is trusted for neither.
 *
 * @throws TenancyError KEY_INVALID when it is no key set
 */
export function usableKeys(jwks: unknown): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>()
  const seen = new Set<string>()
  for (const jwk of entries(jwks)) {
    if (!isKid(jwk.kid) || !isForVerifying(jwk)) continue
    if (seen.has(jwk.kid)) {
      keys.delete(jwk.kid)
      continue
    }
    seen.add(jwk.kid)
    try {
      keys.set(jwk.kid, publicKey(jwk))
    } catch {
      // A short or broken key: tokens that name it are refused.
    }
  }
  return keys
}

function entries(jwks: unknown): (JsonWebKey & { kid?: unknown })[] {
  const keys = typeof jwks === 'object' && jwks !== null && 'keys' in jwks ? jwks.keys : undefined
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    throw keyInvalid(`a key set is { keys: [...] } with 1 to ${MAX_KEYS} keys`)
  }
  return keys.map((key: JsonWebKey | null) => (typeof key === 'object' && key !== null ? key : {}))
}

function isKid(kid: unknown): kid is string {
  return typeof kid === 'string' && kid.length >= 1 && kid.length <= 256
}

/** RSA, for RS256 signatures, and nothing private in it: a private key that was published is nobody's any more. */
function isForVerifying(jwk: JsonWebKey): boolean {
  const { kty, use, alg, key_ops: operations } = jwk
  return (
    kty === 'RSA' &&
    (use === undefined || use === 'sig') &&
    (alg === undefined || alg === 'RS256') &&
    (operations === undefined || (Array.isArray(operations) && operations.includes('verify'))) &&
    !['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].some((member) => Object.hasOwn(jwk, member))
  )
}
