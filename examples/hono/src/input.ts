import { TenancyError } from '@org/core'
import type { HonoRequest } from 'hono'

/** Up to 18 digits: every such number fits PostgreSQL's bigint. */
const ID = /^[1-9]\d{0,17}$/
const MAX_LIMIT = 100
const MAX_TEXT = 2_000

/** @throws TenancyError VALIDATION_ERROR with the field's name, never its value */
export function readId(value: string): string {
  if (ID.test(value)) return value
  throw invalid('id')
}

/** `limit` (1 to 100, default 20) and `cursor` (what `meta.nextCursor` said) of a list. */
export function readPage(req: HonoRequest): { limit: number; before: string | null } {
  const { limit = '20', cursor } = req.query()
  if (!/^\d{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > MAX_LIMIT) throw invalid('limit')
  if (cursor === undefined) return { limit: Number(limit), before: null }
  const before = Buffer.from(cursor, 'base64url').toString()
  if (!ID.test(before)) throw invalid('cursor')
  return { limit: Number(limit), before }
}

/** An opaque word for "after this row". */
export function toCursor(id: string): string {
  return Buffer.from(id).toString('base64url')
}

/** One field of a JSON body: 1 to 2000 characters of text; PostgreSQL's text cannot hold U+0000. */
export async function readText(req: HonoRequest, field: 'body' | 'value'): Promise<string> {
  const sent: Partial<Record<typeof field, unknown>> | null = await req.json().catch(() => {
    throw invalid('json')
  })
  const text = sent?.[field]
  if (typeof text !== 'string' || text === '' || text.length > MAX_TEXT || text.includes('\0'))
    throw invalid(field)
  return text
}

function invalid(field: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', `The request's ${field} is not valid.`, { details: { field } })
}

/** For bodies too large to be read at all. */
export function tooLarge(): never {
  throw invalid('body')
}
