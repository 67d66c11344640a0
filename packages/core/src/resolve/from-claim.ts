import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { bearerOf, isApiKeyText } from './bearer.ts'
import { invalidToken } from './refusals.ts'
import type { Credential, CredentialSource, TokenClaims } from './types.ts'

export interface FromClaimOptions {
  /**
   * Verifies an access token: `(token) => verifier.verify(token)` with the verifier of `@org/crypto`. Rejects for a token
   * that is not accepted; what it resolves to is believed.
   */
  readonly verifyToken: (token: string) => Promise<TokenClaims>
}

const NAMES: OptionNames<FromClaimOptions> = { verifyToken: true }

/**
 * The tenant claimed by the access token in `Authorization: Bearer …`. This is *the* source: nothing else outweighs it.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim, resolveTenant } from '@org/core'
 *
 * // With @org/crypto: verifyToken = (token) => verifier.verify(token)
 * const verifyToken = async (_token: string) => ({ type: 'user', sub: 'u1', tenantId: 'acme' }) as const
 * const resolve = resolveTenant({ sources: [fromClaim({ verifyToken })] })
 * const { tenant } = await resolve({ url: '/', headers: { authorization: 'Bearer eyJhbGciOi' } })
 * tenant // → 'acme'
 * ```
 */
export function fromClaim(options: FromClaimOptions): CredentialSource {
  requireKnownOptions(options, NAMES)
  const { verifyToken } = options
  if (typeof verifyToken !== 'function') throw invalidOption('verifyToken', 'a function of a token')
  const verify = async (token: string): Promise<Credential> => {
    const claims = await verifyToken(token)
    const { sub, type, tenantId } = claims
    if (typeof sub !== 'string' || sub === '') throw invalidToken()
    // Only a service may leave its tenant to the header.
    if (type !== 'service' && (type !== 'user' || tenantId === undefined)) throw invalidToken()
    return { actor: Object.freeze({ type, id: sub }), tenant: tenantId, claims }
  }
  return {
    kind: 'claim',
    authenticate(request) {
      const token = bearerOf(request)
      return token === undefined || isApiKeyText(token) ? undefined : verify(token)
    },
  }
}
