import { invalidToken, malformed } from './refusals.ts'
import { headerValues, type IncomingRequest } from './request.ts'

/** `Bearer` in any case (RFC 9110, 11.1), spaces, then a `b64token` (RFC 6750, 2.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The token of `Authorization: Bearer …`; `undefined` without one. Another scheme (`Basic`) proves nothing here and is
 * left to whoever asked for it.
 *
 * @throws TenancyError INVALID_TOKEN for a Bearer without a token, VALIDATION_ERROR for more than one credential
 */
export function bearerOf(request: IncomingRequest): string | undefined {
  const [value, ...more] = headerValues(request, 'authorization')
  if (more.length > 0) throw malformed('authorization', 'repeated')
  if (value === undefined) return undefined
  if (!/^bearer(?: |$)/i.test(value)) {
    // Two header lines, joined on the way: which one would a gateway have checked?
    if (/,\s*bearer\b/i.test(value)) throw malformed('authorization', 'repeated')
    return undefined
  }
  if (value.includes(',')) throw malformed('authorization', 'repeated')
  const [, token] = BEARER.exec(value) ?? []
  if (token === undefined) throw invalidToken()
  return token
}

/** Whether a bearer token is an API key of `@org/crypto`, under any prefix: a JWT never looks like one. */
export function isApiKeyText(token: string): boolean {
  return /^[a-z][a-z0-9]{1,15}_(?:live|test)_/.test(token)
}
