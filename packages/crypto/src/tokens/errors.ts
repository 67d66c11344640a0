import { TenancyError } from '@org/core'

/** Why a token was not accepted: what a developer who connects an issuer has to know, and a client must not. */
export type TokenRefusal =
  | 'too_long'
  | 'not_a_jws'
  | 'not_canonical'
  | 'not_json'
  | 'algorithm'
  | 'type'
  | 'key_id'
  | 'header'
  | 'identify_threw'
  | 'tenant'
  | 'unknown_key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'not_an_access_token'
  | 'subject'
  | 'token_id'
  | 'actor_type'
  | 'role'
  | 'groups'
  | 'times'
  | 'issued_in_the_future'
  | 'not_yet_valid'
  | 'expired'
  | 'claims_schema'
  | 'denied'

const refusals = new WeakMap<object, TokenRefusal>()

/**
 * Why a verifier refused a token; `undefined` for any other error. For the developer's log: an answer that tells one reason
 * from another helps whoever is trying tokens out, so it is no part of the error's text, `details` or cause.
 *
 * @example
 * ```ts
 * import { generateKeyPairSync } from 'node:crypto'
 * import { createSigningKeys, createStaticKeys, createTokenVerifier, tokenRefusal } from '@org/crypto/tokens'
 *
 * const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
 * const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
 * const published = createSigningKeys({ keys: [{ kid: '2026-11', key, signsFrom: new Date('2026-11-01') }] }).jwks()
 * const keys = createStaticKeys(published)
 * const verifier = createTokenVerifier({ issuer: 'https://auth.example', audience: 'https://api.example', keys })
 * const error = await verifier.verify('no.token.at-all').catch((error: unknown) => error)
 * console.warn({ reason: tokenRefusal(error) }) // for logs: the client hears INVALID_TOKEN
 * ```
 */
export function tokenRefusal(error: unknown): TokenRefusal | undefined {
  return typeof error === 'object' && error !== null ? refusals.get(error) : undefined
}

/**
 * The one answer to every token that is not accepted, whatever the reason: a text that told a bad signature from an
 * unknown key or a wrong claim would help whoever is trying tokens out. It never has a cause.
 *
 * @param reason for {@link tokenRefusal}
 */
export function invalidToken(reason?: TokenRefusal): TenancyError {
  const error = new TenancyError(
    'INVALID_TOKEN',
    'The token is not accepted. Sign in again to get a new one.',
  )
  if (reason !== undefined) refusals.set(error, reason)
  return error
}

/** Said only of a token that would have been accepted earlier, so that a client knows when to refresh. */
export function tokenExpired(): TenancyError {
  const error = new TenancyError(
    'TOKEN_EXPIRED',
    'The token has expired. Get a new one with the refresh token.',
  )
  refusals.set(error, 'expired')
  return error
}

/** A key cannot be used. Without a cause: OpenSSL's texts may describe the key. */
export function keyInvalid(expected: string): TenancyError {
  return new TenancyError('KEY_INVALID', `This token key cannot be used: ${expected}.`)
}

/** Something outside (the key server, the denylist's table) does not answer; `what` is a fixed text. */
export function unavailable(what: string, cause?: unknown): TenancyError {
  return new TenancyError('SERVICE_UNAVAILABLE', what, { cause })
}
