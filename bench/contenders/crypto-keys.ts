import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { verify } from '@node-rs/argon2'
import type { QueryRows, TenantQueryable } from '@org/core'
import { createApiKeys } from '@org/crypto/api-keys'
import { createPasswords } from '@org/crypto/passwords'
import type { Contender } from '../measure/interleave.ts'
import { batch } from './crypto-batch.ts'

export const API_KEY = {
  hmac: 'one HMAC-SHA-256',
  check: 'API key check, its row at hand',
  lookUp: 'the look-up alone',
  whole: 'API key check with its look-up',
} as const

export const PASSWORD = { bare: 'argon2.verify', ours: 'passwords.verify' } as const

export const API_KEYS_AT_ONCE = 100

/** About as many bytes as a key's HMAC is made of. */
const MESSAGE = 'm'.repeat(126)
const LOOK_UP = 'select * from api_key where key_id = $1'

/**
 * Checking an API key: the work in this process against one bare HMAC, and with its look-up in the tenant against
 * the look-up alone.
 *
 * @param db the tenant's, each statement in a transaction of its own
 */
export async function apiKeyContenders(db: TenantQueryable): Promise<Record<'near' | 'far', Contender[]>> {
  const pepper = randomBytes(32)
  const apiKeys = createApiKeys({ peppers: [{ id: 'bench', key: pepper }] })
  const { key, record } = await apiKeys.create(db, { name: 'bench', profile: 'write' })
  // The first time notes the use; then, for a minute, it is the look-up alone.
  await apiKeys.verify(db, key)
  const replayed = await replaying(db, (recording) => apiKeys.verify(recording, key))
  const secretKey = createSecretKey(pepper)
  return {
    near: [
      batch(API_KEY.hmac, API_KEYS_AT_ONCE, () =>
        createHmac('sha256', secretKey).update(MESSAGE).digest('base64url'),
      ),
      batch(API_KEY.check, API_KEYS_AT_ONCE, () => apiKeys.verify(replayed, key)),
    ],
    far: [
      { name: API_KEY.lookUp, run: () => db.query(LOOK_UP, [record.keyId]) },
      { name: API_KEY.whole, run: () => apiKeys.verify(db, key) },
    ],
  }
}

/** A handle that answers everything with what the database answered last while `work` ran. */
async function replaying(
  db: TenantQueryable,
  work: (recording: TenantQueryable) => Promise<unknown>,
): Promise<TenantQueryable> {
  let last: QueryRows<object> | undefined
  let asked = 0
  await work({
    tenant: db.tenant,
    query: async <R extends object>(text: string, values?: readonly unknown[]) => {
      const result = await db.query<R>(text, values)
      last = result
      asked++
      return result
    },
  })
  if (asked !== 1 || last === undefined) throw new Error(`one statement was expected, not ${asked}`)
  const answer = Promise.resolve(last)
  return { tenant: db.tenant, query: <R extends object>() => answer as Promise<QueryRows<R>> }
}

/** Verifying a password at OWASP's parameters, one at a time. */
export async function passwordContenders(): Promise<Contender[]> {
  const password = 'correct horse battery staple'
  const passwords = createPasswords()
  const hash = await passwords.hash(password)
  return [
    { name: PASSWORD.bare, run: () => verify(hash, password) },
    { name: PASSWORD.ours, run: () => passwords.verify(password, hash) },
  ]
}
