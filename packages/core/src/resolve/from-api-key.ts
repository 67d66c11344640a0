import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { bearerOf, isApiKeyText } from './bearer.ts'
import { invalidToken, malformed } from './refusals.ts'
import { headerValues, type IncomingRequest } from './request.ts'
import type { ApiKeyActor, Credential, CredentialSource } from './types.ts'

export interface FromApiKeyOptions {
  /**
   * Finds out who presents a key: `(text) => authenticateApiKey({ … }, text)` of `@org/crypto`. Rejects for a key that is
   * not accepted.
   */
  readonly authenticateApiKey: (text: string) => Promise<ApiKeyActor>
}

const NAMES: OptionNames<FromApiKeyOptions> = { authenticateApiKey: true }

/**
 * The tenant an API key belongs to, from `Authorization: Bearer pgt_live_…` or `X-Api-Key`, not both.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromApiKey, resolveTenant } from '@org/core'
 *
 * const authenticateApiKey = async (_text: string) => ({ type: 'service', id: 'key-7', tenant: 'acme' }) as const
 * const resolve = resolveTenant({ sources: [fromApiKey({ authenticateApiKey })] })
 * const { tenant, actor } = await resolve({ url: '/', headers: { 'x-api-key': 'pgt_live_…' } })
 * tenant // → 'acme'
 * actor // → { type: 'service', id: 'key-7' }
 * ```
 */
export function fromApiKey(options: FromApiKeyOptions): CredentialSource {
  requireKnownOptions(options, NAMES)
  const { authenticateApiKey } = options
  if (typeof authenticateApiKey !== 'function') {
    throw invalidOption('authenticateApiKey', 'a function of a key')
  }
  const authenticate = async (text: string): Promise<Credential> => {
    const apiKey = await authenticateApiKey(text)
    const { id, type, tenant } = apiKey
    if (type !== 'service' || typeof id !== 'string' || typeof tenant !== 'string') throw invalidToken()
    return { actor: Object.freeze({ type, id }), tenant, apiKey }
  }
  return {
    kind: 'api-key',
    authenticate(request) {
      const text = keyTextOf(request)
      return text === undefined ? undefined : authenticate(text)
    },
  }
}

function keyTextOf(request: IncomingRequest): string | undefined {
  const bearer = bearerOf(request)
  const inBearer = bearer !== undefined && isApiKeyText(bearer) ? bearer : undefined
  const [inHeader, ...more] = headerValues(request, 'x-api-key')
  if (more.length > 0 || inHeader?.includes(',')) throw malformed('x-api-key', 'repeated')
  if (inHeader !== undefined && inBearer !== undefined) throw malformed('x-api-key', 'credentials')
  return inBearer ?? inHeader
}
