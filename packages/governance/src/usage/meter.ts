import { integerField, type Queryable, type TenantKey, type TenantQueryable } from '@org/core'
import { aheadSql, otherServer } from '../control/other-server.ts'
import { invalidField, storable } from '../input/input.ts'
import { isMoment, momentOf } from '../input/moment.ts'
import { send } from '../tenants/send.ts'

/** That something was used. */
export interface Usage {
  /** Of the request (or job) that caused it: counted once, however often the request is repeated. */
  readonly requestId: string
  /** The key of the `tool_action`. */
  readonly action: string
  /** How much: a whole number from 1 to 10¹² (default 1). */
  readonly amount?: number | undefined
  /** Tells several uses of one action in one request apart: 0 to 2³¹ - 1 (default 0). */
  readonly part?: number | undefined
}

/** @internal */
export const deltaSql = (delta: string) => `insert into ${delta} (tenant, request_id, action, part, amount)
  values ($1::text, $2::text, $3::text, $4::integer, $5::bigint) on conflict do nothing`

/** @internal Writes it in the caller's transaction, at no trip of its own where the handle can queue. */
export async function meter(db: TenantQueryable, sql: string, usage: Usage): Promise<void> {
  const { requestId, action, amount = 1, part = 0 } = usage ?? {}
  const values = [
    db.tenant,
    short(requestId, 'requestId'),
    short(action, 'action'),
    integerField('part', part, 0, 2 ** 31 - 1),
    integerField('amount', amount, 1, 1e12),
  ]
  await send(db, { name: 'governance_meter', text: sql, values })
}

/** @internal 1 to 200 bytes. */
export function short(value: unknown, field: string): string {
  if (typeof value === 'string' && value !== '' && storable(value) && Buffer.byteLength(value) <= 200)
    return value
  throw invalidField(field, 'a text of 1 to 200 bytes')
}

/** What rolling up did. */
export interface RollUpReport {
  /** Counts that were added to: one for each tenant, action and day. */
  readonly counts: number
}

const spanSql = (cursor: string) => `select c.upto::text as upto,
  pg_snapshot_xmin(pg_current_snapshot())::text as until, ${aheadSql('c.upto')} as ahead from ${cursor} c`

/**
 * Adds up what was written by transactions between two ids, all of which are over, and moves the position past them, in one
 * statement: there is no moment at which a delta is counted and not passed, or passed and not counted. Counts are touched in
 * one order by everybody.
 */
const rollUpSql = (tables: UsageTables) => `with moved as (
    update ${tables.cursor} set upto = $2::xid8 where upto = $1::xid8 returning one
  ), due as (
    select d.tenant, d.action, date_trunc('day', d.at, 'UTC') as since, sum(d.amount) as amount
      from ${tables.delta} d where d.xid >= $1::xid8 and d.xid < $2::xid8 group by 1, 2, 3
  )
  insert into ${tables.metrics} as m (tenant, tool_action, period_start, period_end, count)
  select due.tenant, due.action, due.since, ((due.since at time zone 'utc') + interval '1 day') at time zone 'utc', due.amount
    from moved, due order by due.tenant, due.since, due.action
  on conflict (tenant, period_start, tool_action) do update set count = m.count + excluded.count, updated_at = now()`

/** @internal */
export interface UsageTables {
  readonly delta: string
  readonly cursor: string
  readonly metrics: string
  readonly resource: string
  readonly hold: string
  readonly give: string
}

/** @internal */
export async function rollUp(admin: Queryable, tables: UsageTables): Promise<RollUpReport> {
  const [span] = (await admin.query<{ upto: string; until: string; ahead: boolean }>(spanSql(tables.cursor)))
    .rows
  if (span?.ahead) throw otherServer('The usage is')
  if (span === undefined || BigInt(span.until) <= BigInt(span.upto)) return { counts: 0 }
  const { rowCount } = await admin.query(rollUpSql(tables), [span.upto, span.until])
  return { counts: rowCount ?? 0 }
}

/** Usage of one action in one period. */
export interface UsageRecord {
  readonly action: string
  /** ISO 8601, in UTC. */
  readonly periodStart: string
  readonly periodEnd: string
  readonly count: number
}

export interface UsageOptions {
  /** Of what length the periods are (default `month`), in UTC. */
  readonly period?: 'day' | 'month' | undefined
  readonly action?: string | undefined
  /** Periods that begin at or after this moment (default: a year ago); a Date or ISO 8601. */
  readonly from?: Date | string | undefined
  /** Periods that begin before it (default: none). */
  readonly to?: Date | string | undefined
  /** 1 to 1,000 (default 100). */
  readonly limit?: number | undefined
  /** `meta.nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

export interface UsagePage {
  readonly data: readonly UsageRecord[]
  readonly meta: { readonly nextCursor: string | null; readonly hasMore: boolean }
}

const listSql = (metrics: string) => `select u.action, u.count::text as count,
    to_char(u.since at time zone 'utc', 'YYYY-MM-DD') as since,
    to_char((u.since at time zone 'utc') + ('1 ' || $2::text)::interval, 'YYYY-MM-DD') as until
  from (
    select m.tool_action as action, date_trunc($2::text, m.period_start, 'UTC') as since, sum(m.count) as count
      from ${metrics} m
      where m.tenant = $1::text and ($3::text is null or m.tool_action = $3::text)
        and m.period_start >= $4::timestamptz and ($5::timestamptz is null or m.period_start < $5::timestamptz)
      group by 1, 2
  ) u
  where $6::timestamptz is null or (u.since, u.action) > ($6::timestamptz, $7::text)
  order by u.since, u.action limit $8::integer`

/** @internal */
export async function listUsage(
  control: Queryable,
  { metrics }: UsageTables,
  tenant: TenantKey,
  options: UsageOptions,
): Promise<UsagePage> {
  const { period = 'month', limit = 100, action } = options
  if (period !== 'day' && period !== 'month') throw invalidField('period', 'day or month')
  integerField('limit', limit, 1, 1_000)
  const from = momentOf(options.from, 'from') ?? new Date(Date.now() - 366 * 86_400_000).toISOString()
  const to = momentOf(options.to, 'to')
  const { rows } = await control.query<{ action: string; count: string; since: string; until: string }>(
    listSql(metrics),
    [
      tenant,
      period,
      action === undefined ? null : short(action, 'action'),
      from,
      to,
      ...cursorOf(options.cursor),
      limit + 1,
    ],
  )
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const hasMore = rows.length > limit
  return {
    data: shown.map(({ action: name, count, since, until }) => ({
      action: name,
      periodStart: `${since}T00:00:00Z`,
      periodEnd: `${until}T00:00:00Z`,
      count: Number(count),
    })),
    meta: {
      hasMore,
      nextCursor: hasMore && last ? Buffer.from(`${last.since}${last.action}`).toString('base64url') : null,
    },
  }
}

const DAY = /^\d{4}-\d\d-\d\d$/

function cursorOf(cursor: unknown): [string | null, string | null] {
  if (cursor === undefined) return [null, null]
  const text =
    typeof cursor === 'string' && cursor.length <= 400 ? Buffer.from(cursor, 'base64url').toString() : ''
  const [day, action] = [text.slice(0, 10), text.slice(10)]
  if (DAY.test(day) && isMoment(day) && action !== '' && storable(action)) return [`${day}T00:00:00Z`, action]
  throw invalidField('cursor', 'meta.nextCursor of the page before')
}
