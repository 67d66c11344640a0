import { isTenancyError } from '../../src/index.ts'
import type { IncomingRequest, NodeHeaders } from '../../src/resolve/request.ts'
import type { ApiKeyActor, TokenClaims } from '../../src/resolve/types.ts'
import { TenancyError } from '../../src/tenancy-error.ts'

/** A request as Node makes one: `headers` keep the first of a repeated `Host`, `headersDistinct` all. */
export function nodeRequest(
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  { url = '/notes', from }: { readonly url?: string; readonly from?: string } = {},
): IncomingRequest {
  const distinct: Record<string, readonly string[]> = {}
  for (const [name, value] of Object.entries(headers))
    distinct[name] = typeof value === 'string' ? [value] : value
  const ONCE = new Set(['host', 'authorization'])
  const joined: NodeHeaders = Object.fromEntries(
    Object.entries(distinct).map(([name, values]) => [name, ONCE.has(name) ? values[0] : values.join(', ')]),
  )
  return { method: 'GET', url, headers: joined, headersDistinct: distinct, socket: { remoteAddress: from } }
}

/** The same as a Web request, which joins repeated headers. */
export function webRequest(
  headers: Readonly<Record<string, string | readonly string[]>> = {},
  url = 'http://localhost/notes',
): IncomingRequest {
  const made = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const one of typeof value === 'string' ? [value] : value) made.append(name, one)
  }
  return { method: 'GET', url, headers: made }
}

/** Accepts `u.acme`, `s.acme` and `s.` (a service of no tenant) as tokens. */
export async function verifyToken(token: string): Promise<TokenClaims> {
  const [, kind, tenantId] = /^(u|s)\.([^.]*)$/.exec(token) ?? []
  if (kind === undefined || tenantId === undefined) throw new TenancyError('INVALID_TOKEN', 'no')
  const type = kind === 'u' ? 'user' : 'service'
  return { sub: `${type}-1`, type, ...(tenantId !== '' && { tenantId }) }
}

/** Accepts `pgt_live_acme`. */
export async function authenticateApiKey(text: string): Promise<ApiKeyActor> {
  const [, tenant] = /^pgt_live_([a-z0-9-]+)$/.exec(text) ?? []
  if (tenant === undefined) throw new TenancyError('INVALID_TOKEN', 'no')
  return { type: 'service', id: 'key-1', tenant }
}

/** The code (and reason) something is refused with. */
export async function refusal(run: () => unknown): Promise<string> {
  try {
    return `resolved: ${JSON.stringify(await run())}`
  } catch (error) {
    if (!isTenancyError(error)) throw error
    const { reason } = error.details
    return reason === undefined ? error.code : `${error.code} ${reason}`
  }
}
