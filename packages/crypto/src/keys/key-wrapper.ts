import type { Envelopes, SecretPlace } from '../envelope/envelopes.ts'

/**
 * Wraps data keys under a master key that it keeps to itself: a key management service, or a key ring in this
 * process ({@link localWrapper}). Write one for your service with these two methods.
 */
export interface KeyWrapper {
  /**
   * @param dataKey 32 bytes; wiped afterwards, so do not keep it
   * @param place what the key is for: authenticate it where the service can ("associated data", "encryption context")
   * @param options.signal aborts when the time is up
   * @returns printable ASCII, at most 8,192 characters
   */
  wrap(dataKey: Uint8Array, place: SecretPlace, options: { readonly signal: AbortSignal }): Promise<string>
  /**
   * @returns the 32 bytes again; they are wiped after use
   * @throws TenancyError ENVELOPE_UNREADABLE when it is not a key wrapped for this place; any error that is no
   * TenancyError becomes KEY_SERVICE_UNAVAILABLE, and its message is dropped
   */
  unwrap(wrapped: string, place: SecretPlace, options: { readonly signal: AbortSignal }): Promise<Uint8Array>
}

/**
 * Wraps data keys in this process, under a key ring of its own: best one with `format: 'v2'`.
 *
 * @example
 * ```ts
 * import { keyRingFromEnv, localWrapper } from '@org/crypto'
 *
 * // For createDataKeys: the keys of tenants are wrapped by a key that this process holds. vaultTransit keeps it elsewhere.
 * const wrapper = localWrapper(keyRingFromEnv(process.env, { format: 'v2' }))
 * ```
 */
export function localWrapper(ring: Pick<Envelopes, 'seal' | 'openBytes'>): KeyWrapper {
  return {
    wrap: async (dataKey, place) => ring.seal(dataKey, place),
    unwrap: async (wrapped, place) => ring.openBytes(wrapped, place),
  }
}
