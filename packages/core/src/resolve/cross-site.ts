import { TenancyError } from '../tenancy-error.ts'
import { type IncomingRequest, sentValues } from './request.ts'

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE: ReadonlySet<unknown> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * A cookie is sent by the browser, whoever wrote the page. What may change something is believed to be its owner's wish only
 * from a page of ours: by Fetch Metadata, else by `Origin` (OWASP, Cross-Site Request Forgery Prevention). What is neither
 * comes from no browser.
 *
 * @param origins whose pages are ours beside those of the host itself
 * @throws TenancyError FORBIDDEN_ACTION
 */
export function requireSameSite(request: IncomingRequest, origins: ReadonlySet<string>): void {
  const [site, origin] = [only(request, 'sec-fetch-site'), only(request, 'origin')]
  const opensSocket = sentValues(request, 'upgrade').length > 0
  if (SAFE.has(request.method) && !opensSocket) return
  if (origin !== undefined && origins.has(origin)) return
  if (site === undefined ? origin === undefined || isOwn(origin, request) : SAME.has(site)) return
  throw new TenancyError(
    'FORBIDDEN_ACTION',
    'A page of another site sent this with the visitor’s cookie. Name the origins of your own pages in fromSession({ origins }).',
    { details: { reason: 'cross_site' } },
  )
}

/** `none`: typed or bookmarked. `same-site` is not enough: a tenant may have a subdomain, and pages on it. */
const SAME: ReadonlySet<string> = new Set(['same-origin', 'none'])

/** All lines of a header as one text: a browser sends one. */
function only(request: IncomingRequest, name: string): string | undefined {
  const values = sentValues(request, name)
  return values.length === 0 ? undefined : values.join(',')
}

/** By host alone: behind a proxy that ends TLS the scheme is not known here. */
function isOwn(origin: string, request: IncomingRequest): boolean {
  const host = only(request, 'host') ?? only(request, ':authority') ?? authorityOf(request.url)
  return host !== undefined && /^https?:\/\//.test(origin) && origin.slice(origin.indexOf('/') + 2) === host
}

const authorityOf = (url = '') => /^https?:\/\/([^/?#]*)/i.exec(url)?.[1]
