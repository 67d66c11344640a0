import { malformed } from './refusals.ts'
import { headerValues, type IncomingRequest } from './request.ts'

/** A token (RFC 6265, 4.1.1), as short as names are. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/

export const isCookieName = (name: unknown): name is string => typeof name === 'string' && NAME.test(name)

/**
 * The value of a cookie as it was sent, neither decoded nor unquoted; `undefined` without one, and for an empty one.
 *
 * @throws TenancyError VALIDATION_ERROR when it came twice: whoever controls a sibling domain can send one of their own beside
 *   ours (RFC 6265, 8.6), and nothing says which is which
 */
export function cookieOf(request: IncomingRequest, name: string): string | undefined {
  const pairs = headerValues(request, 'cookie').flatMap((line) => line.split(';'))
  const values = pairs.flatMap((pair) => {
    const equals = pair.indexOf('=')
    return equals > 0 && pair.slice(0, equals).trim() === name ? [pair.slice(equals + 1).trim()] : []
  })
  if (values.length > 1) throw malformed('cookie', 'repeated')
  return values[0] === '' ? undefined : values[0]
}
