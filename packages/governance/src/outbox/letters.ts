import { codedControl, integerField, type Queryable } from '@org/core'
import { onlyControlSchema } from '../control/control-schema.ts'
import { invalidField } from '../input/input.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { isEventType } from './publish.ts'

/** An event that had all its attempts. Its payload is the tenant's data: `payload` only when asked for. */
export interface DeadLetter {
  /** Its number here; the cursor of the next page. */
  readonly no: string
  readonly id: string
  readonly tenant: string
  readonly type: string
  readonly key: string | null
  readonly attempts: number
  /** A code: of the error, `HTTP_500`, `LEASE_EXPIRED` (it took its worker with it), `NO_HANDLER`, … */
  readonly reason: string
  readonly publishedAt: Date
  readonly diedAt: Date
  readonly payload?: unknown
}

/** Which dead letters. */
export interface LetterFilter {
  readonly tenant?: string | undefined
  readonly type?: string | undefined
  readonly reason?: string | undefined
  /** These numbers, at most 1,000. */
  readonly numbers?: readonly string[] | undefined
}

/** What {@link OutboxControl.gauges} says, for metrics: never by tenant. */
export interface OutboxGauges {
  /** Published or due, and not in anybody's hands. Counted up to 100,000. */
  readonly ready: number
  /** In the hands of workers. */
  readonly handling: number
  /** Of tenants that are not in service. */
  readonly waiting: number
  readonly dead: number
  /** Seconds since the oldest of what is ready was published, 0 when nothing is. */
  readonly lag: number
  /** Leases that ran out and nobody took back: no worker is running. */
  readonly stuck: number
}

/** The outbox for those who look after it: the command, the hub, metrics. */
export interface OutboxControl {
  /**
   * Dead letters, the newest first.
   *
   * @throws TenancyError VALIDATION_ERROR
   */
  list(
    filter?: LetterFilter & {
      /** Default 50, at most 500. */
      readonly limit?: number | undefined
      /** `no` of the last one of the page before. */
      readonly before?: string | undefined
      readonly payload?: boolean | undefined
    },
  ): Promise<DeadLetter[]>
  /**
   * Gives dead letters all their attempts again, at most 1,000 at once, the oldest first. One of a key goes to the end of its
   * order.
   *
   * @returns how many
   * @throws TenancyError VALIDATION_ERROR (nothing says which)
   */
  redrive(filter: LetterFilter): Promise<number>
  /** Removes dead letters for good, at most 1,000 at once. Errors as {@link OutboxControl.redrive}. */
  discard(filter: LetterFilter): Promise<number>
  gauges(): Promise<OutboxGauges>
}

const AT_ONCE = 1_000
const CHOSEN = `($1::text is null or d.tenant = $1) and ($2::text is null or d.type = $2)
    and ($3::text is null or d.reason = $3) and ($4::int8[] is null or d.no = any ($4))`
const COLUMNS = `d.no::text as no, d.id, d.tenant, d.type, d.key, d.attempts, d.reason, d.published_at as "publishedAt",
    d.died_at as "diedAt"`

/**
 * @param pool of a role that `installOutbox` was told is a worker's
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { installOutbox, outboxControl } from '@org/governance/outbox'
 *
 * await installOutbox(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * const control = outboxControl(adminPool) // as one of `workers`
 * await control.redrive({ tenant: 'acme', reason: 'HTTP_503' })
 * ```
 */
