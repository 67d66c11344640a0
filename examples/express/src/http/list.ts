import { type Queryable, TenancyError } from '@org/core'
import { z } from 'zod'
import type { Page } from './endpoint.ts'

/** A column to sort by, and how its values travel in a cursor. It must not be nullable. */
interface SortColumn {
  readonly sql: string
  readonly type: 'timestamptz' | 'text'
}

/** What a list reads and how it may be narrowed and sorted. Everything here is the program's own SQL. */
export interface ListSource<Sort extends string, Filter extends string> {
  /** `from … where …`; filters are added with `and`. */
  readonly from: string
  readonly columns: string
  readonly sorts: Readonly<Record<Sort, SortColumn>>
  /** Unique, breaks ties; compared as text. */
  readonly id: string
  /** A condition each, `$` standing for the value. */
  readonly filters: Readonly<Record<Filter, string>>
}

/** A moment that PostgreSQL reads as well: it has no year 0, and no zone 16 hours away. */
export const moment = z.iso.datetime({ offset: true }).refine(isMoment, 'not a moment')

/** Filters that most lists have, to spread into `listQuery`. */
export const createdAt = { createdAtFrom: moment.optional(), createdAtTo: moment.optional() }
export const createdAtFilters = (column: string) => ({
  createdAtFrom: `${column} >= $::timestamptz`,
  createdAtTo: `${column} < $::timestamptz`,
})
/** A part of a text, in any case of letters; `%` and `_` mean themselves. */
export const search = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[^\0]*$/)
  .optional()
export const contains = (column: string) => `strpos(lower(${column}), lower($)) > 0`

/**
 * The query of a list: `limit` (1 to 200, default 50), `cursor`, `sort=<column>:<asc|desc>` and filters.
 */
export function listQuery<const Sort extends string, F extends z.ZodRawShape>(
  sorts: readonly [Sort, ...Sort[]],
  filters: F,
) {
  const orders = sorts.flatMap((sort) => [`${sort}:asc`, `${sort}:desc`] as const)
  return z.strictObject({
    limit: z.coerce.number().int().min(1).max(200).default(50),
    cursor: z.string().max(1_000).optional().describe('`meta.nextCursor` of the page before'),
    sort: z
      .enum(orders as [`${Sort}:asc`, ...`${Sort}:${'asc' | 'desc'}`[]])
      .default(`${sorts[0]}:desc` as never),
    ...filters,
  })
}

interface ListQuery {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly sort: string
  readonly [filter: string]: unknown
}

/**
 * One page, by keyset: the cursor says where the last one ended, so that rows that come and go meanwhile are neither
 * repeated nor left out.
 *
 * @param base values of `$1` and so on in `source.from`
 * @throws TenancyError VALIDATION_ERROR for a cursor that is not of this list and order
 */
export async function listPage<Row extends object>(
  db: Queryable,
  source: ListSource<string, string>,
  query: ListQuery,
  base: readonly unknown[] = [],
): Promise<Page<Row>> {
  const [sort = '', direction = 'desc'] = query.sort.split(':')
  const column = source.sorts[sort] as SortColumn
  const values = [...base]
  const place = (value: unknown) => `$${values.push(value)}`
  const conditions = Object.entries(source.filters).flatMap(([name, sql]) =>
    query[name] === undefined ? [] : [sql.replaceAll('$', place(query[name]))],
  )
  if (query.cursor !== undefined) {
    const [value, id] = readCursor(query.cursor, query.sort, column.type)
    const than = direction === 'asc' ? '>' : '<'
    conditions.push(
      `(${column.sql}, ${source.id}) ${than} (${place(value)}::${column.type}, ${place(id)}::text)`,
    )
  }
  const text = `select ${source.columns}, ${column.sql}::text as "cursorValue", ${source.id} as "cursorId"
    ${source.from}${conditions.map((condition) => ` and ${condition}`).join('')}
    order by ${column.sql} ${direction}, ${source.id} ${direction} limit ${place(query.limit + 1)}`
  const { rows } = await db.query<Row & { cursorValue: string; cursorId: string }>(text, values)
  const last = rows.length > query.limit ? rows[query.limit - 1] : undefined
  return {
    items: rows
      .slice(0, query.limit)
      .map(({ cursorValue: _value, cursorId: _id, ...row }) => row as unknown as Row),
    nextCursor: last ? writeCursor(query.sort, last.cursorValue, last.cursorId) : null,
  }
}

/** Opaque to clients, and no secret: it says nothing but where the page ended. */
function writeCursor(sort: string, value: string, id: string): string {
  return Buffer.from(JSON.stringify([sort, value, id])).toString('base64url')
}

const CURSOR = z.tuple([z.string(), z.string().max(400), z.string().max(100)])
const TIMESTAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/

function readCursor(cursor: string, sort: string, type: SortColumn['type']): readonly [string, string] {
  try {
    const [order, value, id] = CURSOR.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
    const good = order === sort && (type === 'text' || isTimestamp(value)) && !`${value}${id}`.includes('\0')
    if (good) return [value, id]
  } catch {
    // Not ours.
  }
  throw new TenancyError(
    'VALIDATION_ERROR',
    'The cursor is not one of this list in this order. Begin without one.',
    {
      details: { field: 'query.cursor', reason: 'unknown_cursor' },
    },
  )
}

/** As PostgreSQL writes one: `2026-01-31 12:00:00.123456+00`. */
function isTimestamp(value: string): boolean {
  const iso = value.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')
  return TIMESTAMP.test(value) && z.iso.datetime({ offset: true }).safeParse(iso).success && isMoment(iso)
}

function isMoment(iso: string): boolean {
  return !iso.startsWith('0000') && Number(/[+-](\d\d):\d\d$/.exec(iso)?.[1] ?? 0) < 15
}
