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
  readonly issuerOf: (tenant: TenantKey) => string
  readonly audience: string
  readonly audienceList: boolean
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
    throw invalidToken()
  }
}

/**
 * Checks every claim of a token whose signature was verified. The expiry comes last, so that TOKEN_EXPIRED is only
 * ever said of a token that was good.
 *
 * @param now milliseconds since 1970
 * @throws TenancyError INVALID_TOKEN or TOKEN_EXPIRED
 */
export function checkClaims(
  raw: CustomClaims,
  who: { readonly tenantId: TenantKey; readonly type: unknown },
  policy: ClaimsPolicy,
  now: number,
): AccessToken {
  const { sub, jti, iat, exp, nbf, role, groups } = raw
  const { tenantId, type } = who
  const iss = policy.issuerOf(tenantId)
  if (raw.iss !== iss || !isAudience(raw.aud, policy)) throw invalidToken()
  if (!isIdentifier(sub) || !isIdentifier(jti)) throw invalidToken()
  if (type !== 'user' && type !== 'service') throw invalidToken()
  if (role !== undefined && !isIdentifier(role)) throw invalidToken()
  if (groups !== undefined && !isGroups(groups)) throw invalidToken()
  if (!isTime(iat) || !isTime(exp) || exp <= iat) throw invalidToken()
  const seconds = now / 1000
  if (iat > seconds + policy.clockTolerance) throw invalidToken()
  if (nbf !== undefined && !(isTime(nbf) && nbf <= seconds + policy.clockTolerance)) throw invalidToken()
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
 * Exactly our audience. A list is refused unless asked for: any member of it could take the token to all the others.
 */
function isAudience(aud: unknown, { audience, audienceList }: ClaimsPolicy): boolean {
  return aud === audience || (audienceList && Array.isArray(aud) && aud.includes(audience))
}

export function isGroups(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= 500 && value.every(isIdentifier)
}

/** Whole seconds since 1970; a text, a fraction, a negative or an unsafe number is no time. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
