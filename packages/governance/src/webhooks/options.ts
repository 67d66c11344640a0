import type { LookupFunction } from 'node:net'
import type { Sealing } from '@org/core'
import { integerOption, invalidOption } from '../input/input.ts'
import type { Outbox } from '../outbox/publish.ts'
import { type AddressCheck, addressCheck } from './address.ts'
import type { AllowedTargets } from './target.ts'

/** Options of {@link webhooks}. */
export interface WebhookOptions {
  /** The outbox that deliveries go through; its `types` are the events that endpoints can ask for. */
  readonly outbox: Outbox
  /** Seals endpoints' secrets: the envelopes of `@org/crypto`, for instance. */
  readonly sealing: Sealing
  /** One deadline over look-up, connection, TLS and answer (ms, default 15,000). */
  readonly timeout?: number | undefined
  /** At once to the same endpoint, once it is slow (default 4). */
  readonly perEndpoint?: number | undefined
  /** An endpoint all of whose attempts failed for this long is suspended (ms, default 5 days). */
  readonly disableAfter?: number | undefined
  /** Endpoints of one tenant (default 50). */
  readonly maxEndpoints?: number | undefined
  /** Beside public addresses over HTTPS at port 443. */
  readonly allow?: AllowedTargets | undefined
  /** Asked for the `traceparent` that goes with a message: that of `@org/pg-tenant/opentelemetry` (default: the event's). */
  readonly traceparent?: (() => string | undefined) | undefined
  /** Sent as `user-agent` (default `webhooks/1`). */
  readonly userAgent?: string | undefined
  /** Instead of DNS, as for `net.connect`; the addresses it finds are checked all the same. */
  readonly lookup?: LookupFunction | undefined
}

/** @internal The same, checked. */
export interface WebhookSettings {
  readonly timeout: number
  readonly perEndpoint: number
  readonly disableAfter: number
  readonly maxEndpoints: number
  readonly allow: AllowedTargets
  readonly allowed: AddressCheck
  readonly userAgent: string
}

/** @internal @throws TenancyError INVALID_OPTION */
export function parseWebhookOptions(options: WebhookOptions): WebhookSettings {
  if (typeof options.outbox?.publish !== 'function') throw invalidOption('outbox', 'an outbox')
  if (typeof options.sealing?.seal !== 'function') throw invalidOption('sealing', 'a Sealing')
  const { allow = {}, userAgent = 'webhooks/1' } = options
  const ports = allow.ports ?? [443]
  if (!Array.isArray(ports) || !ports.every((port) => Number.isInteger(port) && port > 0 && port < 65_536)) {
    throw invalidOption('allow.ports', 'a list of ports')
  }
  if (!/^[\x21-\x7e][\x20-\x7e]{0,199}$/.test(userAgent))
    throw invalidOption('userAgent', 'a short text in ASCII')
  const day = 86_400_000
  return {
    timeout: integerOption('timeout', options.timeout ?? 15_000, 1, 60_000),
    perEndpoint: integerOption('perEndpoint', options.perEndpoint ?? 4, 1, 1_000),
    disableAfter: integerOption('disableAfter', options.disableAfter ?? 5 * day, 0, 365 * day),
    maxEndpoints: integerOption('maxEndpoints', options.maxEndpoints ?? 50, 1, 1_000),
    allow,
    allowed: addressCheck(allow.addresses),
    userAgent,
  }
}
