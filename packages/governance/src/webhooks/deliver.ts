import { type DeliveryTrace, type Sealing, type TenantQueryable, TRACES } from '@org/core'
import { MAX_WRITTEN } from '../outbox/tables-sql.ts'
import type { BatchedStatement, Handler, HandlerContext, OutboxEvent } from '../outbox/worker/handler.ts'
import { GiveUp, Postpone, RetryLater } from '../outbox/worker/outcome.ts'
import { paceOf } from '../outbox/worker/pace.ts'
import { aside } from '../tenants/aside.ts'
import { ENDPOINT_TABLE } from './endpoints.ts'
import type { WebhookOptions, WebhookSettings } from './options.ts'
import { type Answer, send } from './send.ts'
import { sign } from './signature.ts'
import { parseTarget } from './target.ts'

/** The outbox's event for one delivery to one endpoint; not one that endpoints can ask for. */
export const DELIVERY = 'webhook.delivery'
/** Published when an endpoint is suspended by itself. */
export const ENDPOINT_DISABLED = 'webhook.endpoint.disabled'

/** The longest secret there is, sealed. */
const SEALED = 10_000

/** What to send where, and the time of day by the database's clock. */
interface Due {
  readonly endpoint: string
  readonly url: string
  readonly active: boolean
  readonly secret: string
  readonly previous: string | null
  readonly status: string
  readonly message: string
  readonly type: string
  readonly payload: unknown
  readonly created: string
  readonly now: number
}

// Tables of the tenant's own, of which its SQL may have made anything, as of functions over types of its own: one row each, and of
// bounded length, as `left` of a text is PostgreSQL's.
const READ: BatchedStatement = {
  access: 'read',
  text: `select asked.n, found.*
  from (select (place - 1)::integer as n, id::uuid as id from jsonb_array_elements_text($1::jsonb) with ordinality a(id, place)) asked
  cross join lateral (select left(e.id::text, 36) as endpoint, left(e.url::text, 2001) as url, left(e.status::text, 20) = 'active' as active,
    left(e.secret::text, ${SEALED}) as secret,
    case when e.previous_until > clock_timestamp() then left(e.previous_secret::text, ${SEALED}) end as previous, left(d.status::text, 20) as status,
    left(m.id::text, 36) as message, left(m.type::text, 101) as type,
    case when octet_length(m.payload::text) <= ${MAX_WRITTEN} then left(m.payload::text, ${MAX_WRITTEN})::jsonb end as payload,
    left(to_char(m.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')::text, 30) as created,
    floor(extract(epoch from clock_timestamp()))::float8 as now
  from webhook_delivery d join webhook_endpoint e on e.id = d.endpoint_id join webhook_message m on m.id = d.message_id
  where d.id = asked.id limit 1) found`,
}
/** What came of attempts; once for a delivery that was attempted twice. An endpoint that was reached is well again. */
const RECORD: BatchedStatement = {
  access: 'write',
  text: `with said as materialized (
    select * from jsonb_to_recordset($1::jsonb)
      as s(delivery uuid, endpoint uuid, status text, response integer, error text, duration integer)
  ), well as (
    update webhook_endpoint e set failing_since = null from said s
    where s.status = 'delivered' and e.id = s.endpoint and e.failing_since is not null
  )
  update webhook_delivery d set status = s.status, attempts = d.attempts + s.times, response_status = s.response, error = s.error,
    duration_ms = s.duration, last_attempt_at = clock_timestamp()
  from (select distinct on (delivery) *, (count(*) over (partition by delivery))::integer as times from said
    order by delivery, status = 'delivered' desc) s
  where d.id = s.delivery`,
}
// One statement says whether it is this failure that disables it: of two at once, one. A trigger of the tenant's may have it say more.
const FAILING = `with failed as (
    update webhook_endpoint set failing_since = coalesce(failing_since, clock_timestamp()),
      status = case when gone or long then 'suspended' else status end,
      suspended_reason = case when gone then 'GONE' when long then 'FAILING' else suspended_reason end,
      updated_at = case when gone or long then now() else updated_at end
    from (select id as which, $2::boolean as gone,
        coalesce(failing_since <= clock_timestamp() - make_interval(secs => $3::float8), false) as long
      from webhook_endpoint where id = $1 and status = 'active' for update) why
    where id = which returning status, suspended_reason as reason
  )
  select left(status::text, 20) as status, left(reason::text, 20) as reason from failed limit 1`
/** The longest that `Retry-After` is believed (ms). */
const LONGEST_RETRY_AFTER = 86_400_000

