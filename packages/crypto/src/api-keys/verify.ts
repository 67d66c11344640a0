import { TenancyError, type TenantKey, type TenantQueryable } from '@org/core'
import { hashSecret, isOutdatedSecret, matchesSecret, type StoredSecret } from './hashing.ts'
import { badKey, type PresentedKey, readKeyText } from './key-text.ts'
import type { ApiKeySettings } from './options.ts'
import { type ApiKeyProfile, type ApiKeyStatus, toDate } from './record.ts'
import { LOOK_UP, NOTE_USE, REHASH } from './sql.ts'

/** Who a verified key is: a service of one tenant. */
export interface ServiceActor {
  readonly type: 'service'
  /** the API key's id */
  readonly id: string
  readonly tenant: TenantKey
  readonly name: string
  /** `null` when it has actions */
  readonly profile: ApiKeyProfile | null
  /** `null` when it has a profile */
  readonly actions: readonly string[] | null
  readonly expiresAt: Date | null
  /** The secret before the last rotation was used: this client has not changed over yet. */
  readonly superseded: boolean
}

interface Found {
  readonly id: string
  readonly name: string
  readonly profile: ApiKeyProfile | null
  readonly actions: string[] | null
  readonly hash: string
  readonly pepper_id: string
  readonly previous_hash: string | null
  readonly previous_pepper_id: string | null
  readonly status: ApiKeyStatus
  readonly expires_at: Date | string | null
  readonly is_expired: boolean
  readonly has_previous: boolean
  readonly is_use_due: boolean
  readonly may_write: boolean
}

/**
 * Reads a key and refuses those that cannot be one of ours, without a look-up.
 *
 * @throws TenancyError UNAUTHORIZED without a key, INVALID_TOKEN
 */
export function readOwnKey({ prefix, env }: ApiKeySettings, text: unknown): PresentedKey {
  if (text === undefined || text === null || text === '') {
    throw new TenancyError('UNAUTHORIZED', 'No API key was sent. Send one with the request.')
  }
  const presented = readKeyText(text)
  if (presented.prefix !== prefix || presented.env !== env) throw badKey('environment')
  return presented
}

/**
 * One look-up by key id and one HMAC. Status and expiry are only looked at once the secret is proven: whoever does not
 * hold it learns nothing but that it was refused. (A wrong secret costs a second HMAC while a rotation overlaps: who
 * measures that knows the 95 random bits of the key id already.)
 */
export async function verifyKey(
  settings: ApiKeySettings,
  db: TenantQueryable,
  text: unknown,
): Promise<ServiceActor> {
  const presented = readOwnKey(settings, text)
  const now = settings.now()
  const { rows } = await db.query<Found>(LOOK_UP, [now, presented.keyId])
  const row = rows[0]
  const matched = await matchingSecret(settings, db.tenant, presented, row)
  if (row === undefined || matched === undefined) throw badKey()
  if (row.status !== 'active') throw badKey(row.status)
  if (row.is_expired) {
    throw new TenancyError('TOKEN_EXPIRED', 'The API key has expired. Rotate it with a later expiry.')
  }
  if (row.may_write) await upkeep(settings, db, presented, row, matched, now)
  return {
    type: 'service',
    id: row.id,
    tenant: db.tenant,
    name: row.name,
    profile: row.profile,
    actions: row.actions,
    expiresAt: toDate(row.expires_at),
    superseded: matched === 'previous',
  }
}

/** Does the work of a refused key, and refuses it. */
export async function refuseUnknown(
  settings: ApiKeySettings,
  tenant: string,
  key: PresentedKey,
): Promise<never> {
  await matchesSecret(settings.hashing, tenant, key, undefined)
  throw badKey()
}

async function matchingSecret(
  { hashing }: ApiKeySettings,
  tenant: string,
  key: PresentedKey,
  row: Found | undefined,
): Promise<'current' | 'previous' | undefined> {
  const current = row && { hash: row.hash, pepperId: row.pepper_id }
  if (await matchesSecret(hashing, tenant, key, current)) return 'current'
  const previous = row && previousSecret(row)
  if (previous && (await matchesSecret(hashing, tenant, key, previous))) return 'previous'
  return undefined
}

function previousSecret(row: Found): StoredSecret | undefined {
  if (!row.has_previous || row.previous_hash === null || row.previous_pepper_id === null) return undefined
  return { hash: row.previous_hash, pepperId: row.previous_pepper_id }
}

/** What is written now and then: when the key was used, and its hash under the pepper and kind that new keys get. */
async function upkeep(
  settings: ApiKeySettings,
  db: TenantQueryable,
  presented: PresentedKey,
  row: Found,
  matched: 'current' | 'previous',
  now: string | null,
): Promise<void> {
  if (row.is_use_due) await db.query(NOTE_USE, [now, row.id])
  // A previous secret ends with its overlap anyway.
  if (matched === 'previous') return
  if (!isOutdatedSecret(settings.hashing, { hash: row.hash, pepperId: row.pepper_id })) return
  const fresh = await hashSecret(settings.hashing, db.tenant, presented)
  await db.query(REHASH, [row.id, row.hash, fresh.hash, fresh.pepperId])
}
