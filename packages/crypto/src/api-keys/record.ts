import { TenancyError } from '@org/core'
import type { ApiKeyEnv } from './key-text.ts'

/** What a key may do in one word; what the words mean is the catalogue's business. */
export type ApiKeyProfile = 'read-only' | 'write' | 'admin'

export type ApiKeyStatus = 'active' | 'suspended' | 'revoked'

/** A key as it may be shown to an administrator: no secret, no hash. */
export interface ApiKeyRecord {
  readonly id: string
  /** The part of the key that is no secret, to recognise it by. */
  readonly keyId: string
  readonly name: string
  readonly env: ApiKeyEnv
  /** `null` when it has actions. */
  readonly profile: ApiKeyProfile | null
  /** `null` when it has a profile. */
  readonly actions: readonly string[] | null
  readonly status: ApiKeyStatus
  readonly suspendedReason: string | null
  readonly expiresAt: Date | null
  /** To the minute. */
  readonly lastUsedAt: Date | null
  /** Until when the secret before the last rotation works as well; may be past. */
  readonly overlapUntil: Date | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** A row of FACTS (sql.ts); times as the driver gives them. */
export interface RecordRow {
  readonly id: string
  readonly key_id: string
  readonly name: string
  readonly env: ApiKeyEnv
  readonly profile: ApiKeyProfile | null
  readonly actions: string[] | null
  readonly status: ApiKeyStatus
  readonly suspended_reason: string | null
  readonly expires_at: Date | string | null
  readonly last_used_at: Date | string | null
  readonly previous_expires_at: Date | string | null
  readonly created_at: Date | string
  readonly updated_at: Date | string
}

export function toRecord(row: RecordRow): ApiKeyRecord {
  return {
    id: row.id,
    keyId: row.key_id,
    name: row.name,
    env: row.env,
    profile: row.profile,
    actions: row.actions,
    status: row.status,
    suspendedReason: row.suspended_reason,
    expiresAt: toDate(row.expires_at),
    lastUsedAt: toDate(row.last_used_at),
    overlapUntil: toDate(row.previous_expires_at),
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  }
}

/** Drivers differ: pg gives a Date, others the text. */
export function toDate(value: Date | string | null): Date | null {
  return value === null ? null : new Date(value)
}

/** The record, or why there is none. */
export function found(row: RecordRow | undefined): ApiKeyRecord {
  if (row) return toRecord(row)
  throw notFound()
}

export function notFound(): TenancyError {
  return new TenancyError('NOT_FOUND', 'This tenant has no such API key. List them with apiKeys.list(db).')
}

/** @internal */
export function conflict(reason: string, message: string): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { reason } })
}