export function outboxControl(
  pool: Queryable,
  options: { readonly controlSchema?: string | undefined } = {},
): OutboxControl {
  const control = codedControl(pool, 'installOutbox(admin, { workers: [role] })')
  const schema = quoteIdentifier(onlyControlSchema(options))
  const gone = (values: string) => `with chosen as (
      select d.no from ${schema}.outbox_dead d where ${values} order by d.no limit ${AT_ONCE} for update skip locked
    ), gone as (
      delete from ${schema}.outbox_dead d using chosen c where d.no = c.no returning d.*
    )`
  const one = async (text: string, filter: LetterFilter) => {
    const { rows } = await control.query<{ n: string }>(text, chosenBy(filter, true))
    return Number(rows[0]?.n)
  }
  return {
    list: async ({ limit = 50, before, payload = false, ...filter } = {}) => {
      integerField('limit', limit, 1, 500)
      const text = `select ${COLUMNS}${payload ? ', d.payload' : ''} from ${schema}.outbox_dead d
        where ${CHOSEN} and ($5::int8 is null or d.no < $5) order by d.no desc limit $6`
      const values = [
        ...chosenBy(filter, false),
        before === undefined ? null : numberOf(before, 'before'),
        limit,
      ]
      return (await control.query<DeadLetter>(text, values)).rows
    },
    redrive: (filter) =>
      one(
        `${gone(CHOSEN)}, back as (
          insert into ${schema}.outbox (id, tenant, type, payload, key, trace)
          select id, tenant, type, payload, key, trace from gone order by no returning 1
        ) select count(*) as n from back`,
        filter,
      ),
    discard: (filter) => one(`${gone(CHOSEN)} select count(*) as n from gone`, filter),
    gauges: async () => {
      const { rows } = await control.query<Record<keyof OutboxGauges, string>>(gaugesOf(schema))
      const { ready, handling, waiting, dead, lag, stuck } = rows[0] ?? {}
      const [a, b, c, d, e, f] = [ready, handling, waiting, dead, lag, stuck].map(Number)
      return { ready: a ?? 0, handling: b ?? 0, waiting: c ?? 0, dead: d ?? 0, lag: e ?? 0, stuck: f ?? 0 }
    },
  }
}

/** @internal What was published since the last dispatch is not in the queue yet: a worker puts it there within its poll. */
export const gaugesOf = (schema: string) => `with head as (
    select turn, seq from ${schema}.outbox_lease order by id desc limit 1
  ), ready as materialized (
    select r.slot, r.xid, r.seq from ${schema}.outbox_ready r, head h where (r.turn, r.seq) > (h.turn, h.seq)
    order by r.turn, r.seq limit 100000
  ), last as (
    select snapshot, at from ${schema}.outbox_tick order by id desc limit 1
  ), fresh as (
    select count(*) as n, min(o.published_at) as oldest from last, ${schema}.outbox o
    where o.xid >= pg_snapshot_xmin(last.snapshot) and not pg_visible_in_snapshot(o.xid, last.snapshot) and o.available_at <= o.published_at
  ), oldest as (
    select o.published_at from (select * from ready limit 1) r
    join ${schema}.outbox o on o.slot = r.slot and o.xid = r.xid and o.seq = r.seq
  )
  select (select count(*) from ready) + (select n from fresh) as ready,
    (select coalesce(sum(cardinality(seqs) - cardinality(settled)), 0) from ${schema}.outbox_lease where not over) as handling,
    (select count(*) from ${schema}.outbox_waiting) as waiting,
    (select count(*) from ${schema}.outbox_dead) as dead,
    coalesce(extract(epoch from clock_timestamp() - least((select published_at from oldest), (select oldest from fresh))), 0) as lag,
    (select count(*) from ${schema}.outbox_lease where not over and expires_at < clock_timestamp() - interval '1 minute') as stuck`

function chosenBy({ tenant, type, reason, numbers }: LetterFilter, needed: boolean): unknown[] {
  if (needed && [tenant, type, reason, numbers].every((said) => said === undefined)) {
    throw invalidField('filter', 'a tenant, a type, a reason or numbers')
  }
  if (type !== undefined && !isEventType(type)) throw invalidField('type', 'an event type')
  for (const [field, said] of [
    ['tenant', tenant],
    ['reason', reason],
  ] as const) {
    if (said !== undefined && (typeof said !== 'string' || said.length > 100 || said.includes('\0'))) {
      throw invalidField(field, 'a text of at most 100 characters')
    }
  }
  if (numbers !== undefined && (!Array.isArray(numbers) || numbers.length > AT_ONCE)) {
    throw invalidField('numbers', `a list of at most ${AT_ONCE} numbers`)
  }
  return [tenant ?? null, type ?? null, reason ?? null, numbers?.map((no) => numberOf(no, 'numbers')) ?? null]
}

function numberOf(value: unknown, field: string): string {
  if (typeof value === 'string' && /^\d{1,18}$/.test(value)) return value
  throw invalidField(field, 'numbers of dead letters')
}
