import { invalidOption } from '@org/core'
import { unavailable } from './errors.ts'

/** A key set of a hundred 4096-bit keys has about 80 kB. */
const MAX_BYTES = 262_144
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Where keys may be fetched from: `https:`, or `http:` on this machine. Whoever can change the answer on its way can
 * sign tokens.
 *
 * @throws TenancyError INVALID_OPTION
 */
export function keyUrl(option: string, value: unknown): URL {
  const url = typeof value === 'string' || value instanceof URL ? URL.parse(String(value)) : null
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.has(url.hostname))
  if (url !== null && safe && url.username === '' && url.password === '') return url
  throw invalidOption(option, 'an https: URL without user name and password (http: only for loopback)')
}

/**
 * Fetches a small JSON document: no redirects, a time limit for all of it, a size limit while it arrives.
 *
 * @throws TenancyError SERVICE_UNAVAILABLE, without a cause: it could quote the address or the answer
 */
export async function fetchJson(url: URL, timeoutMs: number): Promise<unknown> {
  try {
    const response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json, application/jwk-set+json' },
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error('status')
    }
    return JSON.parse(await boundedText(response))
  } catch {
    throw unavailable('The issuer’s keys could not be fetched. Check its key address and that it answers.')
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MAX_BYTES) throw new Error('size')
    chunks.push(chunk)
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}