/** Sends one message to one endpoint. What is written of it is written before the attempt is over for the outbox. */
export function deliverer(options: WebhookOptions, settings: WebhookSettings): Handler<string, unknown> {
  const { sealing, outbox } = options
  const pace = paceOf(settings.perEndpoint, { cautious: true })
  const attempt = async (
    id: string,
    due: Due,
    context: HandlerContext,
    event: OutboxEvent,
  ): Promise<Answer> => {
    const body = bodyOf(due)
    const secrets = await secretsOf(sealing, due, event.tenant)
    const headers = () => ({
      'content-type': 'application/json',
      'user-agent': settings.userAgent,
      ...traced(options.traceparent?.() ?? event.traceparent),
      ...sign(secrets, due.message, due.now, body),
    })
    // What counts for the pace is the endpoint's time, not the database's.
    const sent = async (url: URL): Promise<Answer> => {
      let answer: Answer = REFUSED
      await pace.during(laneOf(event, due.endpoint), async () => {
        await context.requireLease()
        answer = await send(url, headers(), body, {
          timeout: settings.timeout,
          allowed: settings.allowed,
          lookup: options.lookup,
          signal: context.signal,
        })
      })
      return answer
    }
    const told = (message: DeliveryTrace | undefined) =>
      target(due, settings)
        .then(sent, () => REFUSED)
        .then((answer) => {
          if (message) tell(message, answer)
          return answer
        })
    const answer = await TRACES.delivery.trace(() => traceOf(event, due), told)
    if (context.signal.aborted && answer.error === 'ABORTED') throw new Postpone(0)
    const delivered = isSuccess(answer)
    const ended = delivered ? 'delivered' : context.last || answer.status === 410 ? 'failed' : 'pending'
    const entry = entryOf(id, due, ended, answer)
    if (delivered) await context.batched(RECORD, entry)
    else {
      await context.withTenant(async (db) => {
        await aside(db, RECORD.text, [JSON.stringify([entry])])
        await failed(db, due, answer)
      })
    }
    return answer
  }
  const failed = async (db: TenantQueryable, { endpoint, url }: Due, answer: Answer) => {
    const values = [endpoint, answer.status === 410, settings.disableAfter / 1_000]
    const { rows } = await db.query<{ status: string; reason: string }>(FAILING, values)
    if (rows[0]?.status === 'suspended') {
      await outbox.publish(db, ENDPOINT_DISABLED, { endpoint, host: hostOf(url), reason: rows[0].reason })
    }
  }
  /** Asked before anything is read, too: a long queue of somebody slow costs its tenant's tables nothing. */
  const takeTurn = (event: OutboxEvent, endpoint: unknown) => {
    const wait = pace.wait(laneOf(event, endpoint))
    if (wait !== undefined) throw new Postpone(wait)
  }
  return async (event, context) => {
    const { delivery, endpoint } = (event.payload ?? {}) as { delivery?: unknown; endpoint?: unknown }
    const id = String(delivery)
    takeTurn(event, endpoint)
    const due = await context.batched<Due>(READ, id)
    if (due === undefined || due.status === 'delivered') return
    if (!due.active) {
      await context.batched(RECORD, entryOf(id, due, 'failed', { error: 'ENDPOINT_SUSPENDED' }))
      return
    }
    takeTurn(event, due.endpoint)
    conclude(await attempt(id, due, context, event))
  }
}

/** Of one tenant: ids are what its SQL says they are. */
const laneOf = ({ tenant }: OutboxEvent, endpoint: unknown) => `${tenant} ${endpoint}`

const entryOf = (delivery: string, { endpoint }: Due, status: string, answer: Partial<Answer>) => ({
  delivery,
  endpoint,
  status,
  response: answer.status,
  error: answer.error,
  duration: answer.durationMs,
})

const traceOf = ({ tenant, attempt }: OutboxEvent, { endpoint, type }: Due): DeliveryTrace => ({
  tenant,
  endpoint,
  type,
  attempt,
})

/** An attempt that failed is an answer here, and a failure to those who listen. */
function tell(message: DeliveryTrace, { status, error }: Answer): void {
  if (status !== undefined) message.status = status
  if (error !== undefined || !(status !== undefined && status >= 200 && status < 300))
    message.code = error ?? `HTTP_${status}`
}

const traced = (traceparent: string | undefined) => (traceparent === undefined ? {} : { traceparent })

const REFUSED: Answer = { status: undefined, error: 'ADDRESS_REFUSED', retryAfter: undefined, durationMs: 0 }

/** What the outbox does next. */
function conclude(answer: Answer): void {
  if (isSuccess(answer)) return
  const reason = answer.error ?? `HTTP_${answer.status}`
  // It said itself that it is gone, and is suspended: there is nobody to tell again.
  if (answer.status === 410) throw new GiveUp(reason)
  throw new RetryLater(Math.min(answer.retryAfter ?? 0, LONGEST_RETRY_AFTER), reason)
}

const isSuccess = ({ status, error }: Answer) =>
  error === undefined && status !== undefined && status >= 200 && status < 300

/** The same bytes at every attempt. */
export function bodyOf({ type, payload, created }: Pick<Due, 'type' | 'payload' | 'created'>): Buffer {
  return Buffer.from(JSON.stringify({ type, timestamp: created, data: payload }))
}

async function secretsOf(sealing: Sealing, due: Due, tenant: string): Promise<string[]> {
  const place = { tenant, table: ENDPOINT_TABLE, name: due.endpoint }
  const sealed = due.previous === null ? [due.secret] : [due.secret, due.previous]
  return await Promise.all(sealed.map((text) => sealing.open(text, place)))
}

/** Again, since SQL of the tenant's may have written another. */
async function target({ url }: Due, { allow }: WebhookSettings): Promise<URL> {
  return parseTarget(url, allow)
}

const hostOf = (url: string) => (URL.canParse(url) ? new URL(url).host : '')
