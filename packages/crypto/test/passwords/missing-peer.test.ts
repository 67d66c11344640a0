import { expect, it, vi } from 'vitest'
import { createApiKeys } from '../../src/api-keys/index.ts'
import { createPasswords } from '../../src/passwords/index.ts'
import { noDatabase, PEPPER } from '../api-keys/support.ts'

vi.mock('@node-rs/argon2', () => {
  throw new Error('Cannot find package')
})

it('without the optional package everything loads, and a hash says what to install', async () => {
  const error = { code: 'INVALID_OPTION', message: expect.stringContaining('@node-rs/argon2') }
  await expect(createPasswords().hash('a')).rejects.toMatchObject(error)
  const argon2 = createApiKeys({ peppers: [PEPPER], hash: 'argon2id' })
  await expect(argon2.create(noDatabase, { name: 'x', profile: 'write' })).rejects.toMatchObject(error)
  // HMAC needs nothing: it gets as far as the database.
  const hmac = createApiKeys({ peppers: [PEPPER] })
  await expect(hmac.create(noDatabase, { name: 'x', profile: 'write' })).rejects.toThrow(
    'a statement was sent',
  )
})
