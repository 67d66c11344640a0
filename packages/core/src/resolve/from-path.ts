import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { malformed } from './refusals.ts'
import type { NamingSource } from './types.ts'

export interface FromPathOptions {
  /** What stands before the tenant: `/t` reads `acme` from `/t/acme/notes`; `/` reads the first segment. */
  readonly prefix: string
  /** First segments that are no tenants, e.g. `['health']`. */
  readonly ignore?: readonly string[]
}

const NAMES: OptionNames<FromPathOptions> = { prefix: true, ignore: true }

const PREFIX = /^\/(?:[a-z0-9_-]+(?:\/[a-z0-9_-]+)*)?$/

/**
 * The tenant named by the path, as sent: never decoded, never folded. A path that only means the prefix after somebody
 * has decoded, folded or tidied it (`/%74/acme`, `/T/acme`, `//t/acme`, dot segments) is refused, because a router may
 * do so and serve another tenant than the one resolved here.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromPath, resolveTenant } from '@org/core'
 *
 * const resolve = resolveTenant({ sources: [fromPath({ prefix: '/t' })], trustUnauthenticated: ['path'] })
 * const { tenant } = await resolve({ url: '/t/acme/notes', headers: {} })
 * tenant // → 'acme'
 * ```
 */
export function fromPath(options: FromPathOptions): NamingSource {
  requireKnownOptions(options, NAMES)
  const { prefix, ignore = [] } = options
  if (typeof prefix !== 'string' || !PREFIX.test(prefix)) {
    throw invalidOption('prefix', 'a path such as /t: lower case, without a slash at its end')
  }
  const head = prefix === '/' ? '' : prefix
  const expected = head.split('/').slice(1)
  const ignored = new Set(ignore)
  return {
    kind: 'path',
    name({ url = '/' }) {
      const path = pathOf(url)
      const meant = meaningOf(path)
      if (!path.startsWith(`${head}/`) || path[head.length + 1] === '/') {
        const looksAlike = expected.every((segment, at) => segment === meant[at])
        if (looksAlike && meant.length > expected.length) throw malformed('path', 'ambiguous')
        return undefined
      }
      const [segment = ''] = path.slice(head.length + 1).split('/')
      return segment === '' || ignored.has(segment) ? undefined : segment
    },
  }
}

/** RFC 9112, 3 asks for 8,000 octets at least; who serves longer targets has no tenant in them. */
const MAX_TARGET_LENGTH = 16_384

/**
 * The path of a request target; an absolute one (RFC 9112, 3.2.2) is cut, not parsed: parsing rewrites.
 *
 * @throws TenancyError VALIDATION_ERROR for one longer than 16,384 characters
 */
function pathOf(url: string): string {
  if (url.length > MAX_TARGET_LENGTH) throw malformed('path', 'length')
  const path = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/[?#].*$/s, '')
  return path === '' ? '/' : path
}

/**
 * The segments a lenient router could see.
 *
 * @throws TenancyError VALIDATION_ERROR for dot segments, however written, and broken percent-encoding
 */
function meaningOf(path: string): string[] {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    throw malformed('path', 'encoding')
  }
  const segments = decoded.split(/[/\\]/)
  if (segments.includes('..') || segments.includes('.')) throw malformed('path', 'dots')
  return segments.filter((segment) => segment !== '').map((segment) => segment.toLowerCase())
}
