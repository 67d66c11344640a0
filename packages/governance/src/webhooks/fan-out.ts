import type { TenantQueryable } from '@org/core'
import { invalidField } from '../input/input.ts'
import { type Outbox, outboxTable } from '../outbox/publish.ts'
import type { BatchedStatement, Handler } from '../outbox/worker/handler.ts'
import { DELIVERY } from './deliver.ts'

/**
 * Messages, a delivery of each for each endpoint, and the event of each delivery: one statement, which goes out with COMMIT. Repeated
 * it does nothing: a delivery is one row for each message and endpoint. However many endpoints a tenant's SQL has made, the worker is
 * told of none.
 */
const SPREAD = (outbox: Outbox, wanted: string, told: 'all' | 0) => `with said as materialized (
    select m.id, m.type, coalesce(m.payload, 'null') as payload, m.tenant, m.trace, m.endpoints
    from jsonb_to_recordset($1::jsonb) as m(id uuid, type text, payload jsonb, tenant text, trace text, endpoints uuid[])
  ), wanted as materialized (
    select m.id as message, e.id as endpoint, m.tenant, m.trace from said m join webhook_endpoint e on ${wanted}
  ), message as (
    insert into webhook_message (id, type, payload)
    select m.id, m.type, m.payload from said m where m.id in (select w.message from wanted w) on conflict do nothing
  ), delivery as (
    insert into webhook_delivery (message_id, endpoint_id) select w.message, w.endpoint from wanted w
    on conflict do nothing returning id, message_id, endpoint_id
  ), event as (
    insert into ${outboxTable(outbox)} (tenant, type, payload, trace)
    select w.tenant, '${DELIVERY}', pg_catalog.jsonb_build_object('delivery', d.id, 'endpoint', d.endpoint_id), w.trace
    from delivery d join wanted w on w.message = d.message_id and w.endpoint = d.endpoint_id
  )
  select id from delivery limit ${told}`
const ASKED_FOR = `e.status = 'active' and e.events && array[m.type, '*']`
const NAMED = 'e.id = any (m.endpoints)'

/** Turns an event into a delivery for each endpoint that wants it, in one transaction of the tenant. */
export function fanOut(outbox: Outbox): Handler<string, unknown> {
  const statement: BatchedStatement = { text: SPREAD(outbox, ASKED_FOR, 0), access: 'write' }
  return async (event, { batched }) => {
    requireType(outbox)
    await batched(statement, entryOf(event.tenant, outbox, event))
  }
}

interface Message {
  readonly id: string
  readonly type: string
  readonly payload: unknown
  readonly traceparent?: string | undefined
}

/** @internal A message to these endpoints, whatever they ask for. @returns the ids of its deliveries */
export async function deliverTo(
  db: TenantQueryable,
  outbox: Outbox,
  message: Message,
  endpoints: readonly string[],
): Promise<string[]> {
  requireType(outbox)
  const values = [JSON.stringify([{ ...entryOf(db.tenant, outbox, message), endpoints }])]
  const { rows } = await db.query<{ id: string }>(SPREAD(outbox, NAMED, 'all'), values)
  return rows.map(({ id }) => id)
}

const entryOf = (tenant: string, outbox: Outbox, { id, type, payload, traceparent }: Message) => ({
  id,
  type,
  payload,
  tenant,
  trace: traceparent ?? outbox.traceparent?.(),
})

/** @throws TenancyError VALIDATION_ERROR */
function requireType(outbox: Outbox): void {
  if (!outbox.has(DELIVERY)) throw invalidField('type', `among the outbox’s types: add ${DELIVERY}`)
}
