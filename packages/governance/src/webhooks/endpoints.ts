import { randomUUID } from 'node:crypto'
import { type Sealing, TenancyError, type TenantQueryable } from '@org/core'
import { invalidField, storable, textOf, uuidOf } from '../input/input.ts'
import { isEventType } from '../outbox/publish.ts'
import { aside } from '../tenants/aside.ts'
import type { AddressCheck } from './address.ts'
import { newSecret } from './signature.ts'
import { type AllowedTargets, parseReachable } from './target.ts'

/** Where a tenant wants to be told of what. */
export interface WebhookEndpoint {
  readonly id: string
  readonly url: string
  readonly description: string | null
  /** Event types, or `*` for all. */
  readonly events: readonly string[]
  readonly status: 'active' | 'suspended'
  /** Why, when it was this library: `GONE` (it answered 410), `FAILING`; else what `setStatus` was given. */
  readonly suspendedReason: string | null
  /** Since when every attempt has failed. */
  readonly failingSince: Date | null
  readonly createdAt: Date
}

/** What an endpoint is made of. */
export interface EndpointInput {
  readonly url: string
  readonly events: readonly string[]
  readonly description?: string | undefined
}

/** Endpoints of the tenant whose handle is given. */
export interface Endpoints {
  /** @returns the endpoint, and its secret: shown this once. @throws TenancyError VALIDATION_ERROR; CONFLICT (`maxEndpoints`) */
  create(db: TenantQueryable, input: EndpointInput): Promise<{ endpoint: WebhookEndpoint; secret: string }>
  /** All of them, the oldest first; there are at most `maxEndpoints`. */
  list(db: TenantQueryable): Promise<WebhookEndpoint[]>
  /** @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  get(db: TenantQueryable, id: string): Promise<WebhookEndpoint>
  /** @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  update(
    db: TenantQueryable,
    id: string,
    input: { readonly [Field in keyof EndpointInput]?: EndpointInput[Field] | undefined },
  ): Promise<WebhookEndpoint>
  /** Active again, it starts with a clean slate. @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  setStatus(
    db: TenantQueryable,
    id: string,
    status: 'active' | 'suspended',
    reason?: string,
  ): Promise<WebhookEndpoint>
  /** With its deliveries. @throws TenancyError NOT_FOUND, VALIDATION_ERROR */
  remove(db: TenantQueryable, id: string): Promise<void>
  /**
   * A new secret; the old one signs beside it for `overlap` milliseconds (default a day, at most 30 days; 0: at once gone).
   *
   * @returns the new secret: shown this once
   * @throws TenancyError NOT_FOUND, VALIDATION_ERROR
   */
  rotateSecret(db: TenantQueryable, id: string, overlap?: number): Promise<string>
}

/** The table, which is also part of the place a secret is bound to. */
export const ENDPOINT_TABLE = 'webhook_endpoint'

const byId = { table: ENDPOINT_TABLE, key: { column: 'id', type: 'uuid' } } as const
/** The secrets of endpoints, for `rotate({ tables })` of `@org/crypto`. */
export const WEBHOOK_SECRETS = [
  { ...byId, value: 'secret' },
  { ...byId, value: 'previous_secret' },
] as const

const COLUMNS = `id, url, description, events, status, suspended_reason as "suspendedReason",
  failing_since as "failingSince", created_at as "createdAt"`
const CREATE = `insert into webhook_endpoint (id, url, description, events, secret)
  select $1::uuid, $2::text, $3::text, $4::text[], $5::text where (select count(*) from webhook_endpoint) < $6::int
  returning ${COLUMNS}`
/** One after the other, as soon as there is one. */
const IN_TURN = 'select id from webhook_endpoint order by created_at, id limit 1 for no key update'
const LIST = `select ${COLUMNS} from webhook_endpoint order by created_at, id`
const GET = `select ${COLUMNS} from webhook_endpoint where id = $1`
const UPDATE = `update webhook_endpoint set url = coalesce($2, url), description = coalesce($3, description),
    events = coalesce($4, events), updated_at = now() where id = $1 returning ${COLUMNS}`
