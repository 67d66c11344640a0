import { randomUUID } from 'node:crypto'
import { integerField, TenancyError, type TenantQueryable } from '@org/core'
import { invalidField, uuidOf } from '../input/input.ts'
import { isMoment } from '../input/moment.ts'
import type { Outbox } from '../outbox/publish.ts'
import { DELIVERY } from './deliver.ts'
import { deliverTo } from './fan-out.ts'

/** One message to one endpoint, and what came of it so far. Neither what was sent nor what was answered is kept here. */
export interface WebhookDelivery {
  readonly id: string
  readonly endpointId: string
  /** Sent as `webhook-id`: the same at every attempt, and to every endpoint. */
  readonly messageId: string
  readonly type: string
  readonly status: 'pending' | 'delivered' | 'failed'
  readonly attempts: number
  readonly responseStatus: number | null
  /** A code when there was no status: `TIMEOUT`, `ADDRESS_REFUSED`, `ECONNREFUSED`, … */
  readonly error: string | null
  readonly durationMs: number | null
  readonly lastAttemptAt: Date | null
  readonly createdAt: Date
}

/** Which deliveries. */
export interface DeliveryFilter {
  readonly endpointId?: string | undefined
  readonly status?: WebhookDelivery['status'] | undefined
  /** Default 50, at most 500. */
  readonly limit?: number | undefined
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

/** The delivery log of the tenant whose handle is given. */
export interface Deliveries {
  /** The newest first. @throws TenancyError VALIDATION_ERROR */
  list(
    db: TenantQueryable,
    filter?: DeliveryFilter,
  ): Promise<{ readonly deliveries: WebhookDelivery[]; readonly nextCursor: string | undefined }>
  /** One of them. @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  get(db: TenantQueryable, id: string): Promise<WebhookDelivery>
  /** Sends the same message once more, with all attempts before it. @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  redeliver(db: TenantQueryable, id: string): Promise<void>
  /** Sends an event `webhook.test` to one endpoint. @returns the delivery's id. @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  test(db: TenantQueryable, endpointId: string): Promise<string>
}

const COLUMNS = `d.id, d.endpoint_id as "endpointId", d.message_id as "messageId", m.type, d.status, d.attempts,
    d.response_status as "responseStatus", d.error, d.duration_ms as "durationMs", d.last_attempt_at as "lastAttemptAt",
    d.created_at as "createdAt"`
const LIST = `select ${COLUMNS}, to_char(d.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
  from webhook_delivery d join webhook_message m on m.id = d.message_id
  where ($1::uuid is null or d.endpoint_id = $1) and ($2::text is null or d.status = $2)
    and ($3::timestamptz is null or (d.created_at, d.id) < ($3, $4::uuid))
  order by d.created_at desc, d.id desc limit $5`
const GET = `select ${COLUMNS} from webhook_delivery d join webhook_message m on m.id = d.message_id where d.id = $1`
const AGAIN = `update webhook_delivery set status = 'pending' where id = $1 returning endpoint_id as endpoint`
const ENDPOINT = 'select id from webhook_endpoint where id = $1'

const CURSOR = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z)_([0-9a-f-]{36})$/

export function deliveriesOf(outbox: Outbox): Deliveries {
  return {
    list: async (db, { endpointId, status, limit = 50, cursor } = {}) => {
      integerField('limit', limit, 1, 500)
      if (status !== undefined && !['pending', 'delivered', 'failed'].includes(status)) {
        throw invalidField('status', 'pending, delivered or failed')
      }
      const [, at, id] = cursor === undefined ? [] : (CURSOR.exec(cursor) ?? [])
      if (cursor !== undefined && (at === undefined || !isMoment(at)))
        throw invalidField('cursor', 'the cursor of a page')
      const endpoint = endpointId === undefined ? null : uuidOf(endpointId, 'endpointId')
      const values = [
        endpoint,
        status ?? null,
        at ?? null,
        id === undefined ? null : uuidOf(id, 'cursor'),
        limit + 1,
      ]
      const { rows } = await db.query<WebhookDelivery & { at: string }>(LIST, values)
      const page = rows.slice(0, limit)
      const last = rows.length > limit ? page.at(-1) : undefined
      return {
        deliveries: page.map(({ at: _, ...delivery }) => delivery),
        nextCursor: last && `${last.at}_${last.id}`,
      }
    },
    get: async (db, id) => {
      const { rows } = await db.query<WebhookDelivery>(GET, [uuidOf(id, 'id')])
      if (rows[0] === undefined) throw notFound('webhook_delivery')
      return rows[0]
    },
    redeliver: async (db, id) => {
      const { rows } = await db.query<{ endpoint: string }>(AGAIN, [uuidOf(id, 'id')])
      const [found] = rows
      if (found === undefined) throw notFound('webhook_delivery')
      await outbox.publish(db, DELIVERY, { delivery: uuidOf(id, 'id'), endpoint: found.endpoint })
    },
    test: async (db, endpointId) => {
      const { rows } = await db.query<{ id: string }>(ENDPOINT, [uuidOf(endpointId, 'endpointId')])
      if (rows.length === 0) throw notFound('webhook_endpoint')
      const message = { id: randomUUID(), type: 'webhook.test', payload: { test: true } }
      const [delivery] = await deliverTo(db, outbox, message, [uuidOf(endpointId, 'endpointId')])
      return String(delivery)
    },
  }
}

function notFound(entity: string): TenancyError {
  return new TenancyError('NOT_FOUND', `There is no such ${entity} in this tenant.`, { details: { entity } })
}
