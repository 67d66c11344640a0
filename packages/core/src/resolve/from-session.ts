import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { cookieOf, isCookieName } from './cookie.ts'
import { requireSameSite } from './cross-site.ts'
import { invalidToken, malformed } from './refusals.ts'
import type { Credential, CredentialSource, Session } from './types.ts'

export interface FromSessionOptions<S extends Session = Session> {
  /** The cookie's name: `__Host-session`, `connect.sid`. */
  readonly cookie: string
  /**
   * Who signed in, by the cookie's value as it was sent: looks the session up, or checks its signature. `undefined` when there
   * is none (any more): the request is then treated as if it had sent none, as a browser sends an old cookie by itself.
   */
  readonly readSession: (value: string) => Promise<S | undefined>
  /**
   * Origins of your own pages on other hosts: `['https://app.example']` (default none). Requests that may change something are
   * refused from all others.
   */
  readonly origins?: readonly string[] | undefined
}

const NAMES: OptionNames<FromSessionOptions> = { cookie: true, readSession: true, origins: true }

/** What a browser keeps of one cookie (RFC 6265, 6.1). */
const MAX_VALUE_LENGTH = 4_096
const ORIGIN = /^https?:\/\/[a-z0-9.-]{1,253}(?::\d{1,5})?$/

/**
 * The tenant of the session whose cookie the browser sent. Beside it nothing else may prove who asks, and whatever names a tenant
 * (header, host, path) has to agree.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromSession, resolveTenant } from '@org/core'
 *
 * const sessions = new Map([['s3cret', { userId: 'ana', tenantId: 'acme' }]])
 * const resolve = resolveTenant({
 *   sources: [fromSession({ cookie: '__Host-session', readSession: async (value) => sessions.get(value) })],
 * })
 * const request = new Request('https://app.example/notes', { headers: { cookie: '__Host-session=s3cret' } })
 * const { tenant, actor } = await resolve(request) // 'acme', { type: 'user', id: 'ana' }
 * ```
 */
export function fromSession<S extends Session>(options: FromSessionOptions<S>): CredentialSource {
  requireKnownOptions(options, NAMES)
  const { cookie, readSession, origins = [] } = options
  if (!isCookieName(cookie)) throw invalidOption('cookie', 'the name of a cookie')
  if (typeof readSession !== 'function')
    throw invalidOption('readSession', "a function of the cookie's value")
  if (!Array.isArray(origins) || !origins.every((one) => typeof one === 'string' && ORIGIN.test(one))) {
    throw invalidOption('origins', 'a list of origins such as https://app.example')
  }
  const own: ReadonlySet<string> = new Set(origins)
  const read = async (value: string): Promise<Credential | undefined> => {
    const session = await readSession(value)
    if (session === undefined) return undefined
    const { userId, tenantId } = session ?? {}
    if (typeof userId !== 'string' || userId === '' || typeof tenantId !== 'string') throw invalidToken()
    return { actor: Object.freeze({ type: 'user', id: userId }), tenant: tenantId, session }
  }
  return {
    kind: 'session',
    authenticate(request) {
      const value = cookieOf(request, cookie)
      if (value === undefined) return undefined
      if (value.length > MAX_VALUE_LENGTH) throw malformed('cookie', 'length')
      return read(value).then((found) => {
        // Behind the look-up: an old cookie is as good as none, and does not keep anybody from signing in from elsewhere.
        if (found) requireSameSite(request, own)
        return found
      })
    },
  }
}
