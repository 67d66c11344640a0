import { describe, expect, it } from 'vitest'
import { type ApiKeyOptions, createApiKeys, type NewApiKey } from '../../src/api-keys/index.ts'
import { aName, failure, NEWER, noDatabase, PEPPER, sayings, useKeyWorld } from './support.ts'

const clock = { ms: Date.parse('2030-01-01T00:00:00.000Z') }
const keys = useKeyWorld({ now: () => new Date(clock.ms) })
const { apiKeys, as } = keys
const UNKNOWN = '00000000-0000-4000-8000-000000000000'

const issue = (name = aName()) => as('acme', (db) => apiKeys.create(db, { name, profile: 'write' }))
const verify = (key: string) => as('acme', (db) => apiKeys.verify(db, key))

describe('creating', () => {
  it('gives the text once; the database has neither it nor the secret', async () => {
    const { key, record } = await issue()
    const { rows } = await keys.tenancy.query<{ row: string }>(
      'acme',
      'select row_to_json(api_key)::text as row from api_key where id = $1',
      [record.id],
    )
    const secret = key.slice('pgt_live_'.length + 17, -6)
    expect(rows[0]?.row).toContain(record.keyId)
    expect(rows[0]?.row).not.toContain(secret)
    expect(JSON.stringify(record)).not.toContain(secret)
    expect(record).toMatchObject({ status: 'active', env: 'live', lastUsedAt: null, expiresAt: null })
  })

  it('keeps names unique in a tenant, whatever the status, and the scope stays usable', async () => {
    const name = aName()
    const { record } = await issue(name)
    await as('acme', async (db) => {
      const error = await failure(apiKeys.create(db, { name, profile: 'admin' }))
      expect(error).toMatchObject({ code: 'DUPLICATE_RESOURCE', status: 409, details: { field: 'name' } })
      await apiKeys.revoke(db, record.id)
      expect(await failure(apiKeys.create(db, { name, profile: 'admin' }))).toMatchObject({
        code: 'DUPLICATE_RESOURCE',
      })
      await apiKeys.remove(db, record.id)
      await apiKeys.create(db, { name, profile: 'admin' })
    })
    await as('globex', (db) => apiKeys.create(db, { name, profile: 'admin' }))
  })

  it('ten at once of one name make one', async () => {
    const name = aName()
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => issue(name)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it.each<[string, unknown, string]>([
    ['nothing', undefined, 'key'],
    ['no rights', { name: 'x' }, 'profile'],
    ['both kinds of rights', { name: 'x', profile: 'write', actions: ['a.b'] }, 'profile'],
    ['an unknown profile', { name: 'x', profile: 'root' }, 'profile'],
    ['a profile called after a prototype', { name: 'x', profile: 'constructor' }, 'profile'],
    ['no actions', { name: 'x', actions: [] }, 'actions'],
    ['too many actions', { name: 'x', actions: Array.from({ length: 501 }, (_, n) => `a.b${n}`) }, 'actions'],
    ['an action called __proto__', { name: 'x', actions: ['__proto__'] }, 'actions'],
    ['an action with a star', { name: 'x', actions: ['orders.*'] }, 'actions'],
    ['an action that is no text', { name: 'x', actions: [['a.b']] }, 'actions'],
    ['an empty name', { name: '', profile: 'write' }, 'name'],
    ['a name with a space at its end', { name: 'x ', profile: 'write' }, 'name'],
    ['a name with a newline', { name: 'x\ny', profile: 'write' }, 'name'],
    ['a name with a NUL', { name: 'x\0', profile: 'write' }, 'name'],
    ['a name that turns the text around', { name: 'x\u202ey', profile: 'write' }, 'name'],
    ['a long name', { name: 'x'.repeat(101), profile: 'write' }, 'name'],
    ['a past expiry', { name: 'x', profile: 'write', expiresAt: new Date(clock.ms) }, 'expiresAt'],
    ['an expiry that is no date', { name: 'x', profile: 'write', expiresAt: '2031-01-01' }, 'expiresAt'],
    ['an invalid date', { name: 'x', profile: 'write', expiresAt: new Date('?') }, 'expiresAt'],
    ['an unknown field', { name: 'x', profile: 'write', role: 'admin' }, 'key'],
    [
      'its own __proto__',
      JSON.parse('{"name":"x","profile":"write","__proto__":{"profile":"admin"}}'),
      'key',
    ],
  ])('refuses %s before any SQL', async (_, input, field) => {
    expect(await failure(apiKeys.create(noDatabase, input as NewApiKey))).toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field },
    })
  })

  it('refuses a database that is no tenant', async () => {
    for (const db of [undefined, keys.world.root, { query: noDatabase.query, tenant: '' }]) {
      expect(await failure(apiKeys.create(db as never, { name: 'x', profile: 'write' }))).toMatchObject({
        code: 'NO_TENANT_CONTEXT',
      })
    }
  })
})

