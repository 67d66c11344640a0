import { TenancyError } from '@org/core'
import { invalidOption } from '../../input/input.ts'

/** @internal What was answered, as it is kept. */
export interface Answer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Uint8Array
}

/** @internal Only what belongs to the answer: a cookie is for one client at one moment. */
const KEPT: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'etag',
  'last-modified',
  'location',
])

/** @internal Says that an answer is that of an earlier request. */
export const REPLAYED = 'Idempotency-Replayed'

/** @internal Thrown to roll back what was answered with an error: nothing is kept, and the key is free. */
export const REFUSED = new Error('The request was answered with an error; its transaction is rolled back.')

interface Kept {
  readonly s: number
  readonly h?: readonly (readonly [string, string])[]
  readonly b?: string
  /** The id of the resource, for answers that hold a secret. */
  readonly r?: string
}

/** @internal @param reference given for routes whose answers hold secrets: all that is kept of them */
export function encodeAnswer({ status, headers, body }: Answer, reference?: string): string {
  if (reference !== undefined) return JSON.stringify({ s: status, r: reference } satisfies Kept)
  const kept = headers.filter(([name]) => KEPT.has(name.toLowerCase()))
  return JSON.stringify({ s: status, h: kept, b: Buffer.from(body).toString('base64') } satisfies Kept)
}

/** @internal */
export function decodeAnswer(text: string): Answer {
  const { s, h = [], b = '', r } = JSON.parse(text) as Kept
  const marked = [...h, [REPLAYED, 'true'] as const]
  if (r === undefined) return { status: s, headers: marked, body: Buffer.from(b, 'base64') }
  return {
    status: s,
    headers: [...marked, ['Content-Type', 'application/json; charset=utf-8']],
    body: Buffer.from(JSON.stringify({ data: { id: r } })),
  }
}

/** @internal Names and values, however often a header stands there. */
export function headerPairs(headers: Readonly<Record<string, unknown>>): (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => [name, String(one)] as const),
  )
}

/** @internal What a route with secrets must say, so that nothing of its answer need be kept. */
export function requireReference(reference: string | undefined): string {
  if (reference !== undefined) return reference
  throw invalidOption('secret', 'used with reference(request, id) in the handler: its answer is not kept')
}

/** @internal */
export function tooLong(limit: number): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    `An answer that is kept has at most ${limit} bytes; nothing was committed. Raise maxAnswer, or use a secret route.`,
    { details: { limit } },
  )
}
