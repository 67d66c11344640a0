import { TenancyError } from '@org/core'
import type { Envelopes } from '../envelope/envelopes.ts'
import type { KeyList } from '../envelope/held-keys.ts'
import { KeyEnvelopes } from '../envelope/key-envelopes.ts'

/** Why a lease ended. */
export type LeaseEnd = 'expired' | 'destroyed'

/**
 * Envelopes under a tenant's data keys, for a time: whoever keeps them longer gets an error instead of secrets.
 *
 * @param ended asked at every use
 */
export function leasedEnvelopes(keys: KeyList, ended: () => LeaseEnd | undefined): Envelopes {
  const use = (): KeyList => {
    const reason = ended()
    if (reason !== undefined) throw keysGone(reason)
    return keys
  }
  return new KeyEnvelopes({ use, format: 'v2', acceptUnbound: false })
}

export function keysGone(reason: LeaseEnd): TenancyError {
  return new TenancyError(
    'KEY_MISSING',
    reason === 'expired'
      ? 'These envelopes are older than maxAgeMs. Call forTenant(tenant) for each piece of work.'
      : 'The data keys of this tenant were destroyed: its secrets cannot be opened any more. If it is to have ' +
          'secrets again, call startOver(tenant).',
    { details: { reason } },
  )
}
