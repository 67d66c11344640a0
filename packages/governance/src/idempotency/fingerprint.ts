import { createHash } from 'node:crypto'
import { invalidField } from '../input/input.ts'
import { canonical, jsonOf } from '../json/canonical.ts'

/** What a request asks for. */
export interface RequestParts {
  readonly method: string
  /** Path and query, as sent: `/v1/notes?draft=1`. */
  readonly url: string
  /** As bytes or text, or as a body parser made it; `undefined` when there is none. */
  readonly body: unknown
}

/**
 * A digest of all that makes a request another one: method, path, query (in any order of its names) and body.
 *
 * @internal
 * @throws TenancyError VALIDATION_ERROR when the body is nothing that can be told apart
 */
export function fingerprintOf({ method, url, body }: RequestParts): Buffer {
  const [path = '', query = ''] = splitOnce(url, '?')
  const sorted = query === '' ? '' : query.split('&').toSorted(byName).join('&')
  const hash = createHash('sha256').update(canonical([method.toUpperCase(), path, sorted]))
  if (body === undefined || body === null) hash.update('\0none')
  else if (typeof body === 'string') hash.update('\0text').update(body)
  else if (body instanceof Uint8Array) hash.update('\0text').update(body)
  else if (body instanceof ArrayBuffer) hash.update('\0text').update(new Uint8Array(body))
  else {
    const json = jsonOf(body)
    if (json === undefined) throw invalidField('body', 'text, bytes or JSON')
    hash.update('\0json').update(canonical(json))
  }
  return hash.digest()
}

/** Values of one name stay in their order, which may mean something. */
function byName(a: string, b: string): number {
  const [one, other] = [splitOnce(a, '=')[0], splitOnce(b, '=')[0]]
  return one < other ? -1 : Number(one > other)
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
