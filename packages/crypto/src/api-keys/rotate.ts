import { integerField, invalidField, type TenantQueryable } from '@org/core'
import { hashSecret } from './hashing.ts'
import { parseExpiry, parseId } from './input.ts'
import { type ApiKeyEnv, makeKeyText } from './key-text.ts'
import type { ApiKeySettings } from './options.ts'
import { type ApiKeyRecord, conflict, found, notFound, type RecordRow } from './record.ts'
import { LOOK_UP_FOR_ROTATION, ROTATE } from './sql.ts'

export interface RotateOptions {
  /** How long the old secret still works, in seconds, 0 to 2,592,000 (30 days; default 86,400: a day). */
  readonly overlap?: number
  /** A new moment of expiry, or `null` for never; left out, it stays. */
  readonly expiresAt?: Date | null
}

/** A key's text, which is nowhere stored: show it once. */
export interface IssuedApiKey {
  readonly key: string
  readonly record: ApiKeyRecord
}

interface Found {
  readonly key_id: string
  readonly env: ApiKeyEnv
  readonly hash: string
  readonly status: string
  readonly is_expired: boolean
  readonly has_previous: boolean
}

const A_DAY = 86_400
const OPTIONS: ReadonlySet<string> = new Set(['overlap', 'expiresAt'] satisfies (keyof RotateOptions)[])

/**
 * A new secret for the same key: its id, key id, name, rights and history stay. Both secrets are in the one row, and
 * the new one takes its place only where the old one still is what was read.
 */
export async function rotateKey(
  settings: ApiKeySettings,
  db: TenantQueryable,
  id: string,
  options: RotateOptions,
): Promise<IssuedApiKey> {
  const now = settings.now()
  parseId(id)
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) throw invalidField('options', '{ overlap, expiresAt }')
  }
  const overlap = integerField('overlap', options.overlap ?? A_DAY, 0, 30 * A_DAY)
  const expiresAt = parseExpiry(options.expiresAt ?? null, now)
  const changesExpiry = options.expiresAt !== undefined
  const row = (await db.query<Found>(LOOK_UP_FOR_ROTATION, [now, id])).rows[0]
  if (row === undefined) throw notFound()
  refuseRotation(row, settings.env, overlap, changesExpiry)
  const { key, presented } = makeKeyText(settings.prefix, settings.env, row.key_id)
  const fresh = await hashSecret(settings.hashing, db.tenant, presented)
  const { rows } = await db.query<RecordRow>(ROTATE, [
    now,
    id,
    row.hash,
    fresh.hash,
    fresh.pepperId,
    overlap,
    changesExpiry,
    expiresAt,
  ])
  if (rows.length === 0) {
    throw conflict(
      'rotated',
      'Somebody else changed this API key meanwhile. Look at it, and rotate it if it still is needed.',
    )
  }
  return { key, record: found(rows[0]) }
}

function refuseRotation(row: Found, env: ApiKeyEnv, overlap: number, changesExpiry: boolean): void {
  if (row.status === 'revoked')
    throw conflict('revoked', 'A revoked API key has no new secret. Create another key.')
  if (row.env !== env)
    throw conflict('environment', `This is a "${row.env}" key: rotate it with env: "${row.env}".`)
  if (row.is_expired && !changesExpiry) {
    throw conflict('expired', 'This API key has expired: rotate it with a new expiresAt.')
  }
  // Two secrets at most: a second overlap would cut off clients that were promised the first.
  if (row.has_previous && overlap > 0) {
    throw conflict(
      'overlap',
      'The last rotation still overlaps. End it with endOverlap(db, id), or rotate with overlap: 0 to stop all old secrets at once.',
    )
  }
}
