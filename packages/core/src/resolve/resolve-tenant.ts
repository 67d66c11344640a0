import { invalidOption } from '../invalid-input.ts'
import { type OptionNames, requireKnownOptions } from '../known-options.ts'
import { isTenancyError, TenancyError } from '../tenancy-error.ts'
import { parseTenantKey, type TenantKey } from '../tenant-key.ts'
import { requireActive, type TenantLookup } from './directory.ts'
import { invalidToken, malformed, mismatch, unauthorized } from './refusals.ts'
import type { IncomingRequest } from './request.ts'
import { parseTrust, type Trust, type Trusted } from './trust.ts'
import type { Credential, CredentialSource, NamingSource, ResolvedTenant, Source } from './types.ts'

export interface ResolveOptions {
  /** Where to look: `fromClaim`, `fromApiKey`, `fromSession`, `fromHeader`, `fromSubdomain`, `fromPath`. The order does not matter. */
  readonly sources: readonly Source[]
  /** Which tenants there are (default: not asked here; a scope of a tenant that is not there does not open). */
  readonly directory?: TenantLookup | undefined
  /** Whose `Forwarded` and `X-Forwarded-Host` count (default: nobody's). */
  readonly trust?: Trust | undefined
  /**
   * DANGEROUS beside data that is not public: which sources may name the tenant of a request that proves *nothing*. The
   * actor is then `anonymous`. For a login page (`['subdomain']`) or a demo (`['header']`); default none.
   */
  readonly trustUnauthenticated?: readonly NamingSource['kind'][] | undefined
  /** What stands before tenants' schema names, if you changed it (default `c_`). */
  readonly tenantPrefix?: string | undefined
}

/**
 * Whose request this is.
 *
 * @throws TenancyError UNAUTHORIZED, INVALID_TOKEN or TOKEN_EXPIRED when nothing proves who asks
 * @throws TenancyError TENANT_MISMATCH when two sources name different tenants
 * @throws TenancyError TENANT_NOT_FOUND or TENANT_SUSPENDED
 * @throws TenancyError VALIDATION_ERROR or INVALID_TENANT_KEY when the request can be read in two ways or names no key
 */
export type ResolveTenant = (request: IncomingRequest) => Promise<ResolvedTenant>

interface Named {
  readonly kind: NamingSource['kind']
  readonly tenant: TenantKey
}

const RESOLVE_TENANT_OPTIONS: OptionNames<ResolveOptions> = {
  sources: true,
  directory: true,
  trust: true,
  trustUnauthenticated: true,
  tenantPrefix: true,
}

/**
 * Makes the one function that tells whose a request is. A tenant comes from what proves who asks (a token's claim, an
 * API key, a session); whatever else names one (header, subdomain, path) has to agree. Body and query are never looked at.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { fromClaim, fromHeader, resolveTenant } from '@org/core'
 *
 * const verifyToken = async (_token: string) => ({ type: 'user', sub: 'u1', tenantId: 'acme' }) as const
 * const resolve = resolveTenant({
 *   sources: [fromClaim({ verifyToken }), fromHeader()],
 *   directory: tenancy.lookup,
 * })
 * const { tenant } = await resolve({ url: '/notes', headers: { authorization: 'Bearer eyJhbGciOi' } })
 * tenant // → 'acme'
 * // A header that names somebody else does not outweigh the token.
 * resolve({ url: '/notes', headers: { authorization: 'Bearer eyJhbGciOi', 'x-tenant-id': 'globex' } }) // → throws TENANT_MISMATCH
 * ```
 */
export function resolveTenant(options: ResolveOptions): ResolveTenant {
  requireKnownOptions(options, RESOLVE_TENANT_OPTIONS)
  const { credentials, naming, trusted, prefix, directory, unauthenticated } = parse(options)

  return async (request) => {
    const named = namedBy(naming, request, trusted, prefix)
    const proven = await authenticate(credentials, request)
    const resolved = proven === undefined ? anonymous(named, unauthenticated) : decide(proven, named, prefix)
    if (directory) await requireActive(directory, resolved.tenant)
    return resolved
  }
}

