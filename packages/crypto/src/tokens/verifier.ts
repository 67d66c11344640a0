import { type KeyObject, verify } from 'node:crypto'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  type AccessToken,
  type CustomClaims,
  checkClaims,
  type Identify,
  tenantOf,
  validUntil,
} from './claims.ts'
import { readCompact, type UnverifiedToken } from './compact.ts'
import { invalidToken, tokenRefusal } from './errors.ts'
import { MAX_TOKEN_LENGTH } from './issuer.ts'
import { isStrongRsa } from './rsa-key.ts'
import { createVerifiedCache, digestOf, type Verified } from './verified-cache.ts'
import { parseVerifierOptions, type TokenVerifierOptions } from './verifier-options.ts'

export interface TokenVerifier<C = CustomClaims> {
  /**
   * Who a request speaks for, once everything about its token was proven.
   *
   * @throws TenancyError TOKEN_EXPIRED (a good token that ran out), INVALID_TOKEN (anything else), or
   *   SERVICE_UNAVAILABLE when keys or the denylist cannot be read
   */
  verify(token: string): Promise<AccessToken<C>>
}

/**
 * Verifies access tokens.
 *
 * @param options.claims checks and types the custom claims (zod, valibot, any Standard Schema)
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { createSigningKeys, createTokenIssuer, createTokenVerifier } from '@org/crypto/tokens'
 *
 * const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
 * const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
 * const api = {
 *   issuer: 'https://auth.example',
 *   audience: 'https://api.example',
 *   keys: createSigningKeys({ keys: [{ kid: '2026-11', key, signsFrom: new Date('2026-11-01') }] }),
 * }
 * const { token } = await createTokenIssuer(api).issue({ sub: 'user-1', tenantId: 'acme', type: 'user' })
 * const actor = await createTokenVerifier(api).verify(token)
 * actor.tenantId // → 'acme'
 * ```
 */
export function createTokenVerifier<C>(
  options: TokenVerifierOptions & { readonly claims: StandardSchemaV1<unknown, C> },
): TokenVerifier<C>
export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier
export function createTokenVerifier(
  options: TokenVerifierOptions & { readonly claims?: StandardSchemaV1 },
): TokenVerifier<unknown> {
  const settings = parseVerifierOptions(options)
  const { keysOf, clock, denylist, policy } = settings
  const cache = settings.cacheMax === 0 ? undefined : createVerifiedCache<unknown>(settings.cacheMax)

  const remembered = (digest: string): AccessToken<unknown> | undefined => {
    const entry = cache?.get(digest)
    if (entry === undefined) return undefined
    const holds =
      clock() < entry.until &&
      keysOf(entry.token.tenantId) === entry.keys &&
      entry.keys.peek(entry.kid) === entry.key
    if (!holds) cache?.delete(digest)
    return holds ? entry.token : undefined
  }
  const check = async (text: string): Promise<Verified<unknown>> => {
    const unverified = readCompact(text, settings.types)
    const { kid, claims } = unverified
    const named = identified(settings.identify, claims)
    const who = { tenantId: tenantOf(named.tenantId, options.tenantPrefix), type: named.type }
    const keys = keysOf(who.tenantId)
    const key = await keys?.find(kid)
    if (keys === undefined || key === undefined) throw invalidToken('unknown_key')
    if (!isSigned(unverified, key)) throw invalidToken('signature')
    const token = checkClaims(claims, who, policy, clock(), () => digestOf(text))
    const custom = await parseClaims(options.claims, token.claims)
    return {
      token: Object.freeze({ ...token, claims: custom }),
      kid,
      key,
      keys,
      until: validUntil(token, policy),
    }
  }
  const accept = async (text: string): Promise<AccessToken<unknown>> => {
    if (typeof text !== 'string' || text.length > MAX_TOKEN_LENGTH) throw invalidToken('too_long')
    const digest = cache === undefined ? '' : digestOf(text)
    let token = remembered(digest)
    if (token === undefined) {
      const verified = await check(text)
      cache?.set(digest, verified)
      token = verified.token
    }
    tell(settings.onGood, token)
    const denied = denylist?.isDenied(token.tenantId, token.jti)
    if (denied !== undefined && denied !== false && (await denied)) throw invalidToken('denied')
    return token
  }
  return {
    verify: async (text) => {
      try {
        return await accept(text)
      } catch (error) {
        const reason = tokenRefusal(error)
        if (reason !== undefined) tell(settings.onRefused, reason)
        throw error
      }
    },
  }
}

/**
 * RS256 (RFC 7518, 3.3), by the one call of OpenSSL. `readCompact` has refused all that a library would look at beside it, and by way of
 * Web Crypto it takes twice as long: in another thread, while this one makes buffers for it.
 */
function isSigned({ signed, signature }: UnverifiedToken, key: KeyObject): boolean {
  return isStrongRsa(key) && verify('sha256', signed, key, signature)
}

/** What throws there refuses nothing, and what is rejected there (it may be async) does not end the process. */
function tell<T>(listener: ((what: T) => unknown) | undefined, what: T): void {
  try {
    const told = listener?.(what)
    if (told instanceof Promise) told.catch(() => {})
  } catch {
    // Nothing to tell it to.
  }
}

/** Claims of any shape reach it, so it may fail on them. @throws TenancyError INVALID_TOKEN */
function identified(identify: Identify, claims: CustomClaims): ReturnType<Identify> {
  try {
    const { tenantId, type } = identify(claims)
    return { tenantId, type }
  } catch {
    throw invalidToken('identify_threw')
  }
}

/** What the schema makes of the custom claims. @throws TenancyError INVALID_TOKEN */
async function parseClaims(schema: StandardSchemaV1 | undefined, claims: CustomClaims): Promise<unknown> {
  if (schema === undefined) return claims
  let result: StandardSchemaV1.Result<unknown>
  try {
    result = await schema['~standard'].validate(claims)
  } catch {
    throw invalidToken('claims_schema')
  }
  if (result.issues !== undefined) throw invalidToken('claims_schema')
  const { value } = result
  return typeof value === 'object' && value !== null ? Object.freeze(value) : value
}
