import { Resolver } from 'node:dns'
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { AddressCheck } from './address.ts'

/** What came of one attempt. Nothing of the answer's body is kept. */
export interface Answer {
  /** The HTTP status, if there was one. */
  readonly status: number | undefined
  /** A code where there was none: `TIMEOUT`, `ADDRESS_REFUSED`, `ECONNREFUSED`, … */
  readonly error: string | undefined
  /** Of the `Retry-After` header: milliseconds. */
  readonly retryAfter: number | undefined
  readonly durationMs: number
}

/** How an attempt is made. */
export interface SendOptions {
  /** One deadline over look-up, connection, TLS, request and answer, in ms. */
  readonly timeout: number
  /** Which addresses may be connected to. */
  readonly allowed: AddressCheck
  /** Instead of DNS; what it says is checked all the same. */
  readonly lookup?: LookupFunction | undefined
  readonly signal?: AbortSignal | undefined
}

/** As much of an answer is read as a status needs; then the connection is destroyed. */
const MAX_ANSWER = 4_096
const MAX_HEADERS = 16_384

/**
 * One POST. The address that is connected to is checked, not the name before it was looked up, and no connection is kept: the
 * next attempt looks up and checks again. Redirects are not followed. Never rejects.
 */
export function send(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  options: SendOptions,
): Promise<Answer> {
  const begun = performance.now()
  return new Promise((resolve) => {
    let req: ClientRequest | undefined
    const deadline = setTimeout(() => end(undefined, 'TIMEOUT'), options.timeout)
    const aborted = () => end(undefined, 'ABORTED')
    const end = (answer: IncomingMessage | undefined, error?: string) => {
      clearTimeout(deadline)
      options.signal?.removeEventListener('abort', aborted)
      req?.destroy()
      resolve({
        status: answer?.statusCode,
        error,
        retryAfter: retryAfterOf(answer?.headers['retry-after']),
        durationMs: Math.round(performance.now() - begun),
      })
    }
    options.signal?.addEventListener('abort', aborted, { once: true })
    if (options.signal?.aborted) return aborted()
    try {
      req = requestOf(url, headers, body, options)
    } catch (error) {
      return end(undefined, codeOf(error))
    }
    req.on('error', (error) => end(undefined, codeOf(error)))
    req.on('response', (answer) => {
      let read = 0
      answer.on('data', (chunk: Buffer) => {
        read += chunk.length
        if (read >= MAX_ANSWER) end(answer)
      })
      answer.on('end', () => end(answer))
      // Cut off behind its head: the status was said all the same.
      answer.on('error', () => end(answer))
    })
    req.end(body)
  })
}

function requestOf(
  url: URL,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  { allowed, lookup }: SendOptions,
): ClientRequest {
  const secure = url.protocol === 'https:'
  // An address that is written out is connected to without a look-up.
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0 && !allowed(host)) throw new AddressRefused()
  return (secure ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    agent: secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false }),
    headers: { ...headers, 'content-length': String(body.length), connection: 'close' },
    maxHeaderSize: MAX_HEADERS,
    lookup: checked(lookup ?? dnsLookup, allowed),
  })
}

class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED'
}

/** What was looked up is what is connected to: all of it must be allowed. */
function checked(lookup: LookupFunction, allowed: AddressCheck): LookupFunction {
  return (hostname, options, callback) =>
    lookup(hostname, options, (error, found, family) => {
      const addresses = typeof found === 'string' ? [found] : found.map(({ address }) => address)
      if (error || addresses.every((address) => allowed(address))) callback(error, found, family)
      else callback(new AddressRefused(), found, family)
    })
}

/**
 * Looks names up without the thread pool of `dns.lookup`, four threads that name servers of others could keep busy. The names
 * of `/etc/hosts` are not known to it: they are not public.
 */
const dnsLookup: LookupFunction = (hostname, options, callback) => {
  const resolver = new Resolver({ timeout: 3_000, tries: 2 })
  resolver.resolve4(hostname, (error4, found4) => {
    const four = error4 ? [] : found4.map((address) => ({ address, family: 4 }))
    if (four.length > 0) return answerWith(four)
    resolver.resolve6(hostname, (error6, found6) => {
      if (error6) return callback(error4 ?? error6, options.all ? [] : '', 0)
      answerWith(found6.map((address) => ({ address, family: 6 })))
    })
  })
  const answerWith = (found: { address: string; family: number }[]) => {
    const [first = { address: '', family: 0 }] = found
    if (options.all) callback(null, found)
    else callback(null, first.address, first.family)
  }
}

/** Of errors of Node and OpenSSL; texts name addresses. */
function codeOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown }
  if (typeof message === 'string' && /is not allowed\. Because,? It is/.test(message))
    return 'ADDRESS_REFUSED'
  return typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) ? code : 'NETWORK_ERROR'
}

/** Seconds, or a date (RFC 9110, 10.2.3), which is as good as this machine's clock. */
function retryAfterOf(value: string | undefined): number | undefined {
  if (value === undefined || value.length > 40) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}
