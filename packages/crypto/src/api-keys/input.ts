import { invalidField, TenancyError, type TenantQueryable } from '@org/core'
import type { ApiKeyProfile } from './record.ts'

/** What a key is to be. */
export type NewApiKey = {
  /** Unique in the tenant, 1 to 100 characters, no control characters and no space at either end. */
  readonly name: string
  /** The moment from which it is refused (default: never). */
  readonly expiresAt?: Date | null
} & (
  | { readonly profile: ApiKeyProfile; readonly actions?: undefined }
  | {
      /** Up to 500 keys of the catalogue, such as `orders.read`; at least one. */
      readonly actions: readonly string[]
      readonly profile?: undefined
    }
)

/** The checked values of a {@link NewApiKey}, as SQL takes them. */
export interface KeyFacts {
  readonly name: string
  readonly profile: ApiKeyProfile | null
  readonly actions: string[] | null
  readonly expiresAt: string | null
}

const PROFILES: readonly unknown[] = ['read-only', 'write', 'admin'] satisfies ApiKeyProfile[]
const ACTION = /^[a-z][A-Za-z0-9_-]*(?:\.[a-z][A-Za-z0-9_-]*)*$/
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
const FIELDS: ReadonlySet<string> = new Set(['name', 'expiresAt', 'profile', 'actions'])

/** @throws TenancyError VALIDATION_ERROR, with the field's name in `details.field` and never its value */
export function parseNewApiKey(input: NewApiKey, now: string | null): KeyFacts {
  if (typeof input !== 'object' || input === null)
    throw invalidField('key', 'an object { name, profile or actions }')
  for (const field of Object.keys(input)) {
    if (!FIELDS.has(field)) throw invalidField('key', 'made of name, profile or actions, and expiresAt')
  }
  const { name, profile, actions } = input
  if ((profile === undefined) === (actions === undefined)) {
    throw invalidField('profile', 'given, or actions: one of the two, never both')
  }
  if (profile !== undefined && !PROFILES.includes(profile)) {
    throw invalidField('profile', '"read-only", "write" or "admin"')
  }
  return {
    name: parseName(name),
    profile: profile ?? null,
    actions: actions === undefined ? null : parseActions(actions),
    expiresAt: parseExpiry(input.expiresAt ?? null, now),
  }
}

function parseName(name: unknown): string {
  const good =
    typeof name === 'string' &&
    name.length <= 100 &&
    name !== '' &&
    name === name.trim() &&
    name.isWellFormed() &&
    !/\p{C}/u.test(name)
  if (good) return name
  throw invalidField('name', '1 to 100 characters, without control characters or space at either end')
}

function parseActions(actions: unknown): string[] {
  const good =
    Array.isArray(actions) &&
    actions.length >= 1 &&
    actions.length <= 500 &&
    actions.every((action) => typeof action === 'string' && action.length <= 128 && ACTION.test(action))
  if (good) return [...new Set(actions as string[])]
  throw invalidField(
    'actions',
    '1 to 500 action keys such as "orders.read"; a key that may do nothing is not made',
  )
}

/** @internal */
export function parseExpiry(expiresAt: unknown, now: string | null): string | null {
  if (expiresAt === null) return null
  if (!(expiresAt instanceof Date) || Number.isNaN(expiresAt.getTime())) {
    throw invalidField('expiresAt', 'a Date, or null for never')
  }
  if (expiresAt.getTime() <= (now === null ? Date.now() : Date.parse(now))) {
    throw invalidField('expiresAt', 'in the future')
  }
  return expiresAt.toISOString()
}

/** @internal */
export function parseId(id: unknown): string {
  if (typeof id === 'string' && UUID.test(id)) return id
  throw invalidField('id', 'the id of an API key, a UUID')
}

/** @internal A reason people read: short, one line. */
export function parseReason(reason: unknown): string | null {
  if (reason === undefined || reason === null) return null
  if (typeof reason === 'string' && reason.length <= 200 && !/\p{Cc}/u.test(reason)) return reason
  throw invalidField('reason', 'up to 200 characters on one line')
}

/** @internal The tenant is part of what is verified: without it nothing can be. */
export function requireTenant(db: TenantQueryable): TenantQueryable {
  if (typeof db?.query === 'function' && typeof db.tenant === 'string' && db.tenant !== '') return db
  throw new TenancyError(
    'NO_TENANT_CONTEXT',
    'API keys live inside a tenant: pass the db of withTenant(tenant, (db) => …).',
  )
}
