import { createApiKeys } from '../../src/api-keys/index.ts'
import { createPasswords } from '../../src/passwords/index.ts'
import { noDatabase, PEPPER } from '../api-keys/support.ts'

/** What each rejects with, as JSON: run where the optional package is not there. */
async function errorOf(work: Promise<unknown>): Promise<object> {
  const error = await work.catch((reason: unknown) => reason)
  return error instanceof Error ? { ...error, message: error.message } : { message: 'it worked' }
}

const key = { name: 'x', profile: 'write' } as const
const hash = await errorOf(createPasswords().hash('a'))
const argon2 = await errorOf(createApiKeys({ peppers: [PEPPER], hash: 'argon2id' }).create(noDatabase, key))
const hmac = await errorOf(createApiKeys({ peppers: [PEPPER] }).create(noDatabase, key))
console.log(JSON.stringify({ hash, argon2, hmac }))
