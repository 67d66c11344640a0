import type { TenantQueryable } from '@org/core'
import type { Outbox } from '../outbox/publish.ts'
import type { Handler } from '../outbox/worker/handler.ts'
import { aside } from './aside.ts'
import { DELIVERY } from './deliver.ts'

// Repeated, each does nothing: a delivery is one row for each message and endpoint.
const MESSAGE = 'insert into webhook_message (id, type, payload) values ($1, $2, $3) on conflict do nothing'
const WANTED = `select id from webhook_endpoint where status = 'active' and events && array[$1::text, '*']`
const DELIVERIES = `insert into webhook_delivery (message_id, endpoint_id) select $1::uuid, unnest($2::uuid[])
  on conflict do nothing returning id`

/** Turns an event into a delivery for each endpoint that wants it, in one transaction of the tenant. */
export function fanOut(outbox: Outbox): Handler<string, unknown> {
  return async ({ id, type, payload, traceparent }, { withTenant }) => {
    await withTenant(async (db) => {
      const { rows } = await db.query<{ id: string }>(WANTED, [type])
      if (rows.length === 0) return
      await deliverTo(
        db,
        outbox,
        { id, type, payload, traceparent },
        rows.map((endpoint) => endpoint.id),
      )
    })
  }
}

interface Message {
  readonly id: string
  readonly type: string
  readonly payload: unknown
  readonly traceparent?: string | undefined
}

/** @internal A message and its deliveries, published with them. */
export async function deliverTo(
  db: TenantQueryable,
  outbox: Outbox,
  message: Message,
  endpoints: readonly string[],
): Promise<string[]> {
  await aside(db, MESSAGE, [message.id, message.type, JSON.stringify(message.payload)])
  const { rows } = await db.query<{ id: string }>(DELIVERIES, [message.id, endpoints])
  const ids = rows.map(({ id }) => id)
  await outbox.publishAll(
    db,
    ids.map((delivery) => ({
      type: DELIVERY,
      payload: { delivery },
      ...(message.traceparent !== undefined && { traceparent: message.traceparent }),
    })),
  )
  return ids
}