const SET_STATUS = `update webhook_endpoint set status = $2, suspended_reason = $3, failing_since = null, updated_at = now()
  where id = $1 returning ${COLUMNS}`
const REMOVE = 'delete from webhook_endpoint where id = $1 returning id'
const ROTATE = `update webhook_endpoint set previous_secret = case when $3::float8 > 0 then secret end,
    previous_until = now() + make_interval(secs => $3::float8), secret = $2, updated_at = now() where id = $1 returning id`

const DAY = 86_400_000

export function endpointsOf(
  sealing: Sealing,
  allowed: AllowedTargets,
  mayConnect: AddressCheck,
  has: (type: string) => boolean,
  maxEndpoints: number,
): Endpoints {
  const one = async (db: TenantQueryable, text: string, id: unknown, ...values: readonly unknown[]) => {
    const { rows } = await db.query<WebhookEndpoint>(text, [uuidOf(id, 'id'), ...values])
    const [found] = rows
    if (found) return found
    throw new TenancyError('NOT_FOUND', 'There is no such webhook endpoint in this tenant.', {
      details: { entity: 'webhook_endpoint' },
    })
  }
  const seal = (db: TenantQueryable, id: string, secret: string) =>
    sealing.seal(secret, { tenant: db.tenant, table: ENDPOINT_TABLE, name: id })
  return {
    create: async (db, input) => {
      const { url, description, events }: Partial<EndpointInput> = input ?? {}
      const values = [
        parseReachable(url, allowed, mayConnect).href,
        described(description),
        listed(events, has),
      ]
      const [id, secret] = [randomUUID(), newSecret()]
      const sealed = await seal(db, id, secret)
      await aside(db, IN_TURN, [])
      const { rows } = await db.query<WebhookEndpoint>(CREATE, [id, ...values, sealed, maxEndpoints])
      const [endpoint] = rows
      if (endpoint) return { endpoint, secret }
      throw new TenancyError('CONFLICT', `There are ${maxEndpoints} webhook endpoints already. Remove one.`, {
        details: { reason: 'too_many_endpoints', limit: maxEndpoints },
      })
    },
    list: async (db) => (await db.query<WebhookEndpoint>(LIST)).rows,
    get: (db, id) => one(db, GET, id),
    update: async (db, id, { url, description, events }) =>
      await one(
        db,
        UPDATE,
        id,
        url === undefined ? null : parseReachable(url, allowed, mayConnect).href,
        described(description),
        events === undefined ? null : listed(events, has),
      ),
    setStatus: async (db, id, status, reason) => {
      if (status !== 'active' && status !== 'suspended') throw invalidField('status', 'active or suspended')
      return await one(db, SET_STATUS, id, status, status === 'active' ? null : described(reason))
    },
    remove: async (db, id) => void (await one(db, REMOVE, id)),
    rotateSecret: async (db, id, overlap = DAY) => {
      if (typeof overlap !== 'number' || !(overlap >= 0 && overlap <= 30 * DAY)) {
        throw invalidField('overlap', 'milliseconds up to 30 days')
      }
      const secret = newSecret()
      await one(db, ROTATE, id, await seal(db, uuidOf(id, 'id'), secret), overlap / 1_000)
      return secret
    },
  }
}

function described(value: unknown): string | null {
  if (value === undefined || value === null) return null
  const text = textOf(value, 'description', 500)
  if (storable(text)) return text
  throw invalidField('description', 'a text of 1 to 500 characters')
}

function listed(events: unknown, has: (type: string) => boolean): readonly string[] {
  const fine = (type: unknown) => type === '*' || (isEventType(type) && has(type))
  if (Array.isArray(events) && events.length > 0 && events.length <= 100 && events.every(fine)) {
    return [...new Set(events as string[])]
  }
  throw invalidField('events', 'a list of 1 to 100 event types there are, or "*"')
}
