import type { TenantQueryable } from '@org/core'
import type { WebhookEndpoint } from '@org/governance/webhooks'
import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import { id, reason, status, timestamp } from '../http/schemas.ts'
import { EVENT_TYPES, EVENTS, isTold } from '../hub/events.ts'
import type { Hub } from '../hub/open-hub.ts'

const tag = 'Webhooks'
const params = z.object({ id })
const url = z.string().min(1).max(2_000)
const description = z
  .string()
  .min(1)
  .max(500)
  .regex(/^[^\p{Cs}\0]*$/u)
const events = z
  .array(z.string().regex(/^(\*|[a-z][a-z0-9_]*(\.[a-z0-9_]+)*)$/))
  .min(1)
  .max(100)
  .describe('Types of events, or `*`')
const webhook = z
  .object({
    id,
    url: z.string(),
    description: z.string().nullable(),
    events: z.array(z.string()),
    status,
    suspendedReason: z
      .string()
      .nullable()
      .describe('`GONE`: it answered 410; `FAILING`: for days; else what it was given'),
    failingSince: timestamp.nullable(),
    createdAt: timestamp,
  })
  .meta({ id: 'Webhook' })
export const delivery = z
  .object({
    id,
    endpointId: id,
    messageId: id.describe('Sent as `webhook-id`, the same at every attempt'),
    type: z.string(),
    status: z.enum(['pending', 'delivered', 'failed']),
    attempts: z.number().int(),
    responseStatus: z.number().int().nullable(),
    error: z.string().nullable().describe('A code, where there was no status'),
    durationMs: z.number().nullable(),
    lastAttemptAt: timestamp.nullable(),
    createdAt: timestamp,
  })
  .meta({ id: 'Delivery' })
export const deliveryQuery = z.strictObject({
  endpointId: id.optional(),
  status: z.enum(['pending', 'delivered', 'failed']).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(200).optional().describe('`meta.nextCursor` of the page before'),
})
const secret = z.string().describe('Signs what is sent (Standard Webhooks 1.0.0). Shown once, now')
const eventType = z
  .object({ type: z.string(), version: z.number().int(), schema: z.json().describe('JSON Schema of `data`') })
  .meta({ id: 'EventType' })

export async function listDeliveries(
  { hooks }: Hub,
  db: TenantQueryable,
  { limit, cursor, ...filter }: z.output<typeof deliveryQuery>,
) {
  const { deliveries, nextCursor = null } = await hooks.deliveries.list(db, { ...filter, limit, cursor })
  return { items: deliveries, nextCursor }
}

