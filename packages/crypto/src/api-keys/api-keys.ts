import { integerField, TenancyError, type TenantQueryable } from '@org/core'
import { hashSecret } from './hashing.ts'
import { type NewApiKey, parseId, parseNewApiKey, parseReason, requireTenant } from './input.ts'
import { makeKeyText } from './key-text.ts'
import { type ApiKeyOptions, type ApiKeySettings, parseApiKeyOptions } from './options.ts'
import { hmacTag, type Tag } from './peppers.ts'
import {
  type ApiKeyRecord,
  type ApiKeyStatus,
  conflict,
  found,
  notFound,
  type RecordRow,
  toRecord,
} from './record.ts'
import { type IssuedApiKey, type RotateOptions, rotateKey } from './rotate.ts'
import { END_OVERLAP, GET, INSERT, LIST, PEPPERS_IN_USE, REMOVE, SET_STATUS } from './sql.ts'
import { readOwnKey, refuseUnknown, type ServiceActor, verifyKey } from './verify.ts'

export interface ListApiKeysOptions {
  /** 1 to 200 (default 50). */
  readonly limit?: number
  /** The id of the last record of the page before. */
  readonly after?: string
}

/** The API keys of tenants. `db` is a `withTenant` handle, or anything else that runs SQL as one tenant and names it. */
export interface ApiKeys {
  /**
   * Makes a key. Its text is in the answer and nowhere else.
   *
   * @throws TenancyError VALIDATION_ERROR, or DUPLICATE_RESOURCE when the tenant has a key of this name (any status)
   */
  create(db: TenantQueryable, key: NewApiKey): Promise<IssuedApiKey>
  /**
   * Who presents this key. One look-up, one HMAC; once a minute it notes the use, where the transaction may write.
   *
   * @throws TenancyError UNAUTHORIZED without a key
   * @throws TenancyError INVALID_TOKEN, one for everything wrong; to the holder of the secret `details.reason` says
   *   `suspended` or `revoked`, and to everybody `format`, `checksum` or `environment` (told from the text alone)
   * @throws TenancyError TOKEN_EXPIRED at its expiry or later, to the holder of the secret
   * @throws TenancyError KEY_MISSING when its pepper was taken away
   */
  verify(db: TenantQueryable, text: unknown): Promise<ServiceActor>
  /**
   * A new secret for the same key, good at once; the old one is good until the overlap ends.
   *
   * @throws TenancyError NOT_FOUND, VALIDATION_ERROR
   * @throws TenancyError CONFLICT (`details.reason` `rotated`, `overlap`, `revoked`, `expired` or `environment`)
   */
  rotate(db: TenantQueryable, id: string, options?: RotateOptions): Promise<IssuedApiKey>
  /** Ends the overlap of the last rotation now. @throws TenancyError NOT_FOUND */
  endOverlap(db: TenantQueryable, id: string): Promise<ApiKeyRecord>
  /** Refused from the next check on, until {@link ApiKeys.activate}. @throws TenancyError NOT_FOUND or CONFLICT */
  suspend(db: TenantQueryable, id: string, reason?: string): Promise<ApiKeyRecord>
  /** @throws TenancyError NOT_FOUND, or CONFLICT for a revoked key */
  activate(db: TenantQueryable, id: string): Promise<ApiKeyRecord>
  /** Refused from the next check on, for ever; again is no error. @throws TenancyError NOT_FOUND */
  revoke(db: TenantQueryable, id: string, reason?: string): Promise<ApiKeyRecord>
  /** Deletes a revoked key and frees its name. @throws TenancyError NOT_FOUND, or CONFLICT when it is not revoked */
  remove(db: TenantQueryable, id: string): Promise<void>
  /** @throws TenancyError NOT_FOUND */
  get(db: TenantQueryable, id: string): Promise<ApiKeyRecord>
  /** Oldest first; never a hash. */
  list(db: TenantQueryable, options?: ListApiKeysOptions): Promise<ApiKeyRecord[]>
  /** How many keys of the tenant need each pepper: one that no tenant needs can be taken away. */
  peppersInUse(db: TenantQueryable): Promise<{ readonly pepperId: string; readonly keys: number }[]>
  /**
   * The key id of a text that can be one of these keys, without a look-up: to find its tenant, or to limit its rate.
   *
   * @throws TenancyError UNAUTHORIZED without a key, INVALID_TOKEN
   */
  keyIdOf(text: unknown): string
  /**
   * Does the work of a wrong key and refuses it: for a key id that no tenant has.
   *
   * @throws TenancyError always, UNAUTHORIZED or INVALID_TOKEN
   */
  refuse(text: unknown): Promise<never>
}

