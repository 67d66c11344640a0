import { type KeyObject, verify } from 'node:crypto'
import { invalidOption, type OptionNames, requireKnownOptions, type TenantKey } from '@org/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import {
  type AccessToken,
  type ClaimsPolicy,
  type CustomClaims,
  checkClaims,
  type Identify,
  tenantOf,
  validUntil,
} from './claims.ts'
import { readCompact, type UnverifiedToken } from './compact.ts'
import { invalidToken, type TokenRefusal, tokenRefusal } from './errors.ts'
import { ACCESS_TOKEN_TYPE, constant, MAX_TOKEN_LENGTH } from './issuer.ts'
import type { KeySource } from './jwks.ts'
import { functionOption, numberOption, textOption } from './options.ts'
import { isStrongRsa } from './rsa-key.ts'
import { createVerifiedCache, digestOf, type Verified } from './verified-cache.ts'

/** Knows which tokens were revoked before they ran out; `createDenylist` makes one. */
export interface DenylistReader {
  /** @returns without a promise where the answer is at hand */
  isDenied(tenant: TenantKey, jti: string): boolean | Promise<boolean>
}

export interface TokenVerifierOptions {
  /**
   * The only `iss` accepted; several where one issuer writes its name in several ways (Google, with `https://` and without); as a
   * function, the one of the tenant that the token names.
   */
  readonly issuer: string | readonly string[] | ((tenant: TenantKey) => string)
  /** the only `aud` accepted */
  readonly audience: string
  /**
   * The public keys; as a function, the ones of the tenant that the token names, so that the keys of one tenant's
   * identity provider can never vouch for another tenant. `undefined`: no token of that tenant is accepted.
   */
  readonly keys: KeySource | ((tenant: TenantKey) => KeySource | undefined)
  /** seconds that clocks may differ (default 5, at most 60) */
  readonly clockTolerance?: number
  /** seconds after `iat` that a token is accepted at most, whatever its `exp` (default 3,600, at most 86,400) */
  readonly maxAge?: number
  /** asked on every verification, also for a token in the cache */
  readonly denylist?: DenylistReader
  /** how many verified tokens are remembered, about 1.5 kB each (default `{ max: 10_000 }`); `false` for none */
  readonly cache?: { readonly max: number } | false
  /** accepted `typ` header values (default `at+jwt` and `application/at+jwt`, RFC 9068, 4); for other issuers */
  readonly types?: readonly string[]
  /** accept a list as `aud` if our audience is in it, as some OpenID providers send (default: refused) */
  readonly audienceList?: boolean
  /**
   * Where another issuer's tokens say the tenant and the kind of actor (default: the claims `tenantId` and `type`).
   * Called before the signature is checked: read the claims, believe nothing, and change nothing.
   */
  readonly identify?: Identify
  /**
   * Where the token's own id stands, which the denylist goes by (default `jti`; with `identify` also `uti`, as Entra ID writes
   * it, and without either the digest of the token): the name of a claim, or `digest` for issuers that give none.
   */
  readonly tokenId?: string
  /**
   * The claim that is held against `audience` where a token has no `aud`, e.g. `azp` of Keycloak (default: none, so that a token
   * without `aud` is refused; with `identify` it is `client_id` of an access token of Amazon Cognito, which says
   * `token_use: "access"`).
   */
  readonly audienceClaim?: string
  /**
   * Told of a token that is good but for the denylist, which is asked meanwhile: what its request will need can be read at the same
   * time. It may yet be refused: change nothing.
   */
  readonly onGood?: (token: AccessToken<unknown>) => void
  /** told why a token was refused, for the developer's log; never tell the client. See {@link tokenRefusal}. */
  readonly onRefused?: (reason: TokenRefusal) => void
  /** what stands before tenants' schema names, if you changed it (default `c_`) */
  readonly tenantPrefix?: string
  /** milliseconds since 1970 (default `Date.now`) */
  readonly clock?: () => number
}

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
    if (settings.onGood !== undefined) tell(settings.onGood, token)
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

/** What throws there refuses nothing. */
function tell<T>(listener: ((what: T) => void) | undefined, what: T): void {
  try {
    listener?.(what)
  } catch {
    // Nothing to tell it to.
  }
}