describe('status and expiry', () => {
  it('a suspended key is refused and works again once activated', async () => {
    const { key, record } = await issue()
    const suspended = await as('acme', (db) => apiKeys.suspend(db, record.id, 'unusual traffic'))
    expect(suspended).toMatchObject({ status: 'suspended', suspendedReason: 'unusual traffic' })
    expect(await failure(verify(key))).toMatchObject({
      code: 'INVALID_TOKEN',
      details: { reason: 'suspended' },
    })
    expect(await as('acme', (db) => apiKeys.activate(db, record.id))).toMatchObject({ suspendedReason: null })
    expect(await verify(key)).toMatchObject({ id: record.id })
  })

  it('a revoked key stays revoked', async () => {
    const { key, record } = await issue()
    await as('acme', async (db) => {
      expect(await failure(apiKeys.remove(db, record.id))).toMatchObject({ code: 'CONFLICT' })
      await apiKeys.revoke(db, record.id)
      expect(await apiKeys.revoke(db, record.id)).toMatchObject({ status: 'revoked' })
      expect(await failure(apiKeys.activate(db, record.id))).toMatchObject({ code: 'CONFLICT' })
      expect(await failure(apiKeys.suspend(db, record.id))).toMatchObject({ code: 'CONFLICT' })
    })
    expect(await failure(verify(key))).toMatchObject({
      code: 'INVALID_TOKEN',
      details: { reason: 'revoked' },
    })
  })

  it('is expired exactly at its expiry, not before', async () => {
    const expiresAt = new Date(clock.ms + 1_000)
    const { key } = await as('acme', (db) =>
      apiKeys.create(db, { name: aName(), profile: 'write', expiresAt }),
    )
    clock.ms += 999
    expect(await verify(key)).toMatchObject({ expiresAt })
    clock.ms += 1
    expect(await failure(verify(key))).toMatchObject({ code: 'TOKEN_EXPIRED', status: 401 })
  })

  it("goes by the database's clock unless given another", async () => {
    const byDatabase = createApiKeys({ peppers: [PEPPER] })
    const { key, record } = await as('acme', (db) =>
      byDatabase.create(db, { name: aName(), profile: 'write' }),
    )
    await keys.tenancy.query(
      'acme',
      "update api_key set expires_at = now() + interval '1 hour' where id = $1",
      [record.id],
    )
    expect(await as('acme', (db) => byDatabase.verify(db, key))).toMatchObject({ id: record.id })
    await keys.tenancy.query('acme', 'update api_key set expires_at = now() where id = $1', [record.id])
    expect(await failure(as('acme', (db) => byDatabase.verify(db, key)))).toMatchObject({
      code: 'TOKEN_EXPIRED',
    })
  })

  it.each(['rotate', 'endOverlap', 'suspend', 'activate', 'revoke', 'remove', 'get'] as const)(
    '%s says when there is no such key, also of another tenant, and refuses what is no id before any SQL',
    async (method) => {
      const { record } = await issue()
      for (const id of [UNKNOWN, record.id]) {
        expect(
          await failure(as('globex', (db) => apiKeys[method](db, id) as Promise<unknown>)),
        ).toMatchObject({
          code: 'NOT_FOUND',
        })
      }
      for (const id of ['', "' or true --", '__proto__', undefined, 42]) {
        expect(await failure(apiKeys[method](noDatabase, id as string) as Promise<unknown>)).toMatchObject({
          code: 'VALIDATION_ERROR',
          details: { field: 'id' },
        })
      }
    },
  )

  it('takes a reason of one short line only', async () => {
    for (const reason of ['x'.repeat(201), 'two\nlines', 42]) {
      expect(await failure(apiKeys.suspend(noDatabase, UNKNOWN, reason as string))).toMatchObject({
        code: 'VALIDATION_ERROR',
      })
    }
  })
})

