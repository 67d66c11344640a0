import { createSecretKey, randomBytes } from 'node:crypto'
import { isTenancyError, TenancyError } from '@org/core'
import type { SecretPlace } from '../envelope/envelopes.ts'
import { unreadable } from '../envelope/errors.ts'
import type { HeldKey } from '../envelope/held-keys.ts'
import type { WrappedKey } from './data-key-store.ts'
import { keyIdOf } from './key-id.ts'
import type { KeyWrapper } from './key-wrapper.ts'
import { KEY_BYTES } from './parse-key.ts'

/** Printable ASCII: whatever a service returns can be stored and read back as it is. */
const WRAPPED = /^[\x21-\x7e]{1,8192}$/

/** A wrapper with a limit on its time, whose results are checked. */
export interface Wrapping {
  /** makes a data key and wraps it */
  create(tenant: string): Promise<Pick<WrappedKey, 'id' | 'wrapped'>>
  unwrap(tenant: string, stored: WrappedKey): Promise<HeldKey>
  /** the same key, wrapped anew */
  rewrap(tenant: string, stored: WrappedKey): Promise<WrappedKey>
}

export function wrappingBy(wrapper: KeyWrapper, timeoutMs: number): Wrapping {
  const wrap = async (bytes: Uint8Array, place: SecretPlace): Promise<string> => {
    const wrapped = await withinTime(timeoutMs, (signal) => wrapper.wrap(bytes, place, { signal }))
    if (typeof wrapped !== 'string' || !WRAPPED.test(wrapped)) throw unavailable()
    return wrapped
  }
  const unwrap = async (tenant: string, { id, wrapped }: WrappedKey) => {
    const place = placeOf(tenant, id)
    const bytes = await withinTime(timeoutMs, (signal) => wrapper.unwrap(wrapped, place, { signal }))
    if (!(bytes instanceof Uint8Array) || bytes.length !== KEY_BYTES) throw unreadable(place, 'unknown')
    const key = createSecretKey(bytes)
    // The id comes from the key and the tenant: a row copied from another tenant does not pass, whatever the
    // service authenticates.
    if (keyIdOf(key, tenant) !== id) throw unreadable(place, 'unknown')
    return { bytes, place, held: { id, key } }
  }
  return {
    async create(tenant) {
      const bytes = randomBytes(KEY_BYTES)
      const id = keyIdOf(createSecretKey(bytes), tenant)
      try {
        return { id, wrapped: await wrap(bytes, placeOf(tenant, id)) }
      } finally {
        bytes.fill(0)
      }
    },
    async unwrap(tenant, stored) {
      const { bytes, held } = await unwrap(tenant, stored)
      bytes.fill(0)
      return held
    },
    async rewrap(tenant, stored) {
      const { bytes, place } = await unwrap(tenant, stored)
      try {
        return { ...stored, wrapped: await wrap(bytes, place) }
      } finally {
        bytes.fill(0)
      }
    },
  }
}

/** The place of a wrapped data key, whatever its table is called: FORMAT.md, "Data keys". */
function placeOf(tenant: string, id: string): SecretPlace {
  return { tenant, table: 'tenant_data_key', name: id }
}

/** Rejects when the time is up, also when `run` takes no notice of its signal. */
async function withinTime<T>(ms: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(ms)
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(unavailable()), { once: true })
  })
  try {
    // In a function of its own, so that one who throws instead of rejecting is raced as well.
    return await Promise.race([(async () => run(signal))(), late])
  } catch (error) {
    // What a service says can hold a token or a key: it is dropped.
    throw isTenancyError(error) ? error : unavailable()
  }
}

function unavailable(): TenancyError {
  return new TenancyError(
    'KEY_SERVICE_UNAVAILABLE',
    'The service that holds the master key did not wrap or unwrap a data key in time. Nothing was stored in clear: ' +
      'try again when the service answers.',
  )
}
