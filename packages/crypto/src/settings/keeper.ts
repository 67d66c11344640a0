import { isTenancyError, TenancyError, type TenantKey } from '@org/core'
import type { Envelopes, EnvelopesOf } from '../envelope/envelopes.ts'
import { invalidValue } from './errors.ts'
import { SETTINGS_TABLE } from './migration.ts'

/** A secret that is in the table, or went there, in clear. */
export interface PlaintextUse {
  readonly tenant: TenantKey
  readonly key: string
  readonly action: 'stored' | 'read'
}

/** Seals and opens the secrets of one tenant's settings. */
export interface Keeper {
  /** @throws TenancyError KEY_MISSING */
  seal(setting: string, text: string): string
  /** @throws TenancyError ENVELOPE_UNREADABLE or KEY_MISSING */
  open(setting: string, stored: string): string
}

/** Whether a stored value claims to be an envelope. */
export function looksSealed(stored: string): boolean {
  return /^enc:v\d+:/.test(stored)
}

/**
 * @param onPlaintext told of each secret that is stored or read in clear; without it that is refused
 */
export function keeperOf(
  secrets: Envelopes | EnvelopesOf | undefined,
  onPlaintext: ((use: PlaintextUse) => void) | undefined,
): (tenant: TenantKey) => Promise<Keeper> {
  return async (tenant) => {
    const envelopes = typeof secrets === 'function' ? await secrets(tenant) : secrets
    const place = (name: string) => ({ tenant, table: SETTINGS_TABLE, name })
    const need = (setting: string): Envelopes => {
      if (envelopes) return envelopes
      throw keyMissing(setting)
    }
    return {
      seal: (setting, text) => {
        try {
          return need(setting).seal(text, place(setting))
        } catch (error) {
          // A key of the tenant's own that is gone was destroyed: that never makes its secrets plaintext.
          const keyless = typeof secrets !== 'function' && isTenancyError(error, 'KEY_MISSING')
          if (!keyless || !onPlaintext) throw error
        }
        if (looksSealed(text))
          throw invalidValue(setting, 'looks like an envelope and cannot be kept in clear')
        onPlaintext({ tenant, key: setting, action: 'stored' })
        return text
      },
      open: (setting, stored) => {
        if (looksSealed(stored)) return need(setting).open(stored, place(setting))
        if (!onPlaintext) throw plaintextFound(setting)
        onPlaintext({ tenant, key: setting, action: 'read' })
        return stored
      },
    }
  }
}

function keyMissing(setting: string): TenancyError {
  return new TenancyError(
    'KEY_MISSING',
    `Setting "${setting}" is a secret and there is no key. Give defineSettings a key ring (secrets), ` +
      'or say allowPlaintext where secrets need no protection.',
    { details: { setting } },
  )
}

function plaintextFound(setting: string): TenancyError {
  return new TenancyError(
    'ENVELOPE_UNREADABLE',
    `Setting "${setting}" is a secret and is stored in clear. Seal it with a rotation (plaintext: "seal"), ` +
      'set it anew, or say allowPlaintext.',
    { details: { setting, reason: 'plaintext' } },
  )
}