describe('listing', () => {
  it('shows every key page by page, never a secret or a hash', async () => {
    const made = await as('globex', async (db) => {
      const issued = []
      for (let n = 0; n < 5; n++) issued.push(await apiKeys.create(db, { name: aName(), actions: ['a.b'] }))
      await apiKeys.rotate(db, issued[0]?.record.id ?? '')
      return issued
    })
    const { rows } = await keys.tenancy.query<{ hash: string; previous_hash: string | null }>(
      'globex',
      'select hash, previous_hash from api_key',
    )
    const pages = await as('globex', async (db) => {
      const all = await apiKeys.list(db)
      const paged = []
      for (let after: string | undefined; ; ) {
        const page = await apiKeys.list(db, { limit: 2, ...(after !== undefined && { after }) })
        paged.push(...page)
        after = page.at(-1)?.id
        if (after === undefined) return { all, paged }
      }
    })
    expect(pages.paged).toEqual(pages.all)
    expect(new Set(pages.all.map(({ id }) => id)).size).toBe(rows.length)
    for (const { record } of made) expect(pages.all.map(({ id }) => id)).toContain(record.id)
    const text = JSON.stringify(pages.all)
    const hidden = rows.flatMap(({ hash, previous_hash }) => [hash, previous_hash ?? hash])
    for (const hash of hidden) expect(text).not.toContain(hash.slice(-20))
    for (const { key } of made) expect(text).not.toContain(key.slice(-49, -6))
    expect(Object.keys(pages.all[0] ?? {}).sort()).toEqual(
      'actions createdAt env expiresAt id keyId lastUsedAt name overlapUntil profile status suspendedReason updatedAt'.split(
        ' ',
      ),
    )
  })

  it.each([{ limit: 0 }, { limit: 201 }, { limit: 1.5 }, { after: 'x' }])('refuses %j', async (options) => {
    expect(await failure(apiKeys.list(noDatabase, options))).toMatchObject({ code: 'VALIDATION_ERROR' })
  })
})

describe('set-up', () => {
  it.each<[string, unknown, string]>([
    ['no options', undefined, 'INVALID_OPTION'],
    ['no peppers', {}, 'KEY_MISSING'],
    ['an empty list of peppers', { peppers: [] }, 'KEY_MISSING'],
    ['a pepper without an id', { peppers: [{ key: PEPPER.key }] }, 'INVALID_OPTION'],
    ['an id with a space', { peppers: [{ id: 'a b', key: PEPPER.key }] }, 'INVALID_OPTION'],
    ['two of one id', { peppers: [PEPPER, { ...NEWER, id: PEPPER.id }] }, 'INVALID_OPTION'],
    ['a hole in the list', { peppers: [undefined] }, 'INVALID_OPTION'],
    ['a short key', { peppers: [{ id: 'a', key: 'ab'.repeat(31) }] }, 'KEY_INVALID'],
    ['a passphrase', { peppers: [{ id: 'a', key: 'correct horse battery staple' }] }, 'KEY_INVALID'],
    ['a key with a newline', { peppers: [{ id: 'a', key: `${PEPPER.key}\n` }] }, 'KEY_INVALID'],
    ['base64 with stray bits', { peppers: [{ id: 'a', key: `${'A'.repeat(42)}B=` }] }, 'KEY_INVALID'],
    ['16 bytes', { peppers: [{ id: 'a', key: new Uint8Array(16) }] }, 'KEY_INVALID'],
    ['a prefix with _', { peppers: [PEPPER], prefix: 'a_b' }, 'INVALID_OPTION'],
    ['a prefix of one letter', { peppers: [PEPPER], prefix: 'a' }, 'INVALID_OPTION'],
    ['another environment', { peppers: [PEPPER], env: 'prod' }, 'INVALID_OPTION'],
    ['another hash', { peppers: [PEPPER], hash: 'md5' }, 'INVALID_OPTION'],
    ['a clock that stands', { peppers: [PEPPER], now: new Date() }, 'INVALID_OPTION'],
    ['an unknown option', { peppers: [PEPPER], pepper: 'x' }, 'INVALID_OPTION'],
  ])('refuses %s, without quoting it', (_, options, code) => {
    const made = () => createApiKeys(options as ApiKeyOptions)
    expect(made).toThrow(expect.objectContaining({ code }))
    try {
      made()
    } catch (error) {
      expect(sayings(error)).not.toMatch(/(ab){4}|1f1f1f|horse/)
    }
  })

  it('takes a key as hex, as base64 or as bytes, and means the same', async () => {
    const bytes = new Uint8Array(32).fill(0x1f)
    const { key, record } = await issue()
    for (const form of [bytes, Buffer.from(bytes).toString('base64'), PEPPER.key.toUpperCase()]) {
      const same = createApiKeys({ peppers: [{ id: PEPPER.id, key: form }], now: () => new Date(clock.ms) })
      expect(await as('acme', (db) => same.verify(db, key))).toMatchObject({ id: record.id })
    }
  })
})