/**
 * @throws TenancyError INVALID_OPTION, KEY_MISSING or KEY_INVALID
 *
 * @example
 * ```ts
 * import { randomBytes } from 'node:crypto'
 * import { createApiKeys } from '@org/crypto/api-keys'
 *
 * // API_KEYS_MIGRATION is one of the tenancy's migrations; the pepper is from the environment, never in the database.
 * const apiKeys = createApiKeys({ peppers: [{ id: '2026-11', key: randomBytes(32).toString('hex') }] })
 * const { key } = await tenancy.withTenant('acme', (db) => apiKeys.create(db, { name: 'ci', profile: 'read-only' }))
 * const actor = await tenancy.withTenant('acme', (db) => apiKeys.verify(db, key))
 * actor.tenant // → 'acme'
 * ```
 */
export function createApiKeys(options: ApiKeyOptions): ApiKeys {
  return createApiKeysOn(hmacTag, options)
}

/** @internal The same over a given HMAC; what tests count calls with. */
export function createApiKeysOn(tag: Tag, options: ApiKeyOptions): ApiKeys {
  const settings = parseApiKeyOptions(options, tag)
  return {
    create: async (db, key) => create(settings, requireTenant(db), key),
    verify: async (db, text) => verifyKey(settings, requireTenant(db), text),
    rotate: async (db, id, options = {}) => rotateKey(settings, requireTenant(db), id, options),
    endOverlap: async (db, id) =>
      found((await requireTenant(db).query<RecordRow>(END_OVERLAP, [settings.now(), parseId(id)])).rows[0]),
    suspend: async (db, id, reason) => setStatus(settings, requireTenant(db), id, 'suspended', reason),
    activate: async (db, id) => setStatus(settings, requireTenant(db), id, 'active'),
    revoke: async (db, id, reason) => setStatus(settings, requireTenant(db), id, 'revoked', reason),
    remove: async (db, id) => remove(requireTenant(db), id),
    get: async (db, id) => get(requireTenant(db), id),
    list: async (db, options = {}) => list(requireTenant(db), options),
    peppersInUse: async (db) => {
      const { rows } = await requireTenant(db).query<{ pepper_id: string; keys: number }>(PEPPERS_IN_USE)
      return rows.map(({ pepper_id: pepperId, keys }) => ({ pepperId, keys }))
    },
    keyIdOf: (text) => readOwnKey(settings, text).keyId,
    refuse: async (text) => refuseUnknown(settings, '', readOwnKey(settings, text)),
  }
}

async function create(
  settings: ApiKeySettings,
  db: TenantQueryable,
  input: NewApiKey,
): Promise<IssuedApiKey> {
  const now = settings.now()
  const { name, profile, actions, expiresAt } = parseNewApiKey(input, now)
  const { key, presented } = makeKeyText(settings.prefix, settings.env)
  const { hash, pepperId } = await hashSecret(settings.hashing, db.tenant, presented)
  const values = [now, presented.keyId, name, settings.env, profile, actions, hash, pepperId, expiresAt]
  const { rows } = await db.query<RecordRow>(INSERT, values)
  if (rows[0]) return { key, record: toRecord(rows[0]) }
  throw new TenancyError(
    'DUPLICATE_RESOURCE',
    'This tenant has an API key of this name. Choose another name.',
    {
      details: { field: 'name' },
    },
  )
}

async function setStatus(
  settings: ApiKeySettings,
  db: TenantQueryable,
  id: string,
  status: ApiKeyStatus,
  reason?: string,
): Promise<ApiKeyRecord> {
  const values = [settings.now(), parseId(id), status, parseReason(reason)]
  const { rows } = await db.query<RecordRow>(SET_STATUS, values)
  if (rows[0]) return toRecord(rows[0])
  await get(db, id)
  throw conflict('revoked', 'A revoked API key stays revoked. Create another key.')
}

async function remove(db: TenantQueryable, id: string): Promise<void> {
  const { rows } = await db.query(REMOVE, [parseId(id)])
  if (rows.length > 0) return
  await get(db, id)
  throw conflict('status', 'Only a revoked API key is removed. Revoke it first.')
}

async function get(db: TenantQueryable, id: string): Promise<ApiKeyRecord> {
  const { rows } = await db.query<RecordRow>(GET, [parseId(id)])
  if (rows[0]) return toRecord(rows[0])
  throw notFound()
}

async function list(db: TenantQueryable, { limit = 50, after }: ListApiKeysOptions): Promise<ApiKeyRecord[]> {
  const values = [integerField('limit', limit, 1, 200), after === undefined ? null : parseId(after)]
  const { rows } = await db.query<RecordRow>(LIST, values)
  return rows.map(toRecord)
}
