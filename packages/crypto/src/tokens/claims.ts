import { parseTenantKey, type TenantKey } from '@org/core'
import { invalidToken, tokenExpired } from './errors.ts'
import { isIdentifier } from './options.ts'

/** Who acts: a person, or a program with an API key. */
export type ActorType = 'user' | 'service'

/** Claims beyond the ones this package gives a meaning to. */
export type CustomClaims = Readonly<Record<string, unknown>>

/** What an accepted access token says. Frozen. */
export interface AccessToken<C = CustomClaims> {
  readonly iss: string
  readonly sub: string
  readonly tenantId: TenantKey
  readonly type: ActorType
  readonly role?: string
  readonly groups?: readonly string[]
  /** the token's own id, for the denylist */
  readonly jti: string
  /** seconds since 1970 */
  readonly iat: number
  /** seconds since 1970 */
  readonly exp: number
  /** every other claim: unknown values, or what the `claims` schema made of them */
  readonly claims: C
}

/** Claims with a meaning of their own; a custom claim cannot take these names. */
export const RESERVED_CLAIMS: ReadonlySet<string> = new Set([
  'iss',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'jti',
  'tenantId',
  'type',
  'role',
  'groups',
  '__proto__',
])

/** What the claims are held against. */
export interface ClaimsPolicy {
  readonly issuersOf: (tenant: TenantKey) => readonly unknown[]
  readonly audience: string
  readonly audienceList: boolean
  /** the claim that is compared where a token has no `aud`; `undefined`: such a token is refused */
  readonly audienceClaimOf: (claims: CustomClaims) => string | undefined
  readonly tokenIdOf: (claims: CustomClaims, digest: () => string) => unknown
  /** seconds */
  readonly clockTolerance: number
  /** seconds */
  readonly maxAge: number
}

/** Where the tenant and the kind of actor stand in a token; another issuer may name them differently. */
export type Identify = (claims: CustomClaims) => { readonly tenantId: unknown; readonly type: unknown }

/** The tenant a token names. @throws TenancyError INVALID_TOKEN */
export function tenantOf(value: unknown, prefix: string | undefined): TenantKey {
  try {
    return parseTenantKey(value, prefix === undefined ? {} : { prefix })
  } catch {
    throw invalidToken('tenant')
  }
}

/**
 * Checks every claim of a token whose signature was verified. The expiry comes last, so that TOKEN_EXPIRED is only
 * ever said of a token that was good.
 *
 * @param now milliseconds since 1970
 * @param digest of the whole token, for issuers that give it no id
 * @throws TenancyError INVALID_TOKEN or TOKEN_EXPIRED
 */
export function checkClaims(
  raw: CustomClaims,
  who: { readonly tenantId: TenantKey; readonly type: unknown },
  policy: ClaimsPolicy,
  now: number,
  digest: () => string,
): AccessToken {
  const { iss, sub, iat, exp, nbf, role, groups } = raw
  const { tenantId, type } = who
  if (typeof iss !== 'string' || !policy.issuersOf(tenantId).includes(iss)) throw invalidToken('issuer')
  if (isForSignIn(raw)) throw invalidToken('not_an_access_token')
  if (!isAudience(raw, policy)) throw invalidToken('audience')
  if (!isIdentifier(sub)) throw invalidToken('subject')
  const jti = policy.tokenIdOf(raw, digest)
  if (!isIdentifier(jti)) throw invalidToken('token_id')
  if (type !== 'user' && type !== 'service') throw invalidToken('actor_type')
  if (role !== undefined && !isIdentifier(role)) throw invalidToken('role')
  if (groups !== undefined && !isGroups(groups)) throw invalidToken('groups')
  if (!isTime(iat) || !isTime(exp) || exp <= iat) throw invalidToken('times')
  const seconds = now / 1000
  if (iat > seconds + policy.clockTolerance) throw invalidToken('issued_in_the_future')
  if (nbf !== undefined && !(isTime(nbf) && nbf <= seconds + policy.clockTolerance))
    throw invalidToken('not_yet_valid')
  if (now >= validUntil({ iat, exp }, policy)) throw tokenExpired()
  const custom = Object.fromEntries(Object.entries(raw).filter(([name]) => !RESERVED_CLAIMS.has(name)))
  return {
    iss,
    sub,
    tenantId,
    type,
    ...(role !== undefined && { role }),
    ...(groups !== undefined && { groups }),
    jti,
    iat,
    exp,
    claims: Object.freeze(custom),
  }
}

/** When a token stops being accepted, in milliseconds since 1970: `exp`, or the maximum age if that is sooner. */
export function validUntil(token: { iat: number; exp: number }, policy: ClaimsPolicy): number {
  return (Math.min(token.exp, token.iat + policy.maxAge) + policy.clockTolerance) * 1000
}

/**
 * Exactly our audience. A list is refused unless asked for: any member of it could take the token to all the others. A token
 * without `aud` is held against another claim where one is named.
 */
function isAudience(raw: CustomClaims, { audience, audienceList, audienceClaimOf }: ClaimsPolicy): boolean {
  const { aud } = raw
  if (aud === undefined) {
    const claim = audienceClaimOf(raw)
    return claim !== undefined && Object.hasOwn(raw, claim) && raw[claim] === audience
  }
  return aud === audience || (audienceList && Array.isArray(aud) && aud.includes(audience))
}

/** An ID or refresh token that says so itself: `token_use` of Cognito, `typ` of Keycloak. Their `aud` may be ours. */
function isForSignIn({ token_use, typ }: CustomClaims): boolean {
  return (token_use !== undefined && token_use !== 'access') || typ === 'ID' || typ === 'Refresh'
}

export function isGroups(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= 500 && value.every(isIdentifier)
}

/** Whole seconds since 1970; a text, a fraction, a negative or an unsafe number is no time. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
