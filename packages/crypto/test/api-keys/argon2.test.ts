import type { TenantQueryable } from '@org/core'
import { describe, expect, it } from 'vitest'
import { createApiKeys } from '../../src/api-keys/index.ts'
import { makeKeyText } from '../../src/api-keys/key-text.ts'
import { createPasswordsOn } from '../../src/passwords/passwords.ts'
import { countingArgon2 } from '../passwords/counting.ts'
import { aName, failure, NEWER, PEPPER, useKeyWorld } from './support.ts'

const counting = countingArgon2()
const slow = createApiKeys({
  peppers: [PEPPER],
  hash: 'argon2id',
  passwords: createPasswordsOn(counting.argon2, { maxConcurrent: 1, maxQueue: 3 }),
})
const keys = useKeyWorld()
const { as } = keys
const issue = (apiKeys = slow) => as('acme', (db) => apiKeys.create(db, { name: aName(), profile: 'write' }))
const hashOf = async (id: string) =>
  (await keys.tenancy.query<{ hash: string }>('acme', 'select hash from api_key where id = $1', [id])).rows[0]
    ?.hash
const callsOf = async (key: string): Promise<string[]> => {
  counting.calls.length = 0
  await as('acme', (db) => slow.verify(db, key)).catch(() => {})
  return [...counting.calls]
}

describe('argon2id', () => {
  it('is what is stored, and verifies', async () => {
    const { key, record } = await issue()
    expect(await hashOf(record.id)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    expect(await as('acme', (db) => slow.verify(db, key))).toMatchObject({ id: record.id })
  })

  it('is computed once, for a known key id and for an unknown one', async () => {
    const { key, record } = await issue()
    const one = ['verify m=19456,t=2,p=1']
    expect(await callsOf(key)).toEqual(one)
    expect(await callsOf(makeKeyText('pgt', 'live', record.keyId).key)).toEqual(one)
    expect(await callsOf(makeKeyText('pgt', 'live').key)).toEqual(one)
  })

  it('is peppered and bound to the tenant as well', async () => {
    const { key, record } = await issue()
    const otherPepper = createApiKeys({ peppers: [{ id: PEPPER.id, key: NEWER.key }], hash: 'argon2id' })
    expect(await failure(as('acme', (db) => otherPepper.verify(db, key)))).toMatchObject({
      code: 'INVALID_TOKEN',
    })
    const { rows } = await keys.tenancy.query('acme', 'select * from api_key where id = $1', [record.id])
    await as('globex', (db) =>
      db.query('insert into api_key select * from jsonb_populate_record(null::api_key, $1::jsonb)', [
        JSON.stringify(rows[0]),
      ]),
    )
    expect(await failure(as('globex', (db) => slow.verify(db, key)))).toMatchObject({ code: 'INVALID_TOKEN' })
  })

  it('is bounded with the passwords: a flood is refused', async () => {
    const { key } = await issue()
    const oneShot: TenantQueryable = {
      tenant: await as('acme', async (db) => db.tenant),
      query: (text, values) => keys.tenancy.query('acme', text, values),
    }
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => slow.verify(oneShot, key)))
    const refused = results.filter(({ status }) => status === 'rejected')
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.length).toBeLessThan(20)
    for (const result of refused) expect(result).toMatchObject({ reason: { code: 'SERVICE_UNAVAILABLE' } })
    expect(counting.mostAtOnce()).toBe(1)
  })

  it('refuses a stored hash that would cost too much', async () => {
    const { key, record } = await issue()
    await keys.tenancy.query(
      'acme',
      "update api_key set hash = replace(hash, 'm=19456', 'm=4194304') where id = $1",
      [record.id],
    )
    expect(await failure(as('acme', (db) => slow.verify(db, key)))).toMatchObject({
      code: 'ENVELOPE_UNREADABLE',
    })
  })

  it('gives way to HMAC, and HMAC to it, at the next use of a key', async () => {
    const fast = createApiKeys({ peppers: [PEPPER] })
    const { key, record } = await issue()
    await as('acme', (db) => fast.verify(db, key))
    expect(await hashOf(record.id)).toMatch(/^hmac-sha-256\$/)
    await as('acme', (db) => slow.verify(db, key))
    expect(await hashOf(record.id)).toMatch(/^\$argon2id\$/)
    expect(await as('acme', (db) => fast.verify(db, key))).toMatchObject({ id: record.id })
  })
})
