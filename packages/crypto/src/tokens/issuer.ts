import { randomUUID } from 'node:crypto'
import {
  invalidField,
  invalidOption,
  type OptionNames,
  parseTenantKey,
  requireKnownOptions,
  type TenantKey,
} from '@org/core'
import { SignJWT } from 'jose'
import { type ActorType, type CustomClaims, isGroups, RESERVED_CLAIMS } from './claims.ts'
import { functionOption, identifier, numberOption, textOption } from './options.ts'
import type { SigningKeys } from './signing-keys.ts'

/** RFC 9068, 2.1: an access token says that it is one, so that an ID token cannot stand in for it. */
export const ACCESS_TOKEN_TYPE = 'at+jwt'
/** Header lines of common servers end at 8 KiB. */
export const MAX_TOKEN_LENGTH = 8_192

export interface TokenIssuerOptions {
  /** the `iss` claim; as a function, one per tenant */
  readonly issuer: string | ((tenant: TenantKey) => string)
  /** the `aud` claim: the API that the tokens are for */
  readonly audience: string
  readonly keys: SigningKeys
  /** seconds (default 900); at most what `keys.overlap` covers with a minute to spare */
  readonly lifetime?: number
  /** what stands before tenants' schema names, if you changed it (default `c_`); see `parseTenantKey` */
  readonly tenantPrefix?: string
  /** milliseconds since 1970 (default `Date.now`) */
  readonly clock?: () => number
}

export interface AccessTokenInput {
  /** the user's or service account's id */
  readonly sub: string
  readonly tenantId: string
  readonly type: ActorType
  readonly role?: string
  /** up to 500 */
  readonly groups?: readonly string[]
  /** the token's id (default: a random UUID); give a refresh token's `jti` so that logging out can deny both */
  readonly jti?: string
  /** further claims; JSON, and none of the names that have a meaning here */
  readonly claims?: CustomClaims
}

export interface IssuedAccessToken {
  /** hand it to the client; never log it */
  readonly token: string
  readonly jti: string
  /** seconds since 1970 */
  readonly exp: number
}

export interface TokenIssuer {
  /** @throws TenancyError VALIDATION_ERROR, INVALID_TENANT_KEY or KEY_MISSING */
  issue(input: AccessTokenInput): Promise<IssuedAccessToken>
}

const CREATE_TOKEN_ISSUER_OPTIONS: OptionNames<TokenIssuerOptions> = {
  issuer: true,
  audience: true,
  keys: true,
  lifetime: true,
  tenantPrefix: true,
  clock: true,
}

/**
 * Issues access tokens: JWT, RS256, `typ: at+jwt` (RFC 9068).
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { createSigningKeys, createTokenIssuer } from '@org/crypto/tokens'
 *
 * const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
 * const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
 * const keys = createSigningKeys({ keys: [{ kid: '2026-11', key, signsFrom: new Date('2026-11-01') }] })
 * const issuer = createTokenIssuer({ issuer: 'https://auth.example', audience: 'https://api.example', keys })
 * const { token } = await issuer.issue({ sub: 'user-1', tenantId: 'acme', type: 'user' })
 * token.split('.').length // → 3
 * ```
 */
export function createTokenIssuer(options: TokenIssuerOptions): TokenIssuer {
  requireKnownOptions(options, CREATE_TOKEN_ISSUER_OPTIONS)
  const { keys, issuer } = options
  const issuerOf = typeof issuer === 'function' ? issuer : constant(textOption('issuer', issuer))
  const audience = textOption('audience', options.audience)
  const clock = functionOption('clock', options.clock, Date.now)
  if (typeof keys?.signer !== 'function') throw invalidOption('keys', 'made by createSigningKeys')
  const lifetime = numberOption('lifetime', options.lifetime, {
    fallback: 900,
    min: 1,
    max: 86_400,
    unit: 'seconds',
  })
  // Verifiers may add a minute of tolerance: a retired key stays until the last of its tokens has run out.
  if (lifetime + 60 > keys.overlap) {
    throw invalidOption('lifetime', 'at least 60 seconds shorter than the overlap of the keys')
  }
  return {
    issue: async (input) => {
      const { tenantId, ...claims } = readInput(input, options.tenantPrefix)
      const iat = Math.floor(clock() / 1000)
      const exp = iat + lifetime
      const { kid, key } = keys.signer()
      const token = await new SignJWT({
        ...claims,
        iss: textOption('issuer', issuerOf(tenantId)),
        aud: audience,
        tenantId,
        iat,
        exp,
      })
        .setProtectedHeader({ alg: 'RS256', typ: ACCESS_TOKEN_TYPE, kid })
        .sign(key)
      if (token.length > MAX_TOKEN_LENGTH) {
        throw invalidField('claims', `small enough for a token of ${MAX_TOKEN_LENGTH} characters`)
      }
      return { token, jti: claims.jti, exp }
    },
  }
}

export function constant<T>(value: T): () => T {
  return () => value
}

function readInput(input: AccessTokenInput, prefix: string | undefined) {
  const { type, role, groups } = input
  if (type !== 'user' && type !== 'service') throw invalidField('type', '"user" or "service"')
  if (groups !== undefined && !isGroups(groups))
    throw invalidField('groups', 'a list of up to 500 group names')
  return {
    ...customClaims(input.claims),
    tenantId: parseTenantKey(input.tenantId, prefix === undefined ? {} : { prefix }),
    sub: identifier('sub', input.sub),
    jti: identifier('jti', input.jti ?? randomUUID()),
    type,
    ...(role !== undefined && { role: identifier('role', role) }),
    ...(groups !== undefined && { groups }),
  }
}

/** Taken over as JSON reads them back, so that what is checked is what is signed. */
function customClaims(claims: CustomClaims = {}): CustomClaims {
  let copy: unknown
  try {
    copy = JSON.parse(JSON.stringify(claims))
  } catch {
    throw invalidField('claims', 'an object that can be written as JSON')
  }
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) {
    throw invalidField('claims', 'an object that can be written as JSON')
  }
  if (Object.keys(copy).some((name) => RESERVED_CLAIMS.has(name))) {
    throw invalidField(
      'claims',
      `without the names that have a meaning here: ${[...RESERVED_CLAIMS].join(', ')}`,
    )
  }
  return { ...copy }
}
