import { TenancyError } from '@org/core'
import type { HonoRequest } from 'hono'

/** Up to 18 digits: every such number fits PostgreSQL's bigint. */
const ID = /^[1-9]\d{0,17}$/
const MAX_LIMIT = 100
const MAX_BODY = 2_000

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

/** The `body` of a note: 1 to 2000 characters; PostgreSQL's text cannot hold U+0000. */
export async function readNote(req: HonoRequest): Promise<{ body: string }> {
  const sent: unknown = await req.json().catch(() => {
    throw invalid('json')
  })
  const body = typeof sent === 'object' && sent !== null && 'body' in sent ? sent.body : undefined
  if (typeof body !== 'string' || body === '' || body.length > MAX_BODY || body.includes('\0'))
    throw invalid('body')
  return { body }
}

function invalid(field: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', `The request's ${field} is not valid.`, { details: { field } })
}

/** For bodies too large to be read at all. */
export function tooLarge(): never {
  throw invalid('body')
}
