import { TenancyError } from './tenancy-error.ts'

declare const brand: unique symbol

/** A tenant's key, proven to be valid by {@link parseTenantKey}. At run time a plain string. */
export type TenantKey = string & { readonly [brand]: 'TenantKey' }

/** PostgreSQL keeps 63 bytes of an identifier and silently drops the rest (NAMEDATALEN - 1, manual 4.1.1). */
export const MAX_IDENTIFIER_BYTES = 63

/** What stands before a key in schema and role names unless configured otherwise: `acme` lives in `c_acme`. */
export const DEFAULT_PREFIX = 'c_'

const KEY = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9_])?$/
const PREFIX = /^(?:[a-z_][a-z0-9_-]*)?$/

/** Names PostgreSQL keeps for itself or gives a meaning of their own, as a schema or as a role. */
const RESERVED = new Set([
  'public',
  'information_schema',
  'none',
  'current_role',
  'current_user',
  'session_user',
])

/**
 * Turns untrusted input into a {@link TenantKey}, or refuses it; it never rewrites, so that two different
 * inputs can never become one tenant (`acme-1` and `acme_1` are two tenants; `Acme` is none).
 *
 * A key has 1 to `63 - prefix` bytes of `a-z`, `0-9`, `_` and `-`, begins with a letter or digit, and does not
 * end in `-` (the intersection of what PostgreSQL, URLs and DNS labels keep apart).
 *
 * @param value what came from outside; anything but a string is refused
 * @param options.prefix what will stand before the key in schema and role names (default `c_`)
 * @throws TenancyError INVALID_TENANT_KEY; `details.reason` is `type`, `empty`, `length`, `characters` or `reserved`
 * @example
 * ```ts
 * import { parseTenantKey } from '@org/core'
 *
 * parseTenantKey('acme-1') // → 'acme-1'
 * parseTenantKey('Acme') // → throws INVALID_TENANT_KEY
 * parseTenantKey('acme"; drop schema public') // → throws INVALID_TENANT_KEY
 * ```
 */
export function parseTenantKey(value: unknown, options: { readonly prefix?: string } = {}): TenantKey {
  const prefix = options.prefix ?? DEFAULT_PREFIX
  if (typeof value !== 'string') throw invalid('type', 'A tenant key is a string.')
  if (value === '') throw invalid('empty', 'A tenant key is not empty.')
  // Bytes, not characters; and before the pattern, so that a huge input is refused at once.
  const room = MAX_IDENTIFIER_BYTES - prefix.length
  if (value.length > room || Buffer.byteLength(value) > room) {
    throw invalid('length', `A tenant key has at most ${room} bytes, so that its schema and role names fit.`)
  }
  if (!KEY.test(value)) {
    throw invalid(
      'characters',
      'A tenant key has only a-z, 0-9, "_" and "-", begins with a letter or digit and does not end in "-". ' +
        'It is never changed to fit: choose another key.',
    )
  }
  const name = prefix + value
  if (name.startsWith('pg_') || RESERVED.has(name)) {
    throw invalid('reserved', 'With this prefix the key names something PostgreSQL keeps for itself.')
  }
  return value as TenantKey
}

/**
 * Checks a configured prefix of schema or role names.
 *
 * @throws TenancyError INVALID_OPTION when it is not lower-case `[a-z_][a-z0-9_-]*` of at most 31 bytes (or empty)
 * @example
 * ```ts
 * import { parsePrefix } from '@org/core'
 *
 * parsePrefix('shop_') // → 'shop_'
 * parsePrefix('pg_') // → throws INVALID_OPTION
 * ```
 */
export function parsePrefix(value: unknown): string {
  if (typeof value === 'string' && value.length <= 31 && PREFIX.test(value) && !value.startsWith('pg_'))
    return value
  throw new TenancyError(
    'INVALID_OPTION',
    'A prefix is at most 31 bytes of a-z, 0-9, "_" and "-", begins with a letter or "_", and is not "pg_".',
    { details: { option: 'prefix' } },
  )
}

function invalid(reason: string, message: string): TenancyError {
  return new TenancyError('INVALID_TENANT_KEY', message, { details: { reason } })
}
