import { invalidOption, type OptionNames, requireKnownOptions, type TenantKey } from '@org/core'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { AccessToken, ClaimsPolicy, Identify } from './claims.ts'
import type { TokenRefusal } from './errors.ts'
import { ACCESS_TOKEN_TYPE, constant } from './issuer.ts'
import type { KeySource } from './jwks.ts'
import { functionOption, numberOption, seconds, textOption } from './options.ts'

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

/** @throws TenancyError INVALID_OPTION */
export function parseVerifierOptions(options: TokenVerifierOptions) {
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
    onGood: functionOption('onGood', options.onGood, undefined),
    onRefused: functionOption('onRefused', options.onRefused, undefined),
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
