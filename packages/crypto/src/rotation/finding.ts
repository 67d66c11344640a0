import { type ErrorCode, isTenancyError, type TenancyError } from '@org/core'
import type { EnvelopeFacts, Envelopes, SecretPlace } from '../envelope/envelopes.ts'
import { looksSealed } from '../settings/keeper.ts'
import type { RotationSettings } from './options.ts'
import { nameOfRow } from './sealed-table.ts'
import type { Target } from './target.ts'

/** A row as read. */
export interface StoredRow {
  /** the columns of its key */
  readonly key: readonly string[]
  readonly value: string
}

/** What a row turned out to hold. */
export interface Finding extends StoredRow {
  /** what its place is called */
  readonly name: string
  readonly kind: 'current' | 'resealed' | 'plaintext' | 'unreadable'
  /** which key it was sealed under */
  readonly keyId?: string
  /** why it does not open */
  readonly code?: ErrorCode
  /** what is to be stored instead */
  readonly fresh?: string
}

/** Looks at one row; `null` for one that holds no secret. */
export function find(
  tenant: string,
  { table, envelopes }: Pick<Target, 'table' | 'envelopes'>,
  row: StoredRow,
  { sealPlaintext, dryRun }: Pick<RotationSettings, 'sealPlaintext' | 'dryRun'>,
): Finding | null {
  const { key, value } = row
  const name = nameOfRow(table, key)
  const held = table.holds(name)
  const sealed = looksSealed(value)
  if (held === 'open' || (held !== 'secret' && !sealed)) return null
  const place = { tenant, table: table.table, name }
  if (!sealed) {
    if (!sealPlaintext) return { ...row, name, kind: 'plaintext' }
    return { ...row, name, kind: 'resealed', fresh: dryRun ? value : envelopes.seal(value, place) }
  }
  const facts = examine(envelopes, value, place)
  if (isTenancyError(facts)) return { ...row, name, kind: 'unreadable', code: facts.code }
  const keyId = facts.keyId ?? ''
  // A dry run seals nothing: there may be no key at hand that could.
  const fresh = facts.current ? null : dryRun ? value : envelopes.reseal(value, place)
  if (fresh === null) return { ...row, name, kind: 'current', keyId }
  return { ...row, name, kind: 'resealed', keyId, fresh }
}

/** That this value does not open is found out here, and only here; anything else that fails stops the tenant. */
function examine(envelopes: Envelopes, value: string, place: SecretPlace): EnvelopeFacts | TenancyError {
  try {
    return envelopes.examine(value, place)
  } catch (error) {
    if (isTenancyError(error, 'ENVELOPE_UNREADABLE')) return error
    throw error
  }
}