const NAMES: OptionNames<TokenVerifierOptions & { readonly claims?: StandardSchemaV1 }> = {
  issuer: true,
  audience: true,
  keys: true,
  clockTolerance: true,
  maxAge: true,
  denylist: true,
  cache: true,
  types: true,
  audienceList: true,
  audienceClaim: true,
  tokenId: true,
  identify: true,
  onGood: true,
  onRefused: true,
  tenantPrefix: true,
  clock: true,
  claims: true,
}

function parseVerifierOptions(options: TokenVerifierOptions) {
  const { issuer, keys, cache = { max: 10_000 }, denylist } = options
  requireKnownOptions(options, NAMES)
  if (typeof keys !== 'function' && typeof keys?.find !== 'function') {
    throw invalidOption('keys', 'a key source, or a function from tenant to key source')
  }
  if (denylist !== undefined && typeof denylist.isDenied !== 'function') {
    throw invalidOption('denylist', 'made by createDenylist')
  }
  const types = options.types ?? [ACCESS_TOKEN_TYPE, `application/${ACCESS_TOKEN_TYPE}`]
  if (!Array.isArray(types) || types.length === 0) throw invalidOption('types', 'a list of "typ" values')
  const policy: ClaimsPolicy = {
    issuersOf: issuersOf(issuer),
    audience: textOption('audience', options.audience),
    audienceList: options.audienceList === true,
    audienceClaimOf: audienceClaimOf(options),
    tokenIdOf: tokenIdOf(options),
    clockTolerance: seconds('clockTolerance', options.clockTolerance, 5, 0, 60),
    maxAge: seconds('maxAge', options.maxAge, 3_600, 1, 86_400),
  }
  return {
    policy,
    keysOf: typeof keys === 'function' ? keys : constant(keys),
    types: types.map((type) => textOption('types', type).toLowerCase()),
    denylist,
    identify: functionOption<Identify>('identify', options.identify, ({ tenantId, type }) => ({
      tenantId,
      type,
    })),
    cacheMax:
      cache === false
        ? 0
        : numberOption('cache', cache.max, { fallback: 10_000, min: 1, max: 1_000_000, unit: 'tokens' }),
    clock: functionOption('clock', options.clock, Date.now),
    onGood: options.onGood === undefined ? undefined : functionOption('onGood', options.onGood, () => {}),
    onRefused:
      options.onRefused === undefined ? undefined : functionOption('onRefused', options.onRefused, () => {}),
  }
}

/** @throws TenancyError INVALID_OPTION */
function issuersOf(issuer: TokenVerifierOptions['issuer']): ClaimsPolicy['issuersOf'] {
  if (typeof issuer === 'function') return (tenant) => [issuer(tenant)]
  if (typeof issuer === 'string' || !Array.isArray(issuer)) return constant([textOption('issuer', issuer)])
  if (issuer.length === 0) throw invalidOption('issuer', 'a list of at least one')
  return constant(issuer.map((one) => textOption('issuer', one)))
}

/** @throws TenancyError INVALID_OPTION */
function audienceClaimOf({ audienceClaim, identify }: TokenVerifierOptions): ClaimsPolicy['audienceClaimOf'] {
  if (audienceClaim !== undefined) {
    const name = textOption('audienceClaim', audienceClaim)
    return () => name
  }
  if (identify === undefined) return () => undefined
  return ({ token_use }) => (token_use === 'access' ? 'client_id' : undefined)
}

/** @throws TenancyError INVALID_OPTION */
function tokenIdOf({ tokenId, identify }: TokenVerifierOptions): ClaimsPolicy['tokenIdOf'] {
  if (tokenId === 'digest') return (_, digest) => digest()
  if (tokenId !== undefined) {
    const name = textOption('tokenId', tokenId)
    return (claims) => claims[name]
  }
  // Ours always has one; for others any id will do that is the same whenever the token is.
  if (identify === undefined) return ({ jti }) => jti
  return ({ jti, uti }, digest) => jti ?? uti ?? digest()
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

function seconds(
  name: string,
  value: number | undefined,
  fallback: number,
  min: number,
  max: number,
): number {
  return numberOption(name, value, { fallback, min, max, unit: 'seconds' })
}
