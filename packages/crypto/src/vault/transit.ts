import { TenancyError } from '@org/core'
import type { SecretPlace } from '../envelope/envelopes.ts'
import { unreadable } from '../envelope/errors.ts'
import { checkPlace, placeEncoder } from '../envelope/place.ts'
import type { KeyWrapper } from '../keys/key-wrapper.ts'
import { type VaultOptions, vaultSettings } from './options.ts'

const encodePlace = placeEncoder('@org/crypto transit')

/**
 * Wraps data keys with HashiCorp Vault's Transit engine (or OpenBao's), over its HTTP API. The place goes with each
 * key as `associated_data` and as `context`: Vault from 1.13 on authenticates the first, and a key that was created
 * with `derived=true` needs the second; an older Vault ignores both, and then the data key's id still ties it to its
 * tenant. The token needs `update` on `<mount>/encrypt/<key>` and `<mount>/decrypt/<key>`; do not give it `create`,
 * with which Vault makes a new key of a mistyped name.
 *
 * Its errors: KEY_SERVICE_UNAVAILABLE, with the HTTP status in `details` when there was an answer;
 * ENVELOPE_UNREADABLE when Vault refuses the wrapped key. They never hold the token, a key or what Vault said.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { createDataKeys } from '@org/crypto'
 * import { vaultTransit } from '@org/crypto/vault'
 *
 * // The master key never leaves Vault; it is asked when a tenant's key is first needed.
 * const wrapper = vaultTransit({ address: 'https://vault.example:8200', key: 'tenants', token: async () => 'hvs.…' })
 * createDataKeys({ db: pool, wrapper })
 * ```
 */
export function vaultTransit(options: VaultOptions): KeyWrapper {
  const settings = vaultSettings(options)

  const call = async (action: 'encrypt' | 'decrypt', body: object, signal: AbortSignal): Promise<Answer> => {
    try {
      const response = await settings.fetch(`${settings.base}/${action}/${settings.key}`, {
        method: 'POST',
        headers: { ...settings.headers, 'x-vault-token': await settings.token() },
        body: JSON.stringify(body),
        // A redirect would carry the token to another host: fetch strips only the headers that it knows.
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(settings.timeoutMs)]),
      })
      const answer: unknown = response.status === 200 ? await response.json() : undefined
      if (answer === undefined) await response.body?.cancel()
      return { status: response.status, data: (answer as { data?: unknown } | null | undefined)?.data }
    } catch {
      // Errors of fetch quote headers and addresses: nothing of them goes on.
      throw unavailable(null)
    }
  }

  return {
    async wrap(dataKey, place, { signal }) {
      const plaintext = Buffer.from(dataKey).toString('base64')
      const { status, data } = await call('encrypt', { plaintext, ...binding(place) }, signal)
      const ciphertext = textIn(data, 'ciphertext')
      if (status !== 200 || !ciphertext?.startsWith('vault:v')) throw unavailable(status)
      return ciphertext
    },
    async unwrap(wrapped, place, { signal }) {
      const { status, data } = await call('decrypt', { ciphertext: wrapped, ...binding(place) }, signal)
      // Vault answers 400 to a ciphertext that is not one, or not under this key, or not with this data.
      if (status === 400) throw unreadable(place, 'unknown')
      const plaintext = textIn(data, 'plaintext')
      if (status !== 200 || plaintext === undefined) throw unavailable(status)
      return Buffer.from(plaintext, 'base64')
    },
  }
}

interface Answer {
  readonly status: number
  readonly data: unknown
}

function binding(place: SecretPlace): { associated_data: string; context: string } {
  checkPlace(place)
  const encoded = Buffer.from(encodePlace(place)).toString('base64')
  return { associated_data: encoded, context: encoded }
}

function textIn(data: unknown, name: string): string | undefined {
  if (typeof data !== 'object' || data === null || !Object.hasOwn(data, name)) return undefined
  const value: unknown = Reflect.get(data, name)
  return typeof value === 'string' ? value : undefined
}

function unavailable(status: number | null): TenancyError {
  return new TenancyError(
    'KEY_SERVICE_UNAVAILABLE',
    'Vault did not wrap or unwrap a data key. See that it is reachable and unsealed, that the mount and the key ' +
      'exist, and that the token is valid and has `update` on their encrypt and decrypt paths.',
    { details: { service: 'vault', status } },
  )
}
