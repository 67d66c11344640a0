import { parseTenantKey } from '@org/core'
import type { DeadLetter, LetterFilter } from '@org/governance/outbox'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { id, tenantKey, timestamp } from '../http/schemas.ts'
import type { Hub } from '../hub/open-hub.ts'
import { findTenant } from './tenants.ts'
import { delivery, deliveryQuery, listDeliveries } from './webhooks.ts'

const tag = 'Events and deliveries'
const number = z.string().regex(/^\d{1,18}$/)
const type = z
  .string()
  .max(100)
  .regex(/^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$/)
const code = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[\w.:-]*$/)
const letter = z
  .object({
    number,
    id,
    tenant: tenantKey,
    type: z.string(),
    attempts: z.number().int(),
    reason: z.string().describe('A code'),
    publishedAt: timestamp,
    diedAt: timestamp,
  })
  .meta({ id: 'DeadLetter' })
const which = { tenant: tenantKey.optional(), type: type.optional(), reason: code.optional() }
const chosen = z
  .strictObject({ ...which, numbers: z.array(number).min(1).max(1_000).optional() })
  .refine((said) => Object.values(said).some((one) => one !== undefined), {
    path: ['numbers'],
    message: 'at least one of them',
  })
  .describe('At least one of them; all that are given must fit. Up to 1,000 at once, the oldest first')
const gauges = z
  .object({
    ready: z.number().int(),
    handling: z.number().int(),
    waiting: z.number().int().describe('Of tenants that are not in service'),
    dead: z.number().int(),
    lagSeconds: z.number(),
    stuck: z.number().int().describe('Leases that nobody took back: no worker is running'),
  })
  .meta({ id: 'Queue' })

/** The queue of all tenants, for operators. */
export function lookAfterRoutes(hub: Hub): Endpoint[] {
  const params = z.object({ id: tenantKey })
  const filterOf = ({ tenant, ...more }: z.output<typeof chosen>): LetterFilter => ({ tenant, ...more })
  const ofDeadLetters = (what: 'redrive' | 'discard', summary: string) =>
    endpoint({
      method: 'post',
      path: `/v1/dead-letters/${what}`,
      access: 'platform.queue.update',
      summary,
      tag,
      body: chosen,
      creates: true,
      data: z.object({ count: z.number().int() }),
      handle: ({ body, operate }) =>
        operate(undefined, async (tx, trail) => {
          const count = await hub.queueIn(tx)[what](filterOf(body))
          trail.record({ entity: { type: 'dead_letters', id: what }, metadata: { ...body, count } })
          return { count }
        }),
    })
  return [
    endpoint({
      method: 'get',
      path: '/v1/queue',
      access: 'platform.queue.read',
      summary: 'How many events wait, and how long the oldest has',
      tag,
      data: gauges,
      handle: async () => {
        const { lag, ...counts } = await hub.queue.gauges()
        return { ...counts, lagSeconds: lag }
      },
    }),
    endpoint({
      method: 'get',
      path: '/v1/dead-letters',
      access: 'platform.queue.read',
      summary: 'Events that had all their attempts, the newest first; never what they carry',
      tag,
      query: z.strictObject({
        ...which,
        limit: z.coerce.number().int().min(1).max(200).default(50),
        cursor: number.optional().describe('`meta.nextCursor` of the page before'),
      }),
      data: letter,
      list: true,
      handle: async ({ query: { limit, cursor, ...filter } }) => {
        const found = await hub.queue.list({ ...filter, limit: limit + 1, before: cursor })
        const items = found.slice(0, limit).map(shown)
        return { items, nextCursor: found.length > limit ? (items.at(-1)?.number ?? null) : null }
      },
    }),
    ofDeadLetters('redrive', 'Give dead letters all their attempts again'),
    ofDeadLetters('discard', 'Remove dead letters for good'),
    endpoint({
      method: 'get',
      path: '/v1/tenants/{id}/deliveries',
      access: 'platform.queue.read',
      summary: "A tenant's webhook deliveries, the newest first",
      tag,
      params,
      query: deliveryQuery,
      data: delivery,
      list: true,
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params, query }) => {
        const tenant = parseTenantKey((await findTenant(hub, params.id)).id)
        return await hub.inTenant(tenant, (db) => listDeliveries(hub, db, query))
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/tenants/{id}/deliveries/{deliveryId}/redeliver',
      access: 'platform.queue.update',
      summary: 'Send a message of a tenant again, with all attempts before it',
      tag,
      params: params.extend({ deliveryId: id }),
      creates: true,
      status: 202,
      data: z.object({ deliveryId: id }),
      errors: ['NOT_FOUND', 'CONFLICT'],
      handle: async ({ params: { id: key, deliveryId }, announce, operate }) => {
        const tenant = parseTenantKey((await findTenant(hub, key)).id)
        const entity = { type: 'webhook_delivery', id: deliveryId }
        await announce(tenant, { entity })
        return await operate(tenant, async (_tx, trail) => {
          await hub.inTenant(tenant, (db) => hub.hooks.deliveries.redeliver(db, deliveryId))
          trail.record({ entity, metadata: { again: true } })
          return { deliveryId }
        })
      },
    }),
  ]
}

function shown({ no, key: _, payload: __, ...letter }: DeadLetter) {
  return { number: no, ...letter }
}
