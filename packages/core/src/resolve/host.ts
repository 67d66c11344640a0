import { malformed, mismatch } from './refusals.ts'
import { headerValues, type IncomingRequest } from './request.ts'
import type { Trusted } from './trust.ts'

/** Letters, digits, "-", "_" in labels of up to 63, then perhaps a port (RFC 9110, 4.2.1; RFC 1034, 3.1). */
const NAME = /^((?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63})\.?(?::(\d{1,5}))?$/
const IPV6 = /^\[[0-9a-f:.]{2,45}\](?::\d{1,5})?$/
/** 253 of a name, a dot at its end, a port: refused before any pattern sees it. */
const MAX_HOST_LENGTH = 260
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i

/**
 * The host a request is for: lower case, no port, no trailing dot; `undefined` for an address or none.
 *
 * Hosts are compared without regard to ASCII case because DNS does (RFC 4343): `ACME.example` *is* `acme.example`. That
 * is the one thing folded; a key is never.
 *
 * Of `Host`, `:authority` (HTTP/2), the absolute form of the request target, and a trusted proxy's `Forwarded` or
 * `X-Forwarded-Host`, all that are there have to agree, except that a proxy may call us by another name than it was
 * called by: its word counts, and `Host` is returned as `inner`.
 *
 * @throws TenancyError VALIDATION_ERROR for a host that is not one, or two that differ
 */
export function hostOf(request: IncomingRequest, trusted: Trusted): Hosts {
  const direct = agreed([
    ...headerValues(request, ':authority'),
    ...headerValues(request, 'host'),
    ...absolute(request.url),
  ])
  const forwarded = trusted.isProxied(request) ? agreed(forwardedHosts(request, trusted)) : undefined
  if (forwarded === undefined) return { host: direct, inner: undefined }
  return { host: forwarded, inner: direct }
}

export interface Hosts {
  readonly host: string | undefined
  /** What a trusted proxy called us by. */
  readonly inner: string | undefined
}

/** The hosts a trusted proxy says it was called by: of both headers, the entries its side wrote. */
function forwardedHosts(request: IncomingRequest, { hops }: Trusted): string[] {
  const last = (list: string[]) => (Number.isFinite(hops) ? list.slice(-hops) : list)
  const plain = headerValues(request, 'x-forwarded-host').flatMap((value) => value.split(','))
  const elements = headerValues(request, 'forwarded').flatMap((value) => splitQuoted(value, ','))
  return [...last(plain), ...last(elements).flatMap(hostParameter)].map((host) => host.trim())
}

/** The `host` of one element: `for=1.2.3.4;host="acme.example:8080"` (RFC 7239, 4). */
function hostParameter(element: string): string[] {
  return splitQuoted(element, ';').flatMap((pair) => {
    const equals = pair.indexOf('=')
    if (asciiLower(pair.slice(0, Math.max(equals, 0))).trimStart() !== 'host') return []
    const value = pair.slice(equals + 1).trim()
    return [/^"(?:[^"\\])*"$/.test(value) ? value.slice(1, -1) : value]
  })
}

/** Splits at separators outside of quotes; an open quote makes one part of the rest, which then is no host. */
function splitQuoted(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = []
  let [start, quoted] = [0, false]
  for (let at = 0; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++
    else if (text[at] === '"') quoted = !quoted
    else if (text[at] === separator && !quoted) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, text.slice(start)]
}

/** A Web `Request` always has an absolute URL; on the wire it is the form for proxies (RFC 9112, 3.2.2). */
function absolute(url = ''): string[] {
  const [, authority] = ABSOLUTE.exec(url) ?? []
  return authority === undefined ? [] : [authority]
}

/** The one host that all of these are. */
function agreed(values: readonly string[]): string | undefined {
  const hosts = new Set(values.map(normalized))
  if (hosts.size > 1) throw [...hosts].includes('') ? malformed('host', 'conflict') : mismatch()
  const [host] = hosts
  return host === '' ? undefined : host
}

/** A name in the form it is compared in; `''` for an IP address, which names no tenant. */
function normalized(value: string): string {
  if (value.length > MAX_HOST_LENGTH) throw malformed('host', 'syntax')
  const text = asciiLower(value)
  const [, name, port] = NAME.exec(text) ?? []
  if (name === undefined && !IPV6.test(text)) throw malformed('host', 'syntax')
  if (Number(port ?? 0) > 65_535 || (name?.length ?? 0) > 253) throw malformed('host', 'syntax')
  // What ends in a number is an IPv4 address or tries to be one (WHATWG URL, 3.5).
  return name === undefined || /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name) ? '' : name
}

/** Not `toLowerCase()`, which makes a "k" of the Kelvin sign. */
function asciiLower(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
