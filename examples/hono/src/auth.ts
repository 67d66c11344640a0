import { createHash, timingSafeEqual } from 'node:crypto'
import type { TokenClaims } from '@org/core'
import type { TokenVerifier } from '@org/crypto/tokens'

export interface Credentials {
  /** The site's own server sends it as `Authorization: Bearer …` and names any client in `X-Client-Key`. */
  readonly siteKey: string
  /** Accepts the access tokens of people, each of one client. */
  readonly verifier: TokenVerifier
}

/** Whether a text is the site's key, in a time that does not tell how much of it is right. */
export function siteKeyCheck({ siteKey }: Credentials): (text: string) => boolean {
  const sha256 = (text: string) => createHash('sha256').update(text).digest()
  const expected = sha256(siteKey)
  return (text) => timingSafeEqual(sha256(text), expected)
}

/**
 * Who presents a bearer token. A person's token claims one client, and nothing else in the request outweighs the claim.
 * The site's key claims none: it is a service, and of services only the header `X-Client-Key` is believed.
 */
export function whoAsks(credentials: Credentials): (token: string) => Promise<TokenClaims> {
  const isSite = siteKeyCheck(credentials)
  return async (token) =>
    isSite(token) ? { sub: 'site', type: 'service' } : credentials.verifier.verify(token)
}
