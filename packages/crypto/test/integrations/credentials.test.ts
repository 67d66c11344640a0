// @module-tag sampled
import type { TenantQueryable } from '@org/core'
import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { codeOf } from '@org/pg-testing'
import { useTestLevels } from '@org/pg-testing/vitest'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  assertKeyUnused,
  integrationCredentials,
  integrationsMigration,
  integrationsRowMigration,
  rotate,
} from '../../src/index.ts'
import { KEY_1, KEY_2, KEY_3, ring } from '../support/envelopes.ts'

const [old, both, fresh] = [ring(KEY_1), ring(KEY_2, [KEY_1]), ring(KEY_2)]
const credentials = integrationCredentials({ secrets: both })
const [before, after] = [old, fresh].map((secrets) => integrationCredentials({ secrets }))
const LEVELS = (['role', 'row', 'database', 'schema', 'login'] as const).slice(
  0,
  process.env.TEST_SLOW ? 5 : 2,
)

describe.each(LEVELS)('level %s', (level) => {
  const there = useTestLevels(createTenancy)
  let tenancy: Tenancy
  const acme = <T>(fn: (db: TenantQueryable) => Promise<T>): Promise<T> => tenancy.withTenant('acme', fn)
  beforeAll(async () => {
    tenancy = there.tenancy(level, {
      migrations: [level === 'row' ? integrationsRowMigration : integrationsMigration],
    })
    for (const key of ['acme', 'globex']) await tenancy.provision(key)
  })
  const raw = async () =>
    (await tenancy.query('acme', 'select sealed from integration_credential order by provider, name')).rows

  it('keeps them sealed, whole, and gives them back', async () => {
    const data = { key: 'canary-key', scopes: ['a'], nested: { ü: null, n: 1.5, half: '\ud800' } }
    const facts = await acme((db) => credentials.put(db, { provider: 'stripe', data }))
    expect(facts).toMatchObject({ provider: 'stripe', name: 'default', expiresAt: null, expired: false })
    expect(await acme((db) => credentials.get(db, 'stripe'))).toEqual({ ...facts, data })
    expect(JSON.stringify(await raw())).not.toContain('canary')
    expect(await acme((db) => credentials.list(db))).toEqual([facts])
    expect(await tenancy.withTenant('globex', (db) => credentials.get(db, 'stripe'))).toBeUndefined()
  })

  it('opens at its own place only: not for another tenant, provider or name', async () => {
    const [row] = (await raw()) as { sealed: string }[]
    const copy = (tenant: string, provider: string, name: string) =>
      tenancy.query(
        tenant,
        'insert into integration_credential (provider, name, sealed) values ($1, $2, $3)',
        [provider, name, row?.sealed],
      )
    await copy('globex', 'stripe', 'default')
    await copy('acme', 'stripe', 'other')
    await copy('acme', 'mail', 'default')
    const get = (tenant: string, provider: string, name: string) =>
      codeOf(tenancy.withTenant(tenant, (db) => credentials.get(db, provider, name)))
    expect(await get('globex', 'stripe', 'default')).toBe('ENVELOPE_UNREADABLE')
    expect(await get('acme', 'stripe', 'other')).toBe('ENVELOPE_UNREADABLE')
    expect(await get('acme', 'mail', 'default')).toBe('ENVELOPE_UNREADABLE')
    await tenancy.query('globex', 'delete from integration_credential')
    await tenancy.query(
      'acme',
      `delete from integration_credential where (provider, name) <> ('stripe', 'default')`,
    )
  })

  it('knows what expires, by the database’s clock', async () => {
    const soon = new Date(Date.now() + 3_600_000)
    await acme(async (db) => {
      await credentials.put(db, { provider: 'google', data: {}, expiresAt: '2020-01-01T00:00:00Z' })
      await credentials.put(db, { provider: 'google', name: 'b', data: {}, expiresAt: soon })
      expect(await credentials.get(db, 'google')).toMatchObject({
        expired: true,
        expiresAt: '2020-01-01T00:00:00.000000Z',
      })
      const due = await credentials.list(db, { expiresBefore: new Date(soon.getTime() + 1) })
      expect(due.map(({ provider, name, expired }) => [provider, name, expired])).toEqual([
        ['google', 'b', false],
        ['google', 'default', true],
      ])
      const [first] = await credentials.list(db, { limit: 1 })
      expect(await credentials.list(db, { after: first })).toHaveLength(2)
      expect(await credentials.remove(db, 'google')).toBe(true)
      expect(await credentials.remove(db, 'google')).toBe(false)
    })
  })

  it('an edit overwrites no other edit', async () => {
    const facts = await acme((db) => credentials.put(db, { provider: 'crm', data: { v: 1 } }))
    const put = (v: number, ifUpdatedAt: string | null) =>
      acme((db) => credentials.put(db, { provider: 'crm', data: { v } }, { ifUpdatedAt }))
    expect(await codeOf(put(2, null))).toBe('CONFLICT')
    const both = await Promise.allSettled([put(3, facts.updatedAt), put(4, facts.updatedAt)])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const stale = (db: TenantQueryable) =>
      credentials.remove(db, 'crm', 'default', { ifUpdatedAt: facts.updatedAt })
    expect(await codeOf(acme(stale))).toBe('CONFLICT')
  })

  it('are sealed under a new key while everything goes on; the old one is retired when nothing needs it', async () => {
    await acme(async (db) => {
      for (let n = 0; n < 25; n++) {
        await before?.put(db, { provider: 'bulk', name: `n${n}`, data: { n } })
      }
    })
    const how = {
      tenants: ['acme', 'globex'],
      tables: [credentials.table],
      secrets: both,
      withTenant: tenancy.withTenant,
      batchSize: 10,
    }
    expect(await codeOf(assertKeyUnused(old.keyId ?? '', how))).toBe('KEY_IN_USE')
    expect(await rotate({ ...how, dryRun: true })).toMatchObject({ resealed: 25 })
    const versions = await acme((db) => credentials.list(db, { provider: 'bulk' }))
    expect(await rotate(how)).toMatchObject({ resealed: 25, unreadable: 0, complete: true })
    expect(await acme((db) => credentials.list(db, { provider: 'bulk' }))).toEqual(versions)
    expect(await acme(async (db) => (await after?.get(db, 'bulk', 'n7'))?.data)).toEqual({ n: 7 })
    await assertKeyUnused(old.keyId ?? '', how)
    // Retired too early: told, and nothing is lost.
    await acme(async (db) => void (await before?.put(db, { provider: 'late', data: { n: 1 } })))
    expect(await rotate({ ...how, secrets: ring(KEY_2, [KEY_3]) })).toMatchObject({
      unreadable: 1,
      complete: false,
    })
    expect(await acme(async (db) => (await credentials.get(db, 'late'))?.data)).toEqual({ n: 1 })
  })
})

