import { malformed, mismatch } from './refusals.ts'

/**
 * The part of a request that is looked at: a Web `Request`, a Node `IncomingMessage` or anything shaped like one. Body
 * and query are not part of it: a tenant named there is never believed.
 */
export interface IncomingRequest {
  readonly method?: string | undefined
  /** The request target as it was sent (`/notes?x=1`), or an absolute URL. */
  readonly url?: string | undefined
  readonly headers: WebHeaders | NodeHeaders
  /** Node only: without it a repeated `Host` or `Authorization` cannot be seen, because Node keeps just the first. */
  readonly headersDistinct?: NodeHeaders | undefined
  /** The other end of the connection, for {@link Trust}. */
  readonly socket?: { readonly remoteAddress?: string | undefined } | null | undefined
}

export interface WebHeaders {
  get(name: string): string | null
}

export type NodeHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/**
 * The most characters of one header, all its lines together, that are looked at: as many as Node allows for all headers
 * (`--max-http-header-size`), for servers that allow more. Nobody is authenticated yet when this is asked.
 */
export const MAX_HEADER_LENGTH = 16_384

/**
 * All values of a header as they came, one for each line that Node kept apart. Web `Headers` join lines with a comma,
 * so whoever needs one value has to refuse a comma as well: {@link singleHeader} does.
 *
 * @throws TenancyError VALIDATION_ERROR when they are longer than {@link MAX_HEADER_LENGTH}
 */
export function headerValues(request: IncomingRequest, name: string): readonly string[] {
  const values = sentValues(request, name)
  let length = 0
  for (const value of values) length += value.length + 1
  if (length > MAX_HEADER_LENGTH) throw malformed(name, 'length')
  return values
}

/** As {@link headerValues}, of any length: for whoever must not throw. */
export function sentValues(request: IncomingRequest, name: string): readonly string[] {
  const { headers, headersDistinct } = request
  if (isWebHeaders(headers)) {
    // A pseudo-header of HTTP/2 is no name to them.
    const value = name.startsWith(':') ? null : headers.get(name)
    return value === null ? [] : [value]
  }
  const value = own(headersDistinct, name) ?? own(headers, name)
  if (value === undefined) return []
  return typeof value === 'string' ? [value] : value
}

/**
 * A header that may come once.
 *
 * @throws TenancyError TENANT_MISMATCH when it came with different values, VALIDATION_ERROR when it came repeatedly
 */
export function singleHeader(request: IncomingRequest, name: string): string | undefined {
  const sent = headerValues(request, name)
  const [value] = sent
  if (value === undefined || (sent.length === 1 && !value.includes(','))) return value
  const values = new Set(sent.flatMap((line) => line.split(',')).map((one) => one.trim()))
  throw values.size > 1 ? mismatch() : malformed(name, 'repeated')
}

function isWebHeaders(headers: WebHeaders | NodeHeaders): headers is WebHeaders {
  return typeof headers.get === 'function'
}

function own(headers: NodeHeaders | undefined, name: string): string | readonly string[] | undefined {
  return headers !== undefined && Object.hasOwn(headers, name) ? headers[name] : undefined
}
