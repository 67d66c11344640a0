import { TenancyError } from '@org/core'
import type { SecretPlace } from './envelopes.ts'

/** What an envelope's first characters say it is. */
export type SeenFormat = 'v1' | 'v2' | 'unknown'

/**
 * One error for whatever is wrong with an envelope (spelling, key, place, tag, commitment): which one it was is
 * what an attacker who can write to the table would like to learn.
 */
export function unreadable(place: SecretPlace, format: SeenFormat): TenancyError {
  return new TenancyError(
    'ENVELOPE_UNREADABLE',
    `The secret ${JSON.stringify(place.name)} of table ${JSON.stringify(place.table)} cannot be opened here. ` +
      'Check that every key it may be sealed under is in the key ring (also as a retired key), that it was sealed ' +
      'for this tenant, table and name, and that the stored text is whole.',
    { details: { table: place.table, name: place.name, format } },
  )
}

/** Bad data, named by the part that is bad and never by its value. */
export function invalidSecret(field: string, message: string): TenancyError {
  return new TenancyError('VALIDATION_ERROR', message, { details: { field } })
}
