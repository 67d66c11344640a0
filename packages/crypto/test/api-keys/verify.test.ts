import { describe, expect, it } from 'vitest'
import { createApiKeysOn } from '../../src/api-keys/api-keys.ts'
import { checksum } from '../../src/api-keys/checksum.ts'
import { createApiKeys, type IssuedApiKey } from '../../src/api-keys/index.ts'
import { makeKeyText } from '../../src/api-keys/key-text.ts'
import { hmacTag, type Tag } from '../../src/api-keys/peppers.ts'
import {
  aName,
  failure,
  NEWER,
  noDatabase,
  PEPPER,
  recording,
  replaceAt,
  sayings,
  useKeyWorld,
} from './support.ts'

const keys = useKeyWorld()
const { apiKeys, as } = keys

const issue = (tenant = 'acme'): Promise<IssuedApiKey> =>
  as(tenant, (db) => apiKeys.create(db, { name: aName(), profile: 'write' }))
const verify = (key: unknown, tenant = 'acme') => as(tenant, (db) => apiKeys.verify(db, key))

/** The HMACs computed while `fn` runs. */
async function tagsOf(fn: (counted: typeof apiKeys) => Promise<unknown>): Promise<number> {
  let tags = 0
  const counting: Tag = (...facts) => {
    tags += 1
    return hmacTag(...facts)
  }
  await fn(createApiKeysOn(counting, { peppers: [PEPPER] }))
  return tags
}

describe('a good key', () => {
  it('says who it is, and what it may do', async () => {
    const expiresAt = new Date(Date.now() + 3_600_000)
    const name = aName()
    const { key, record } = await as('acme', (db) =>
      apiKeys.create(db, { name, actions: ['orders.read', 'orders.list', 'orders.read'], expiresAt }),
    )
    expect(await verify(key)).toEqual({
      type: 'service',
      id: record.id,
      tenant: 'acme',
      name,
      profile: null,
      actions: ['orders.read', 'orders.list'],
      expiresAt,
      superseded: false,
    })
  })

  it('costs one look-up and one HMAC once its use is noted', async () => {
    const { key } = await issue()
    await verify(key)
    const sent = await as('acme', async (db) => {
      const log = recording(db)
      expect(await tagsOf((counted) => counted.verify(log.db, key))).toBe(1)
      return log.sent
    })
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatch(/^\s*select/)
  })

  it('works through one-shot queries: a whole check in one round trip', async () => {
    const { key, record } = await issue()
    const oneShot = {
      tenant: await as('acme', async (db) => db.tenant),
      query: <R extends object>(text: string, values?: readonly unknown[]) =>
        keys.tenancy.query<R>('acme', text, values),
    }
    expect(await apiKeys.verify(oneShot, key)).toMatchObject({ id: record.id })
  })
})

describe('a key that is refused before any look-up', () => {
  it('is one that is missing', async () => {
    for (const nothing of [undefined, null, '']) {
      expect(await failure(apiKeys.verify(noDatabase, nothing))).toMatchObject({ code: 'UNAUTHORIZED' })
    }
  })

  it('is one with a wrong checksum, wherever the mistake is', async () => {
    const { key } = await issue()
    for (let index = 'pgt_live_'.length; index < key.length; index++) {
      if (key[index] === '_') continue
      expect(await failure(apiKeys.verify(noDatabase, replaceAt(key, index)))).toMatchObject({
        code: 'INVALID_TOKEN',
        details: { reason: 'checksum' },
      })
    }
  })

  it.each([
    ['of the other environment', 'pgt', 'test'],
    ['of another prefix', 'acme', 'live'],
    ['of a longer prefix', 'pgtx', 'live'],
  ] as const)('is one %s', async (_, prefix, env) => {
    const { key } = makeKeyText(prefix, env)
    expect(await failure(apiKeys.verify(noDatabase, key))).toMatchObject({
      code: 'INVALID_TOKEN',
      details: { reason: 'environment' },
    })
  })
})

describe('a secret that is wrong', () => {
  it('costs as much for a key id that is there as for one that is not, and gets the same answer', async () => {
    const { key, record } = await issue()
    const wrongSecret = makeKeyText('pgt', 'live', record.keyId).key
    const unknown = makeKeyText('pgt', 'live').key
    const costs = []
    for (const text of [wrongSecret, unknown]) {
      costs.push(
        await as('acme', async (db) => {
          const log = recording(db)
          const facts: { error?: unknown } = {}
          const tags = await tagsOf(async (counted) => {
            facts.error = await failure(counted.verify(log.db, text))
          })
          return { tags, sent: log.sent, error: facts.error }
        }),
      )
    }
    expect(costs[0]).toMatchObject({ tags: 1, error: { code: 'INVALID_TOKEN', details: {} } })
    expect(costs[1]).toEqual(costs[0])
    expect(await verify(key)).toMatchObject({ id: record.id })
    expect(await as('acme', (db) => apiKeys.get(db, record.id))).toMatchObject({ status: 'active' })
  })

  it('does not note a use', async () => {
    const { record } = await issue()
    await failure(verify(makeKeyText('pgt', 'live', record.keyId).key))
    expect((await as('acme', (db) => apiKeys.get(db, record.id))).lastUsedAt).toBeNull()
  })

  it('is not told that the key is suspended, revoked or expired', async () => {
    const { record } = await issue()
    await as('acme', (db) => apiKeys.revoke(db, record.id))
    const error = await failure(verify(makeKeyText('pgt', 'live', record.keyId).key))
    expect(error).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
  })
})

