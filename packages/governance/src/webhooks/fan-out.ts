import type { TenantQueryable } from '@org/core'
import { invalidField } from '../input/input.ts'
import { type Outbox, outboxTable } from '../outbox/publish.ts'
import type { Handler } from '../outbox/worker/handler.ts'
import { aside } from './aside.ts'
import { DELIVERY } from './deliver.ts'

/**
 * A message, a delivery for each endpoint, and the event of each delivery: one statement, which goes out with COMMIT. Repeated
 * it does nothing: a delivery is one row for each message and endpoint. However many endpoints a tenant's SQL has made, the worker is
 * told of none.
 */
const SPREAD = (outbox: Outbox, wanted: string, told: 'all' | 0) => `with wanted as materialized (
    select e.id from webhook_endpoint e where ${wanted}
  ), message as (
    insert into webhook_message (id, type, payload)
    select $1::uuid, $2::text, $3::jsonb where exists (select from wanted) on conflict do nothing
  ), delivery as (
    insert into webhook_delivery (message_id, endpoint_id) select $1::uuid, w.id from wanted w
    on conflict do nothing returning id
  ), event as (
    insert into ${outboxTable(outbox)} (tenant, type, payload, trace)
    select $4::text, '${DELIVERY}', pg_catalog.jsonb_build_object('delivery', d.id), $5::text from delivery d
  )
  select id from delivery limit ${told}`
const ASKED_FOR = `e.status = 'active' and e.events && array[$2::text, '*']`
const NAMED = 'e.id = any ($6::uuid[])'

/** Turns an event into a delivery for each endpoint that wants it, in one transaction of the tenant. */
export function fanOut(outbox: Outbox): Handler<string, unknown> {
  const text = SPREAD(outbox, ASKED_FOR, 0)
  return async (event, { withTenant }) => {
    requireType(outbox)
    await withTenant((db) => aside(db, text, valuesOf(db, outbox, event)))
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
  const values = [...valuesOf(db, outbox, message), endpoints]
  const { rows } = await db.query<{ id: string }>(SPREAD(outbox, NAMED, 'all'), values)
  return rows.map(({ id }) => id)
}

function valuesOf(
  db: TenantQueryable,
  outbox: Outbox,
  { id, type, payload, traceparent }: Message,
): unknown[] {
  return [id, type, JSON.stringify(payload), db.tenant, traceparent ?? outbox.traceparent?.() ?? null]
}

/** @throws TenancyError VALIDATION_ERROR */
function requireType(outbox: Outbox): void {
  if (!outbox.has(DELIVERY)) throw invalidField('type', `among the outbox’s types: add ${DELIVERY}`)
}
