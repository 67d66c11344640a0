import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { hostOf } from './host.ts'
import { mismatch } from './refusals.ts'
import type { NamingSource } from './types.ts'

export interface FromSubdomainOptions {
  /** The domains whose subdomains are tenants, `['notes.example']`: explicit, because nobody can tell them from a host. */
  readonly baseDomains: readonly string[]
  /** Subdomains that are no tenants, e.g. `['www', 'api']`. */
  readonly ignore?: readonly string[]
}

const NAMES: OptionNames<FromSubdomainOptions> = { baseDomains: true, ignore: true }

const DOMAIN = /^(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}$/

/**
 * The tenant named by the host: `acme.notes.example` names `acme`. Exactly one label: `a.b.notes.example` is refused. A
 * punycode label (`xn--…`) is a key as it stands and never decoded. Hosts outside the base domains, the base domains
 * themselves and IP addresses name nobody.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromSubdomain, resolveTenant } from '@org/core'
 *
 * const source = fromSubdomain({ baseDomains: ['notes.example'], ignore: ['www'] })
 * const resolve = resolveTenant({ sources: [source], trustUnauthenticated: ['subdomain'] })
 * const { tenant } = await resolve({ url: '/', headers: { host: 'acme.notes.example' } })
 * tenant // → 'acme'
 * ```
 */
export function fromSubdomain(options: FromSubdomainOptions): NamingSource {
  requireKnownOptions(options, NAMES)
  const { baseDomains, ignore = [] } = options
  if (!Array.isArray(baseDomains) || baseDomains.length === 0) {
    throw invalidOption('baseDomains', 'a list of domains such as notes.example')
  }
  for (const domain of baseDomains) {
    if (typeof domain !== 'string' || !DOMAIN.test(domain)) {
      throw invalidOption('baseDomains', 'lower-case domains such as notes.example, without dot or port')
    }
  }
  // The longest first: below `eu.notes.example` a tenant is not the tenant `eu` of `notes.example`.
  const suffixes = baseDomains.map((domain) => `.${domain}`).sort((a, b) => b.length - a.length)
  const ignored = new Set(ignore)
  const labelOf = (host: string | undefined): string | undefined => {
    if (host === undefined || suffixes.includes(`.${host}`)) return undefined
    const suffix = suffixes.find((ending) => host.endsWith(ending))
    const label = suffix === undefined ? undefined : host.slice(0, -suffix.length)
    return label === undefined || ignored.has(label) ? undefined : label
  }
  return {
    kind: 'subdomain',
    name(request, trusted) {
      const { host, inner } = hostOf(request, trusted)
      const [outside, inside] = [labelOf(host), labelOf(inner)]
      if (outside !== undefined && inside !== undefined && outside !== inside) throw mismatch()
      return outside
    },
  }
}