/** Every tenant the request names; they have to be one. */
function namedBy(
  naming: readonly NamingSource[],
  request: IncomingRequest,
  trusted: Trusted,
  prefix: Prefix,
): Named[] {
  const named = naming.flatMap((source): Named[] => {
    const text = source.name(request, trusted)
    return text === undefined ? [] : [{ kind: source.kind, tenant: parseTenantKey(text, prefix) }]
  })
  if (new Set(named.map(({ tenant }) => tenant)).size > 1) throw mismatch()
  return named
}

/** The one credential of the request, verified. */
async function authenticate(
  sources: readonly CredentialSource[],
  request: IncomingRequest,
): Promise<(Credential & { kind: CredentialSource['kind'] }) | undefined> {
  // Each in a promise of its own, also when it throws at once: no rejection is left without a listener.
  const presented = await Promise.all(
    sources.map(async (source) => {
      const found = await source.authenticate(request)
      return found && { ...found, kind: source.kind }
    }),
  )
  const [first, second] = presented.filter((found) => found !== undefined)
  if (first === undefined || second === undefined) return first
  // Both are good, but which of the two acts?
  throw first.tenant === second.tenant ? malformed('authorization', 'credentials') : mismatch()
}

function decide(
  { kind, tenant: claimed, ...rest }: Credential & { kind: CredentialSource['kind'] },
  named: readonly Named[],
  prefix: Prefix,
): ResolvedTenant {
  if (claimed !== undefined) {
    const tenant = provenKey(claimed, prefix)
    if (named.some((other) => other.tenant !== tenant)) throw mismatch()
    return Object.freeze({ tenant, source: kind, ...rest })
  }
  // A service whose token names no tenant names it in the header, and nowhere else.
  const header = named.find((one) => one.kind === 'header')
  if (header === undefined || rest.actor.type !== 'service') throw malformed('x-client-key', 'missing')
  return Object.freeze({ tenant: header.tenant, source: 'header', ...rest })
}

function anonymous(named: readonly Named[], allowed: ReadonlySet<string>): ResolvedTenant {
  const source = named.find(({ kind }) => allowed.has(kind))
  if (source === undefined) throw unauthorized()
  return Object.freeze({ tenant: source.tenant, actor: ANONYMOUS, source: source.kind })
}

const ANONYMOUS = Object.freeze({ type: 'anonymous', id: null })

/** A good token with a bad tenant is a bad token: its holder cannot do anything about the key. */
function provenKey(value: unknown, prefix: Prefix): TenantKey {
  try {
    return parseTenantKey(value, prefix)
  } catch (error) {
    throw isTenancyError(error, 'INVALID_TENANT_KEY') ? invalidToken() : error
  }
}

type Prefix = { readonly prefix?: string }

const PROVING: ReadonlySet<unknown> = new Set(['claim', 'api-key', 'session'])
const NAMING: ReadonlySet<unknown> = new Set(['header', 'subdomain', 'path'])

function parse(options: ResolveOptions) {
  if (typeof options !== 'object' || options === null)
    throw invalidOption('options', 'an object with sources')
  const { sources, directory, trust, trustUnauthenticated = [], tenantPrefix } = options
  if (!Array.isArray(sources) || sources.length === 0) throw invalidOption('sources', 'a list of sources')
  if (directory !== undefined && typeof directory !== 'function') {
    throw invalidOption('directory', 'a function from a tenant to its status')
  }
  const naming = sources.filter((source): source is NamingSource => NAMING.has(source?.kind))
  const credentials = sources.filter((source): source is CredentialSource => PROVING.has(source?.kind))
  if (naming.length + credentials.length !== sources.length) throw invalidOption('sources', 'made by from…()')
  if (trustUnauthenticated.some((kind) => !naming.some((source) => source.kind === kind))) {
    throw invalidOption('trustUnauthenticated', 'kinds of the sources given: header, subdomain, path')
  }
  if (credentials.length === 0 && trustUnauthenticated.length === 0) {
    throw new TenancyError(
      'INVALID_OPTION',
      'No source proves who asks, so every request would be refused. Add fromClaim, fromApiKey or fromSession.',
      { details: { option: 'sources' } },
    )
  }
  return {
    naming,
    credentials,
    directory,
    trusted: parseTrust(trust),
    unauthenticated: new Set<string>(trustUnauthenticated),
    prefix: tenantPrefix === undefined ? {} : { prefix: tenantPrefix },
  }
}
