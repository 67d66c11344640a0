import { TenancyError } from '@org/core'
import { MAX_KEYS } from '../envelope/held-keys.ts'
import type { DataKeyStore, StoredKeys, WrappedKey } from './data-key-store.ts'
import { keysGone } from './lease.ts'
import type { Wrapping } from './wrapping.ts'

/** Somebody else changes the same tenant's keys at the same time: seldom once, never this often. */
const ATTEMPTS = 5

/**
 * The tenant's keys; a first one is made for a tenant that never had any.
 *
 * @throws TenancyError KEY_MISSING when they were destroyed
 */
export async function readOrCreate(
  store: DataKeyStore,
  wrapping: Wrapping,
  tenant: string,
): Promise<StoredKeys> {
  let stored = await store.read(tenant)
  if (stored === undefined) {
    const { id, wrapped } = await wrapping.create(tenant)
    await store.create(tenant, id, wrapped)
    // What is in the table counts: another process may have been first, or have destroyed the keys.
    stored = await store.read(tenant)
  }
  if (stored === undefined || stored.destroyed) throw keysGone('destroyed')
  return stored
}

/** Which key seals: the newest whose time has come. The first one's time is always there. */
export function sealingAt({ keys, now }: StoredKeys): number {
  return keys.findLastIndex(({ from }) => from <= now)
}

/** @param delayMs until the new key seals, so that by then every process has read it */
export async function rotate(
  store: DataKeyStore,
  wrapping: Wrapping,
  tenant: string,
  delayMs: number,
): Promise<void> {
  const fresh = await wrapping.create(tenant)
  await change(store, tenant, async (stored) => {
    if (stored.keys.length >= MAX_KEYS) {
      throw inUse(`The tenant has ${MAX_KEYS} data keys. Rotate its secrets, then remove() older keys.`)
    }
    return store.append(tenant, stored.revision, { ...fresh, from: delayMs })
  })
}

/** @param maxAgeMs how long another process may go on sealing under a key after the next one's time has come */
export async function remove(
  store: DataKeyStore,
  tenant: string,
  keyId: string,
  maxAgeMs: number,
): Promise<void> {
  await change(store, tenant, async (stored) => {
    const at = stored.keys.findIndex(({ id }) => id === keyId)
    if (at === -1) throw unknownKey()
    const sealing = sealingAt(stored)
    const since = stored.now - (stored.keys[sealing]?.from ?? stored.now)
    if (at >= sealing || since < maxAgeMs) {
      throw inUse(
        'This data key seals, will seal, or was the one that sealed less than maxAgeMs ago. Wait, rotate the ' +
          "tenant's secrets, then remove it.",
      )
    }
    return store.replace(
      tenant,
      stored.revision,
      stored.keys.filter(({ id }) => id !== keyId),
    )
  })
}

/** Wraps all keys of a tenant anew; `false` when they were destroyed meanwhile. */
export async function rewrap(store: DataKeyStore, wrapping: Wrapping, tenant: string): Promise<boolean> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = await store.read(tenant)
    if (stored === undefined || stored.destroyed) return false
    const keys: WrappedKey[] = await Promise.all(stored.keys.map((key) => wrapping.rewrap(tenant, key)))
    if (await store.replace(tenant, stored.revision, keys)) return true
  }
  throw conflict()
}

/** Compare and swap on the row's revision, again when somebody else was faster. */
async function change(
  store: DataKeyStore,
  tenant: string,
  attemptWith: (stored: StoredKeys) => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stored = await store.read(tenant)
    if (stored === undefined) throw unknownKey()
    if (stored.destroyed) throw keysGone('destroyed')
    if (await attemptWith(stored)) return
  }
  throw conflict()
}

function inUse(message: string): TenancyError {
  return new TenancyError('KEY_IN_USE', message)
}

function unknownKey(): TenancyError {
  return new TenancyError(
    'KEY_MISSING',
    'The tenant has no such data key. Its first one is made by forTenant(tenant).',
    { details: { reason: 'unknown' } },
  )
}

function conflict(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'The data keys of this tenant were changed by others again and again. Try once more.',
  )
}
