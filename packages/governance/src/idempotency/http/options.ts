import { type Actor, type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import { integerOption, invalidField, invalidOption } from '../../input/input.ts'
import type { RequestParts } from '../fingerprint.ts'
import {
  IDEMPOTENCY_OPTIONS,
  type Idempotency,
  type IdempotencyOptions,
  idempotency,
} from '../idempotency.ts'
import { parseIdempotencyKey } from '../key.ts'
import type { IdempotentRequest } from '../request.ts'

/** Who a request is from, and how much of an answer is kept. */
export interface HttpIdempotencyOptions<Request> extends IdempotencyOptions {
  /** Whose request it is (default: what the adapters of `@org/pg-tenant` have found out). */
  readonly tenantOf?: ((request: Request) => string) | undefined
  /** Who sent it (default: the same). */
  readonly actorOf?: ((request: Request) => Actor) | undefined
  /** How long an answer may be that is kept, in bytes: 1,024 to 16 MiB (default 1 MiB). */
  readonly maxAnswer?: number | undefined
}

/** Of one route. */
export interface IdempotentRouteOptions {
  /** Refuse requests without a key (default `false`: they run as they always did). */
  readonly required?: boolean | undefined
  /**
   * The answer holds a secret (a key, a token): only the id that the handler names by `reference` is kept, and a repetition
   * is answered `{ data: { id } }` (default `false`).
   */
  readonly secret?: boolean | undefined
  /** Claims ahead of the handler; needed where the request has one transaction that is open already (default `false`). */
  readonly awaited?: boolean | undefined
}

const HTTP_IDEMPOTENCY_OPTIONS: OptionNames<HttpIdempotencyOptions<never>> = {
  ...IDEMPOTENCY_OPTIONS,
  tenantOf: true,
  actorOf: true,
  maxAnswer: true,
}
const ROUTE_OPTIONS: OptionNames<IdempotentRouteOptions> = { required: true, secret: true, awaited: true }

/** @internal */
export interface HttpSettings<Request> {
  readonly idempotent: Idempotency
  readonly tenantOf: (request: Request) => string
  readonly actorOf: (request: Request) => Actor
  readonly maxAnswer: number
}

/**
 * @internal
 * @param holder where the adapter of `@org/pg-tenant` leaves what it found out (default: on the request)
 * @throws TenancyError INVALID_OPTION
 */
export function httpSettings<Request>(
  options: HttpIdempotencyOptions<Request>,
  holder: (request: Request) => unknown = (request) => request,
): HttpSettings<Request> {
  requireKnownOptions(options, HTTP_IDEMPOTENCY_OPTIONS)
  const {
    tenantOf = (request: Request) => resolvedOf<string>(holder(request), 'tenant'),
    actorOf = (request: Request) => resolvedOf<Actor>(holder(request), 'actor'),
    maxAnswer: most,
    ...rest
  } = options
  const idempotent = idempotency(rest)
  if (typeof tenantOf !== 'function') throw invalidOption('tenantOf', 'a function of the request')
  if (typeof actorOf !== 'function') throw invalidOption('actorOf', 'a function of the request')
  const maxAnswer = integerOption('maxAnswer', most ?? 2 ** 20, 1_024, 2 ** 24)
  return { idempotent, tenantOf, actorOf, maxAnswer }
}

/** @internal @throws TenancyError INVALID_OPTION */
export function checkHandler(handler: unknown, route: IdempotentRouteOptions): string {
  requireKnownOptions(route, ROUTE_OPTIONS)
  if (typeof handler === 'string' && handler !== '' && handler.length <= 200) return handler
  throw invalidOption('handler', 'the name of what the route does, e.g. the key of its tool_action')
}

/**
 * @internal
 * @returns `undefined` for a request without a key, where it may come without
 * @throws TenancyError VALIDATION_ERROR
 */
export function requestOf<Request>(
  settings: HttpSettings<Request>,
  request: Request,
  handler: string,
  header: unknown,
  { required = false }: IdempotentRouteOptions,
  fingerprint: RequestParts,
): IdempotentRequest | undefined {
  const key = parseIdempotencyKey(header)
  if (key === undefined) {
    if (required) throw invalidField('Idempotency-Key', 'there: this request changes something')
    return undefined
  }
  const actor = settings.actorOf(request)
  return {
    tenant: settings.tenantOf(request),
    principal: `${actor.type}:${actor.id ?? ''}`,
    handler,
    key,
    fingerprint,
  }
}

function resolvedOf<T>(holder: unknown, name: 'tenant' | 'actor'): T {
  const value = (holder as Readonly<Record<string, unknown>> | undefined)?.[name]
  if (value !== undefined) return value as T
  throw new TenancyError(
    'INVALID_OPTION',
    `Nobody has found out whose request this is. Put the tenant's middleware in front, or pass ${name}Of.`,
    { details: { option: `${name}Of` } },
  )
}
