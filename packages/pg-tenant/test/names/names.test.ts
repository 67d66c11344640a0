import { startWireProxy, type WireProxy } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTenancy, type Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const NAMES: Readonly<Record<string, string>> = {
  acme: 'Client-Acme',
  globex: 'client "globex"',
  twin: 'Client-Acme',
}
const schemaOf = (key: string) => NAMES[key]
const roleOf = (key: string) => (key in NAMES ? `${world.rolePrefix}!${key}` : undefined)

const world = useWorld([])
let named: Tenancy
let proxy: WireProxy

beforeAll(async () => {
  named = world.tenancy({ schemaOf, roleOf })
  await named.provision('acme')
  await named.provision('globex')
  await named.provision('plain')
  for (const key of ['acme', 'globex', 'plain'])
    await named.query(key, 'insert into notes (body) values ($1)', [`of ${key}`])
  proxy = await startWireProxy({ target: world.appUrl })
})
afterAll(() => proxy?.close())

const body = async (tenancy: Tenancy, key: string) =>
  (await tenancy.query(key, 'select current_schema() as schema, current_user as role, body from notes'))
    .rows[0]

describe('names that are not made of prefix and key', () => {
  it('come from functions', async () => {
    expect(await body(named, 'acme')).toEqual({
      schema: 'Client-Acme',
      role: `${world.rolePrefix}!acme`,
      body: 'of acme',
    })
    expect(await body(named, 'globex')).toMatchObject({ schema: 'client "globex"', body: 'of globex' })
    expect(await body(named, 'plain')).toMatchObject({ schema: 'c_plain', body: 'of plain' })
  })

  it('are found in the registry by whoever has no function, in one more exchange, once', async () => {
    const fresh = world.tenancy({ pool: world.pool({ connectionString: proxy.url, max: 1 }) })
    await fresh.query('plain', 'select 1')
    proxy.reset()
    expect(await body(fresh, 'acme')).toMatchObject({ schema: 'Client-Acme', body: 'of acme' })
    expect(proxy.roundTrips()).toBe(3)
    proxy.reset()
    expect(await body(fresh, 'acme')).toMatchObject({ body: 'of acme' })
    expect(proxy.roundTrips()).toBe(1)
    await fresh.find('globex')
    proxy.reset()
    expect(await body(fresh, 'globex')).toMatchObject({ body: 'of globex' })
    expect(proxy.roundTrips()).toBe(1)
  })

  it('are found before a callback goes on, which runs once', async () => {
    const fresh = world.tenancy()
    let runs = 0
    const found = await fresh.withTenant('acme', async (db) => {
      runs++
      return (await db.query('select body from notes')).rows[0]
    })
    expect([found, runs]).toEqual([{ body: 'of acme' }, 1])
    const scope = world.tenancy().open('globex')
    expect((await scope.db.query('select body from notes')).rows).toEqual([{ body: 'of globex' }])
    await scope.rollback()
  })

  it('cost a pool of one connection no second one', async () => {
    const fresh = world.tenancy({ pool: world.pool({ max: 1 }) })
    const both = ['acme', 'globex', 'acme', 'globex'].map((key) => body(fresh, key))
    expect((await Promise.all(both)).map((row) => (row as { body: string }).body)).toEqual([
      'of acme',
      'of globex',
      'of acme',
      'of globex',
    ])
  })

  it('never lead two keys into one schema', async () => {
    expect(await codeOf(named.query('twin', 'select * from notes'))).toBe('SCHEMA_MISSING')
    await expect(named.provision('twin')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { tenant: 'twin', option: 'schemaOf' },
    })
    expect(await codeOf(named.query('twin', 'select * from notes'))).toBe('SCHEMA_MISSING')
    expect(await named.find('twin')).toBeUndefined()
  })

  it('never lead into a schema of another key, whatever a map says: its marker is that key’s', async () => {
    const twins = world.tenancy({ isolation: 'schema', schemaPrefix: 'w_', schemaOf: () => 'One Schema' })
    await twins.provision('first')
    await twins.query('first', `insert into notes (body) values ('of first')`)
    expect(await codeOf(twins.query('second', 'select * from notes'))).toBe('SCHEMA_MISSING')
    // Control: a marker that does not hold the key lets the second in.
    const [marker] = (
      await world.root.query<{ name: string }>(
        `select quote_ident(relname) as name from pg_class where relname like '\\_tenant\\_w\\_:first'`,
      )
    ).rows
    await world.root.query(`alter table "One Schema".${marker?.name} rename to "_tenant_w_:second"`)
    expect((await twins.query('second', 'select body from notes')).rows).toEqual([{ body: 'of first' }])
    expect(await codeOf(twins.query('first', 'select body from notes'))).toBe('SCHEMA_MISSING')
  })

  it('are never a role that somebody else made', async () => {
    const role = `${world.rolePrefix}!reports`
    await world.root.query(`create role "${role}" nologin`)
    const grasping = world.tenancy({ roleOf: () => role })
    await expect(grasping.provision('grasping')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { role },
    })
    expect(await grasping.find('grasping')).toBeUndefined()
    const { rows } = await world.root.query(
      `select from pg_auth_members where roleid = (select oid from pg_roles where rolname = $1)`,
      [role],
    )
    expect(rows).toEqual([])
    await world.root.query(`drop role "${role}"`)
    expect((await grasping.provision('grasping')).created).toBe(true)
    expect((await grasping.provision('grasping')).created).toBe(false)
    await grasping.drop('grasping')
  })

  it.each(['public', 'tenancy'])('are never %s, which is not a tenant’s', async (schema) => {
    expect(await codeOf(world.tenancy({ schemaOf: () => schema }).provision('other'))).toBe('CONFLICT')
  })

  it('are never those that the prefix gives to another key', async () => {
    const wrong = world.tenancy({ schemaOf: () => 'c_plain' })
    expect(await codeOf(wrong.query('other', 'select 1'))).toBe('INVALID_OPTION')
    expect(await codeOf(wrong.provision('other'))).toBe('INVALID_OPTION')
    expect(await wrong.query('plain', 'select body from notes').then(({ rows }) => rows)).toEqual([
      { body: 'of plain' },
    ])
  })

  it.each([
    ['nothing', ''],
    ['a name of the catalogue', 'pg_x'],
    ['one that does not fit', 'é'.repeat(32)],
    ['one with a zero', 'a\0b'],
  ])('are not %s', async (_, name) => {
    expect(await codeOf(world.tenancy({ schemaOf: () => name }).provision('other'))).toBe('INVALID_OPTION')
  })

  it('are functions or left out', () => {
    const { admin: adminPool } = world
    expect(() => createTenancy({ pool: world.pool(), adminPool, schemaOf: 'x' as never })).toThrow(/schemaOf/)
  })

  it('are known to everything an administrator does', async () => {
    const fresh = world.tenancy({
      migrations: [
        {
          id: '0001_notes',
          sql: 'create table notes (id bigint generated always as identity primary key, body text unique not null)',
        },
        { id: '0002_done', sql: 'alter table notes add done boolean not null default false' },
      ],
    })
    const report = await fresh.migrate()
    expect([report.ok, report.migrated]).toEqual([true, 3])
    const { tenants } = await fresh.stats({ exact: true, activity: true })
    expect(tenants.map(({ key, tables }) => [key, tables])).toEqual([
      ['acme', 3],
      ['globex', 3],
      ['plain', 3],
    ])
    const { findings } = await world.tenancy().doctor()
    expect(
      findings.filter(({ severity, code }) => severity === 'error' || /ORPHAN|DRIFT/.test(code)),
    ).toEqual([])
    const { summary } = await world.tenancy().verify()
    expect(summary.failed).toBe(0)
    await fresh.suspend('acme', 'unpaid')
    expect(await codeOf(named.query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect(await codeOf(world.tenancy().query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
    await world.tenancy().resume('acme')
    expect(await body(named, 'acme')).toMatchObject({ body: 'of acme' })
    expect((await fresh.migrationStatus()).filter(({ lack }) => lack > 0)).toEqual([])
  })

  it('are nothing to a control schema of the release before, which everybody can still look at', async () => {
    const older = { controlSchema: 'older', schemaPrefix: 'o_', rolePrefix: `${world.rolePrefix}o_` }
    const before = world.tenancy(older)
    for (const key of ['one', 'two']) await before.provision(key)
    await world.root.query(`
      alter table older.tenant drop column schema_name, drop column role_name, drop column database_name;
      drop table older.tenant_adoption; delete from older.control_version where version >= 6`)
    const looking = world.tenancy(older)
    expect((await looking.verify()).summary.failed).toBe(0)
    const { findings } = await looking.doctor()
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expect((await looking.stats()).tenants.map(({ key }) => key)).toEqual(['one', 'two'])
    expect((await looking.list()).map(({ key }) => key)).toEqual(['one', 'two'])
    expect(await codeOf(looking.query('three', 'select 1'))).toBe('SCHEMA_MISSING')
    expect((await world.tenancy(older).provision('one')).created).toBe(false)
  })

  it('are forgotten with the tenant', async () => {
    const fresh = world.tenancy()
    await fresh.drop('globex')
    expect(await codeOf(fresh.query('globex', 'select 1'))).toBe('SCHEMA_MISSING')
    await fresh.provision('globex', { reuseDeletedKey: true })
    expect((await fresh.query('globex', 'select current_schema() as schema')).rows).toEqual([
      { schema: 'c_globex' },
    ])
  })
})
