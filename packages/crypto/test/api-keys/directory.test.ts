import { parseTenantKey, type Queryable } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { createApiKeysOn } from '../../src/api-keys/api-keys.ts'
import { authenticateApiKey, createApiKeyDirectory } from '../../src/api-keys/index.ts'
import { makeKeyText } from '../../src/api-keys/key-text.ts'
import { hmacTag } from '../../src/api-keys/peppers.ts'
import { aName, failure, PEPPER, replaceAt, sayings, useKeyWorld } from './support.ts'

const keys = useKeyWorld()
const { as } = keys
const directory = createApiKeyDirectory({ schema: 'control' })
const [ACME, GLOBEX] = [parseTenantKey('acme'), parseTenantKey('globex')]
const work = { tags: 0 }
const apiKeys = createApiKeysOn(
  (...facts) => {
    work.tags += 1
    return hmacTag(...facts)
  },
  { peppers: [PEPPER] },
)
let control: Queryable

beforeAll(async () => {
  const { root, appRole } = keys.world
  await root.query('create schema control')
  await root.query(directory.migration.sql)
  await root.query(`grant usage on schema control to ${appRole}`)
  await root.query(`grant select, insert, update, delete on control.api_key_directory to ${appRole}`)
  // The application, outside any tenant.
  control = keys.world.pool()
})

const issue = (tenant = ACME) =>
  as(tenant, async (db) => {
    const issued = await apiKeys.create(db, { name: aName(), profile: 'write' })
    await directory.add(control, issued.record.keyId, db.tenant)
    return issued
  })

/** Which tenants were opened, what was read, and how it ended. */
async function authenticate(text: unknown) {
  const opened: string[] = []
  let lookUps = 0
  work.tags = 0
  const outcome = await authenticateApiKey(
    {
      apiKeys,
      directory,
      control: {
        query: (sql, values) => {
          lookUps += 1
          return control.query(sql, values)
        },
      },
      withTenant: (tenant, fn) => {
        opened.push(tenant)
        return keys.tenancy.withTenant(tenant, fn)
      },
    },
    text,
  ).catch((error: unknown) => error)
  return { outcome, opened, lookUps, tags: work.tags }
}

describe('a key without a named tenant', () => {
  it('finds its tenant, and verifies there', async () => {
    const { key, record } = await issue(GLOBEX)
    const { outcome, opened, tags } = await authenticate(key)
    expect(outcome).toMatchObject({ type: 'service', id: record.id, tenant: 'globex' })
    expect([opened, tags]).toEqual([['globex'], 1])
  })

  it('goes through withTenant as it is', async () => {
    const { key, record } = await issue()
    const { withTenant } = keys.tenancy
    expect(await authenticateApiKey({ apiKeys, directory, control, withTenant }, key)).toMatchObject({
      id: record.id,
    })
  })

  it('opens no tenant for a key id that nobody has, does the same HMAC and answers the same', async () => {
    const { record } = await issue()
    const wrong = await authenticate(makeKeyText('pgt', 'live', record.keyId).key)
    const unknown = await authenticate(makeKeyText('pgt', 'live').key)
    expect(unknown).toMatchObject({ opened: [], lookUps: 1, tags: 1 })
    expect(wrong).toMatchObject({ opened: ['acme'], lookUps: 1, tags: 1 })
    expect(unknown.outcome).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
    expect(unknown.outcome).toEqual(wrong.outcome)
    expect(sayings(wrong.outcome)).not.toContain('acme')
  })

  it.each([undefined, '', 'acme', 'pgt_live_acme', ['pgt']])('reads nothing for %j', async (text) => {
    expect(await authenticate(text)).toMatchObject({ opened: [], lookUps: 0, tags: 0 })
  })

  it('reads nothing for a mistyped key or one of another environment', async () => {
    const { key } = await issue()
    for (const text of [
      replaceAt(key, 30),
      makeKeyText('pgt', 'test').key,
      makeKeyText('other', 'live').key,
    ]) {
      const { outcome, lookUps, opened } = await authenticate(text)
      expect(outcome).toMatchObject({ code: 'INVALID_TOKEN' })
      expect([lookUps, opened]).toEqual([0, []])
    }
  })

  it('is not believed about the tenant: an entry that points elsewhere does not verify', async () => {
    const { key, record } = await issue(ACME)
    await keys.world.root.query('update control.api_key_directory set tenant = $2 where key_id = $1', [
      record.keyId,
      'globex',
    ])
    const { outcome, opened } = await authenticate(key)
    expect(opened).toEqual(['globex'])
    expect(outcome).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
  })

  it('is refused when an entry is left without a key', async () => {
    const { key } = makeKeyText('pgt', 'live')
    await directory.add(control, apiKeys.keyIdOf(key), ACME)
    expect((await authenticate(key)).outcome).toMatchObject({ code: 'INVALID_TOKEN', details: {} })
  })
})

describe('the directory', () => {
  it('takes an entry twice, and never for a second tenant', async () => {
    const { record } = await issue()
    await directory.add(control, record.keyId, ACME)
    expect(await failure(directory.add(control, record.keyId, GLOBEX))).toMatchObject({ code: 'CONFLICT' })
    expect(await directory.find(control, record.keyId)).toBe('acme')
  })

  it("forgets a key of the tenant's own, and all of a tenant that leaves", async () => {
    const [mine, others] = [await issue(ACME), await issue(GLOBEX)]
    await directory.remove(control, others.record.keyId, ACME)
    expect(await directory.find(control, others.record.keyId)).toBe('globex')
    await directory.remove(control, mine.record.keyId, ACME)
    expect(await directory.find(control, mine.record.keyId)).toBeUndefined()
    await directory.removeTenant(control, GLOBEX)
    expect(await directory.find(control, others.record.keyId)).toBeUndefined()
  })

  it('is out of reach of a tenant', async () => {
    for (const sql of ['select * from control.api_key_directory', 'delete from control.api_key_directory']) {
      expect(await failure(as('acme', (db) => db.query(sql)))).toMatchObject({ code: 'DATABASE_ERROR' })
    }
  })

  it.each([
    '',
    'Control',
    'a b',
    'a"; drop schema control',
    'x'.repeat(64),
    '1a',
    '__proto__"',
    undefined,
    42,
  ])('refuses the schema %j', (schema) => {
    expect(() => createApiKeyDirectory({ schema: schema as string })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    )
  })
})
