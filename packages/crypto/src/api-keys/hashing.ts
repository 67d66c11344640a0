import { type KeyObject, timingSafeEqual } from 'node:crypto'
import { TenancyError } from '@org/core'
import type { Passwords } from '../passwords/passwords.ts'
import type { PresentedKey } from './key-text.ts'
import type { Peppers, Tag } from './peppers.ts'

export type ApiKeyHash = 'hmac-sha-256' | 'argon2id'

/** A hash as a row holds it: the hash says which kind it is, the pepper is named beside it. */
export interface StoredSecret {
  readonly hash: string
  readonly pepperId: string
}

/** What hashing needs; `passwords` bounds how much argon2 runs at once. */
export interface Hashing {
  readonly kind: ApiKeyHash
  readonly peppers: Peppers
  readonly tag: Tag
  readonly passwords: () => Passwords
}

const HMAC = 'hmac-sha-256$'
const HMAC_STORED = /^hmac-sha-256\$[A-Za-z0-9_-]{43}$/
/** Compared with when there is nothing to compare with. */
const NOTHING = Buffer.alloc(32)

/** The hash to store for a new secret. With argon2id it is taken over the HMAC: bound and peppered all the same. */
export async function hashSecret(
  { kind, peppers, tag, passwords }: Hashing,
  tenant: string,
  key: PresentedKey,
): Promise<StoredSecret> {
  const pepperId = peppers.current
  const bytes = tag(pepperNamed(peppers, pepperId), tenant, key)
  if (kind === 'hmac-sha-256') return { hash: HMAC + bytes.toString('base64url'), pepperId }
  return { hash: await passwords().hash(bytes.toString('base64url')), pepperId }
}

/**
 * Whether the presented key is the one that is stored. Without anything stored it does the same work and says no.
 *
 * @throws TenancyError KEY_MISSING when the row names a pepper that is not at hand
 * @throws TenancyError ENVELOPE_UNREADABLE, SERVICE_UNAVAILABLE as `Passwords.verify` (argon2id only)
 */
export async function matchesSecret(
  { kind, peppers, tag, passwords }: Hashing,
  tenant: string,
  key: PresentedKey,
  stored: StoredSecret | undefined,
): Promise<boolean> {
  const bytes = tag(pepperNamed(peppers, stored?.pepperId ?? peppers.current), tenant, key)
  const isArgon2 = stored === undefined ? kind === 'argon2id' : stored.hash.startsWith('$argon2')
  if (isArgon2) return (await passwords().verify(bytes.toString('base64url'), stored?.hash)).valid
  const sound = stored !== undefined && HMAC_STORED.test(stored.hash)
  const expected = sound ? Buffer.from(stored.hash.slice(HMAC.length), 'base64url') : NOTHING
  return timingSafeEqual(bytes, expected) && sound
}

/** Whether it was hashed otherwise than a new one would be. */
export function isOutdatedSecret({ kind, peppers }: Hashing, { hash, pepperId }: StoredSecret): boolean {
  return pepperId !== peppers.current || hash.startsWith(HMAC) !== (kind === 'hmac-sha-256')
}

function pepperNamed(peppers: Peppers, id: string): KeyObject {
  const pepper = peppers.keys.get(id)
  if (pepper) return pepper
  throw new TenancyError(
    'KEY_MISSING',
    'An API key is stored under a pepper that is not configured. Put it back, after the current one.',
    { details: { pepperId: id.slice(0, 64) } },
  )
}