/** Where a tenant's events go. */
export function webhookRoutes(hub: Hub): Endpoint[] {
  const { endpoints, deliveries } = hub.hooks
  return [
    endpoint({
      method: 'get',
      path: '/v1/webhooks/event-types',
      access: 'account.webhooks.read',
      summary: 'The events there are, each with the version and the schema of what it carries',
      tag,
      data: z.array(eventType),
      handle: async () => told(hub),
    }),
    endpoint({
      method: 'get',
      path: '/v1/webhooks',
      access: 'account.webhooks.read',
      summary: 'Webhooks of the tenant',
      tag,
      data: z.array(webhook),
      handle: ({ tenancy, tenant }) => endpoints.list({ tenant, query: tenancy.query }),
    }),
    endpoint({
      method: 'post',
      path: '/v1/webhooks',
      access: 'account.webhooks.create',
      summary: 'Be told of events at an address: public, over HTTPS',
      tag,
      body: z.strictObject({ url, events, description: description.optional() }),
      creates: 'secret',
      status: 201,
      data: z.object({ webhook, secret }),
      handle: ({ body, change, reference }) =>
        change(async (db, trail) => {
          const made = await endpoints.create(db, body)
          trail.record({ entity: entityOf(made.endpoint), after: factsOf(made.endpoint) })
          reference(made.endpoint.id)
          return { webhook: made.endpoint, secret: made.secret }
        }),
    }),
    endpoint({
      method: 'patch',
      path: '/v1/webhooks/{id}',
      access: 'account.webhooks.update',
      summary: 'Change where a webhook goes and what it is told, suspend or resume it',
      tag,
      params,
      body: z.strictObject({
        url: url.optional(),
        events: events.optional(),
        description: description.optional(),
        status: status.optional(),
        reason: reason.optional(),
      }),
      data: webhook,
      errors: ['NOT_FOUND'],
      handle: ({ params, body: { status, reason, ...input }, change }) =>
        change(async (db, trail) => {
          const before = await endpoints.get(db, params.id)
          let after = await endpoints.update(db, params.id, input)
          if (status !== undefined) after = await endpoints.setStatus(db, params.id, status, reason)
          trail.record({ entity: entityOf(after), before: factsOf(before), after: factsOf(after) })
          return after
        }),
    }),
    endpoint({
      method: 'delete',
      path: '/v1/webhooks/{id}',
      access: 'account.webhooks.update',
      summary: 'Forget a webhook and its deliveries',
      tag,
      params,
      status: 204,
      errors: ['NOT_FOUND'],
      handle: async ({ params, change }) => {
        await change(async (db, trail) => {
          const before = await endpoints.get(db, params.id)
          await endpoints.remove(db, params.id)
          trail.record({ entity: entityOf(before), before: factsOf(before) })
        })
        return undefined
      },
    }),
    endpoint({
      method: 'post',
      path: '/v1/webhooks/{id}/secret',
      access: 'account.webhooks.update',
      summary: 'A new secret; the old one signs beside it until the overlap ends',
      tag,
      params,
      body: z.strictObject({ overlapSeconds: z.number().int().min(0).max(2_592_000).default(86_400) }),
      creates: 'secret',
      data: z.object({ secret }),
      errors: ['NOT_FOUND'],
      handle: ({ params, body, change, reference }) =>
        change(async (db, trail) => {
          const made = await endpoints.rotateSecret(db, params.id, body.overlapSeconds * 1_000)
          trail.record({ entity: { type: 'webhook', id: params.id }, metadata: { rotated: true } })
          reference(params.id)
          return { secret: made }
        }),
    }),
    endpoint({
      method: 'post',
      path: '/v1/webhooks/{id}/test',
      access: 'account.webhooks.update',
      summary: 'Send an event `webhook.test` to one webhook',
      tag,
      params,
      creates: true,
      status: 202,
      data: z.object({ deliveryId: id }),
      errors: ['NOT_FOUND'],
      handle: ({ params, change }) =>
        change(async (db, trail) => {
          const deliveryId = await deliveries.test(db, params.id)
          trail.record({ entity: { type: 'webhook', id: params.id }, metadata: { test: deliveryId } })
          return { deliveryId }
        }),
    }),
    endpoint({
      method: 'get',
      path: '/v1/webhooks/deliveries',
      access: 'account.webhooks.read',
      summary: 'What was sent, and what came of it; neither what was in it nor what was answered',
      tag,
      query: deliveryQuery,
      data: delivery,
      list: true,
      handle: ({ tenancy, tenant, query }) => listDeliveries(hub, { tenant, query: tenancy.query }, query),
    }),
    endpoint({
      method: 'post',
      path: '/v1/webhooks/deliveries/{id}/redeliver',
      access: 'account.webhooks.update',
      summary: 'Send the same message again, with all attempts before it',
      tag,
      params,
      creates: true,
      status: 202,
      data: z.object({ deliveryId: id }),
      errors: ['NOT_FOUND'],
      handle: ({ params, change }) =>
        change(async (db, trail) => {
          await deliveries.redeliver(db, params.id)
          trail.record({ entity: { type: 'webhook_delivery', id: params.id }, metadata: { again: true } })
          return { deliveryId: params.id }
        }),
    }),
  ]
}

const entityOf = ({ id }: WebhookEndpoint) => ({ type: 'webhook', id })

function factsOf({ url, events, description, status, suspendedReason }: WebhookEndpoint): object {
  return { host: new URL(url).host, url, events, description, status, suspendedReason }
}

function told({ config }: Hub) {
  return EVENT_TYPES.filter((type) => isTold(type, config.OPERATING_PROFILE)).map((type) => {
    const { version, data } = EVENTS[type]
    const schema = data.extend({ version: z.literal(version) })
    return { type, version, schema: z.toJSONSchema(schema) as z.output<ReturnType<typeof z.json>> }
  })
}
