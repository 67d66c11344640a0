import { BlockList, isIP } from 'node:net'
import { integerOption, invalidOption } from '../invalid-input.ts'
import { type IncomingRequest, sentValues } from './request.ts'

/**
 * Whose word about a request counts: `Forwarded`, `X-Forwarded-Host` and `X-Request-Id` are read only from them. By
 * default nobody's.
 */
export interface Trust {
  /** Addresses and networks of your proxies: `['10.0.0.0/8', '::1']`. The connection must come from one of them. */
  readonly proxies?: readonly string[]
  /**
   * How many proxies always stand before this process, whatever their addresses (1 to 10). Only where nobody else can
   * connect to it: every connection is then taken for the proxy's.
   */
  readonly hops?: number
}

/** {@link Trust}, checked. */
export interface Trusted {
  /** Whether the request came through a trusted proxy. */
  isProxied(request: IncomingRequest): boolean
  /** How many entries at the end of a forwarded list were written by trusted proxies. */
  readonly hops: number
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { parseTrust } from '@org/core'
 *
 * const trusted = parseTrust({ proxies: ['10.0.0.0/8'] })
 * trusted.isProxied({ headers: {}, socket: { remoteAddress: '10.1.2.3' } }) // → true
 * trusted.isProxied({ headers: {}, socket: { remoteAddress: '203.0.113.7' } }) // → false
 * ```
 */
export function parseTrust({ proxies, hops }: Trust = {}): Trusted {
  if (hops !== undefined && proxies !== undefined) throw invalidOption('trust', 'either proxies or hops')
  if (hops !== undefined) {
    integerOption('trust.hops', hops, 1, 10)
    return { hops, isProxied: () => true }
  }
  const list = new BlockList()
  for (const proxy of proxies ?? []) add(list, proxy)
  return {
    // Without a count nobody knows which entries are a proxy's own: all of them have to agree.
    hops: Number.POSITIVE_INFINITY,
    isProxied: ({ socket }) => {
      const address = withoutZone(socket?.remoteAddress ?? '')
      const version = isIP(address)
      return version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6')
    },
  }
}

/** A link-local address without its zone: `fe80::1%eth0` (RFC 4007, 11). */
function withoutZone(address: string): string {
  const [bare = ''] = address.split('%', 1)
  return bare
}

function add(list: BlockList, proxy: unknown): void {
  const [address = '', bits, ...rest] = typeof proxy === 'string' ? proxy.split('/') : []
  const version = isIP(address)
  const max = version === 4 ? 32 : 128
  const length = bits === undefined ? max : /^\d{1,3}$/.test(bits) ? Number(bits) : -1
  // A network of all addresses is a mistake: that is what `hops` says.
  if (version === 0 || rest.length > 0 || length < 1 || length > max) {
    throw invalidOption('trust.proxies', 'IP addresses or networks such as 10.0.0.0/8')
  }
  list.addSubnet(address, length, version === 4 ? 'ipv4' : 'ipv6')
}

/** What a gateway may call a request: safe in logs, headers and JSON. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/

/**
 * The request's id: the gateway's `X-Request-Id`, when it is trusted and the id is harmless; else a new UUID.
 *
 * @example
 * ```ts
 * import { parseTrust, requestIdOf } from '@org/core'
 *
 * const trusted = parseTrust({ proxies: ['10.0.0.0/8'] })
 * const headers = { 'x-request-id': 'from-the-gateway' }
 * requestIdOf({ headers, socket: { remoteAddress: '10.1.2.3' } }, trusted) // → 'from-the-gateway'
 * requestIdOf({ headers, socket: { remoteAddress: '203.0.113.7' } }, trusted).length // → 36
 * ```
 */
export function requestIdOf(request: IncomingRequest, trusted: Trusted): string {
  const values = trusted.isProxied(request) ? sentValues(request, 'x-request-id') : []
  const [value] = values
  return values.length === 1 && value !== undefined && REQUEST_ID.test(value) ? value : crypto.randomUUID()
}