describe('attacks on the stored row', () => {
  it('a row copied to another tenant does not verify there, and still does at home', async () => {
    const { key, record } = await issue('acme')
    const [row] = await as(
      'acme',
      async (db) => (await db.query('select * from api_key where id = $1', [record.id])).rows,
    )
    await as('globex', (db) =>
      db.query('insert into api_key select * from jsonb_populate_record(null::api_key, $1::jsonb)', [
        JSON.stringify(row),
      ]),
    )
    expect(await failure(verify(key, 'globex'))).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
    expect(await verify(key, 'acme')).toMatchObject({ tenant: 'acme' })
  })

  it("another tenant's key is unknown here", async () => {
    const { key } = await issue('acme')
    expect(await failure(verify(key, 'globex'))).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
  })

  it('a hash moved to another key of the tenant does not make the one open the other', async () => {
    const [mine, admin] = [await issue(), await issue()]
    await as('acme', (db) =>
      db.query('update api_key set hash = (select hash from api_key where id = $1) where id = $2', [
        mine.record.id,
        admin.record.id,
      ]),
    )
    const secret = mine.key.slice('pgt_live_'.length + 17, -6)
    const body = `pgt_live_${admin.record.keyId}_${secret}`
    expect(await failure(verify(body + checksum(body)))).toMatchObject({ code: 'INVALID_TOKEN' })
    expect(await failure(verify(admin.key))).toMatchObject({ code: 'INVALID_TOKEN' })
  })

  it('a test key edited into a live one, with its checksum made right, does not verify', async () => {
    const testing = createApiKeys({ peppers: [PEPPER], env: 'test' })
    const { key } = await as('acme', (db) => testing.create(db, { name: aName(), profile: 'admin' }))
    for (const [from, to] of [['_test_', '_live_']] as const) {
      const body = key.slice(0, -6).replace(from, to)
      expect(await failure(verify(body + checksum(body)))).toMatchObject({
        code: 'INVALID_TOKEN',
        details: {},
      })
    }
    const renamed = createApiKeys({ peppers: [PEPPER], env: 'test', prefix: 'other' })
    const body = key.slice(0, -6).replace('pgt_', 'other_')
    expect(await failure(as('acme', (db) => renamed.verify(db, body + checksum(body))))).toMatchObject({
      code: 'INVALID_TOKEN',
    })
  })

  it.each([
    ['cut short', (hash: string) => hash.slice(0, -1)],
    ['empty', () => ''],
    ['of zeros', () => `hmac-sha-256$${'A'.repeat(43)}`],
    [
      'with one bit changed',
      (hash: string) => hash.replace(/\$./, (start) => (start === '$A' ? '$B' : '$A')),
    ],
    ['without its kind', (hash: string) => hash.slice('hmac-sha-256$'.length)],
    ['of another kind', (hash: string) => hash.replace('sha-256', 'md5')],
    ['with something behind it', (hash: string) => `${hash}A`],
  ])('a hash %s does not verify', async (_, tamper) => {
    const { key, record } = await issue()
    await as('acme', async (db) => {
      const { rows } = await db.query<{ hash: string }>('select hash from api_key where id = $1', [record.id])
      const hash = rows[0]?.hash ?? ''
      expect(tamper(hash)).not.toBe(hash)
      await db.query('update api_key set hash = $2 where id = $1', [record.id, tamper(hash)])
    })
    expect(await failure(verify(key))).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
  })

  it('a pepper that is not configured is an alarm for the operator, not a refusal', async () => {
    const { key } = await issue()
    const other = createApiKeys({ peppers: [NEWER] })
    const error = await failure(as('acme', (db) => other.verify(db, key)))
    expect(error).toMatchObject({ code: 'KEY_MISSING', status: 500, details: { pepperId: 'p1' } })
  })

  it('another pepper under the same id does not verify', async () => {
    const { key } = await issue()
    const other = createApiKeys({ peppers: [{ id: PEPPER.id, key: NEWER.key }] })
    expect(await failure(as('acme', (db) => other.verify(db, key)))).toMatchObject({ code: 'INVALID_TOKEN' })
  })
})

describe('what an error says', () => {
  it('never holds the key, its secret or a part of it', async () => {
    const { key, record } = await issue()
    const wrong = makeKeyText('pgt', 'live', record.keyId).key
    await as('acme', (db) => apiKeys.suspend(db, record.id, 'a look at it'))
    const errors = [
      await failure(verify(key)),
      await failure(verify(wrong)),
      await failure(verify(`${key}x`)),
      await failure(verify(replaceAt(key, 40))),
      await failure(verify(key.replace('live', 'test'))),
      await failure(as('acme', (db) => createApiKeys({ peppers: [NEWER] }).verify(db, key))),
      await failure(verify(key, 'globex')),
    ]
    for (const error of errors) {
      const text = sayings(error)
      for (const used of [key, wrong]) {
        for (let start = 'pgt_live_'.length; start + 8 <= used.length; start++) {
          expect(text).not.toContain(used.slice(start, start + 8))
        }
      }
    }
  })
})