/** The slow set: a thousand. */
const ROTATIONS = process.env.TEST_SLOW ? 1_000 : 20

describe(`${ROTATIONS} rotations that die, with edits in between`, () => {
  const there = useTestLevels(createTenancy)

  it('lose nothing', async () => {
    const tenancy = there.tenancy('role', { migrations: [integrationsMigration] })
    await tenancy.provision('acme')
    const keys = [KEY_1, KEY_2, KEY_3]
    const ringAt = (n: number) =>
      ring(
        keys[n % 3] as string,
        keys.filter((_, at) => at !== n % 3),
      )
    const expected = new Map<string, number>()
    const random = fc.sample(fc.nat(999), { seed: 15, numRuns: 4_000 })
    const any = () => random.pop() ?? 0
    const edit = async (n: number) => {
      const name = `c${any() % 10}`
      await tenancy.withTenant('acme', (db) =>
        integrationCredentials({ secrets: ringAt(any()) }).put(db, { provider: 'p', name, data: { n } }),
      )
      expected.set(name, n)
    }
    for (let n = 0; n < 10; n++) await edit(n)
    for (let n = 0; n < ROTATIONS; n++) {
      // Dies before its first, second or third statement, or with COMMIT not sent; or does not.
      let left = any() % 5
      const rotation = rotate({
        tenants: ['acme'],
        secrets: ringAt(n),
        tables: [credentials.table],
        batchSize: 4,
        withTenant: (tenant, fn) =>
          tenancy.withTenant(tenant, async (db) => {
            const dying: TenantQueryable = {
              tenant: db.tenant,
              query: (text, values) =>
                left-- === 0 ? Promise.reject(new Error('killed')) : db.query(text, values),
            }
            const value = await fn(dying)
            if (left-- === 0) throw new Error('killed')
            return value
          }),
      })
      await Promise.all([rotation, n % 3 === 0 ? edit(n) : undefined])
    }
    const all = integrationCredentials({ secrets: ringAt(0) })
    for (const [name, n] of expected) {
      const found = await tenancy.withTenant('acme', (db) => all.get(db, 'p', name))
      expect(found?.data, name).toEqual({ n })
    }
  })
})

describe('bad input', () => {
  const db: TenantQueryable = {
    tenant: 'acme' as TenantQueryable['tenant'],
    query: () => Promise.reject(new Error('nothing may be sent')),
  }
  const field = async (promise: Promise<unknown>) =>
    promise.then(
      () => 'accepted',
      (error: { code: string; details: { field?: string } }) => `${error.code} ${error.details.field}`,
    )
  const put = (change: object) => credentials.put(db, { provider: 'p', data: {}, ...change })

  it('is named, and sent to nobody', async () => {
    const circle: Record<string, unknown> = {}
    circle.own = circle
    const wrong: [() => Promise<unknown>, string][] = [
      [() => put({ provider: 'Stripe' }), 'provider'],
      [() => put({ provider: `p${'x'.repeat(100)}` }), 'provider'],
      [() => put({ name: '' }), 'name'],
      [() => put({ name: 'a"b' }), 'name'],
      [() => put({ data: 'text' }), 'data'],
      [() => put({ data: [] }), 'data'],
      [() => put({ data: circle }), 'data'],
      [() => put({ data: { n: Number.NaN } }), 'data'],
      [() => put({ data: { u: undefined } }), 'data'],
      [() => put({ data: { m: new Map() } }), 'data'],
      [() => put({ data: { big: 1n } }), 'data'],
      [() => put({ data: { s: 'x'.repeat(70_000) } }), 'data'],
      [() => put({ expiresAt: 'tomorrow' }), 'expiresAt'],
      [() => put({ expiresAt: new Date(Number.NaN) }), 'expiresAt'],
      [() => put({ expiresAt: '2020-13-45T00:00:00Z' }), 'expiresAt'],
      [() => credentials.put(db, { provider: 'p', data: {} }, { ifUpdatedAt: 'x\0' }), 'ifUpdatedAt'],
      [() => credentials.list(db, { limit: 0 }), 'limit'],
      [() => credentials.get(db, 'p', '../x'), 'name'],
    ]
    for (const [call, name] of wrong) expect(await field(call())).toBe(`VALIDATION_ERROR ${name}`)
    expect(() => integrationCredentials({ secrets: {} as never })).toThrow(/secrets/)
    const misspelt = { secrets: both, keys: 1 }
    expect(() => integrationCredentials(misspelt)).toThrow(/keys/)
  })
})
