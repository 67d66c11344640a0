import { type OptionNames, requireKnownOptions } from '@org/core'
import type { Handler } from '../outbox/worker/handler.ts'
import { DELIVERY, deliverer, ENDPOINT_DISABLED } from './deliver.ts'
import { type Deliveries, deliveriesOf } from './deliveries.ts'
import { type Endpoints, endpointsOf } from './endpoints.ts'
import { fanOut } from './fan-out.ts'
import { parseWebhookOptions, type WebhookOptions } from './options.ts'

/** What {@link webhooks} makes. */
export interface Webhooks {
  readonly endpoints: Endpoints
  readonly deliveries: Deliveries
  /** For an event type with a handler of its own: call it there too. */
  readonly fanOut: Handler<string, unknown>
  /** For `createWorker({ handlers })`: events without a handler of their own go to the endpoints that want them. */
  readonly handlers: {
    readonly '*': Handler<string, unknown>
    readonly 'webhook.delivery': Handler<string, unknown>
  }
}

/** Types of this library's own, which outboxes with a list of types must know. */
export const WEBHOOK_TYPES = [DELIVERY, ENDPOINT_DISABLED] as const

const WEBHOOKS_OPTIONS: OptionNames<WebhookOptions> = {
  outbox: true,
  sealing: true,
  timeout: true,
  perEndpoint: true,
  disableAfter: true,
  maxEndpoints: true,
  allow: true,
  traceparent: true,
  userAgent: true,
  lookup: true,
}

/**
 * Webhooks: a tenant's endpoints are told of its events, signed after Standard Webhooks 1.0.0, at least once. Tables come from
 * `WEBHOOKS_MIGRATION` (level `row`: `WEBHOOKS_ROW_MIGRATION`).
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { installOutbox, outbox } from '@org/governance/outbox'
 * import { createWorker } from '@org/governance/outbox/worker'
 * import { webhooks } from '@org/governance/webhooks'
 *
 * await installOutbox(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * // WEBHOOKS_MIGRATION is one of the tenancy's migrations.
 * const hooks = webhooks({ outbox: outbox(), sealing: envelopes })
 * createWorker({ control: adminPool, tenants: tenancy, handlers: hooks.handlers }) // …start()
 * const { secret } = await tenancy.withTenant('acme', (db) =>
 *   hooks.endpoints.create(db, { url: 'https://example.com/hook', events: ['note.created'] }),
 * )
 * secret.startsWith('whsec_') // → true
 * ```
 */
export function webhooks(options: WebhookOptions): Webhooks {
  requireKnownOptions(options, WEBHOOKS_OPTIONS)
  const settings = parseWebhookOptions(options)
  const { outbox, sealing } = options
  const spread = fanOut(outbox)
  return {
    endpoints: endpointsOf(
      sealing,
      settings.allow,
      settings.allowed,
      (type) => type !== DELIVERY && outbox.has(type),
      settings.maxEndpoints,
    ),
    deliveries: deliveriesOf(outbox),
    fanOut: spread,
    handlers: { '*': spread, [DELIVERY]: deliverer(options, settings) },
  }
}
