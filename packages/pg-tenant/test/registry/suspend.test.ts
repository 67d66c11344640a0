import { beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel, Tenancy } from '../../src/index.ts'
import { codeOf, NOTES, useWorld } from '../support/world.ts'

const world = useWorld([])
const LEVELS: readonly IsolationLevel[] = ['schema', 'role']

describe.each(LEVELS)('suspend, level %s', (isolation) => {
  let here: Tenancy
  let elsewhere: Tenancy
  beforeAll(async () => {
    const options = { isolation, schemaPrefix: `${isolation}_` }
    here = world.tenancy(options)
    // Another process: a tenancy and a pool of its own.
    elsewhere = world.tenancy(options)
    for (const key of ['acme', 'globex']) await here.provision(key)
  })

  it('refuses every new scope everywhere as soon as it resolves, and resume ends that', async () => {
    await elsewhere.query('acme', 'select 1')
    expect(await here.suspend('acme', 'unpaid')).toBe(true)
    expect(await codeOf(here.query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect(await codeOf(elsewhere.query('acme', 'select * from notes'))).toBe('TENANT_SUSPENDED')
    expect(await codeOf(elsewhere.withTenant('acme', async () => 1))).toBe('TENANT_SUSPENDED')
    expect((await elsewhere.query('globex', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await here.find('acme')).toMatchObject({ status: 'suspended', suspendedReason: 'unpaid' })
    expect(await here.suspend('acme')).toBe(false)
    expect(await here.resume('acme')).toBe(true)
    expect(await here.resume('acme')).toBe(false)
    expect((await elsewhere.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    expect(await here.find('acme')).toMatchObject({ status: 'active', suspendedReason: null })
  })

  it('lets no scope that is running go on', async () => {
    const code = await codeOf(
      elsewhere.withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('before ${isolation}')`)
        await here.suspend('acme')
        await db.query(`insert into notes (body) values ('after ${isolation}')`)
      }),
    )
    expect(code).toBe('TENANT_SUSPENDED')
    await here.resume('acme')
    expect((await here.query('acme', 'select body from notes')).rows).toEqual([])
  })

  it('is refused where scopes would be served all the same, and takes what PUBLIC was given', async () => {
    const { appRole, root } = world
    const schema = `${isolation}_globex`
    const who = isolation === 'schema' ? appRole : `${world.rolePrefix}globex`
    const group = `${world.rolePrefix}${isolation}_group`
    await root.query(`create role ${group}; grant usage on schema ${schema} to ${group}, public`)
    for (const [give, take, reason] of [
      [`alter role ${who} superuser`, `alter role ${who} nosuperuser`, 'superuser'],
      [
        `alter role ${who} inherit; grant ${group} to ${who}`,
        `drop owned by ${group}; drop role ${group}; alter role ${who} noinherit`,
        'usage',
      ],
    ] as const) {
      await root.query(give)
      await expect(here.suspend('globex')).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { role: who, reason },
      })
      expect(await here.find('globex')).toMatchObject({ status: 'active' })
      await root.query(take)
    }
    expect(await here.suspend('globex')).toBe(true)
    expect(await codeOf(elsewhere.query('globex', 'select 1'))).toBe('TENANT_SUSPENDED')
    await here.resume('globex')
  })

  it('shuts out every role that scopes of the tenant run as, and lets them all in again', async () => {
    const second = `${world.rolePrefix}${isolation}_second`
    await world.root.query(`create role ${second} login noinherit password 'second'`)
    const url = new URL(world.appUrl)
    ;[url.username, url.password] = [second, 'second']
    // Such as a release that logs in under another name, beside the one before.
    const theirs = world.tenancy({
      isolation,
      schemaPrefix: `${isolation}_`,
      pool: world.pool({ connectionString: url.href }),
    })
    await theirs.provision('globex')
    expect((await theirs.query('globex', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await here.suspend('globex')
    expect([
      await codeOf(elsewhere.query('globex', 'select 1')),
      await codeOf(theirs.query('globex', 'select 1')),
    ]).toEqual(['TENANT_SUSPENDED', 'TENANT_SUSPENDED'])
    await here.resume('globex')
    // One that scopes ran as once, and one that may only read: neither is in the way, and neither is let in.
    const [retired, reader] = [
      `${world.rolePrefix}${isolation}_retired`,
      `${world.rolePrefix}${isolation}_reader`,
    ]
    const [schema, tables] = [`${isolation}_globex`, `select on all tables in schema ${isolation}_globex`]
    await world.root.query(`create role ${retired} superuser; create role ${reader} in role pg_read_all_data;
      grant ${tables} to ${retired}, ${reader}; grant create on schema ${schema} to ${retired}`)
    if (isolation === 'schema') {
      const details = { role: retired, reason: 'superuser' }
      await expect(here.suspend('globex')).rejects.toMatchObject({ code: 'CONFLICT', details })
    }
    await world.root.query(`revoke all on schema ${schema} from ${retired}`)
    expect([await here.suspend('globex'), await here.resume('globex')]).toEqual([true, true])
    await world.root.query(`alter role ${retired} nosuperuser; revoke pg_read_all_data from ${reader}`)
    const { rows } = await world.root.query(
      `select r from unnest(array['${retired}', '${reader}']) r where has_schema_privilege(r, '${schema}', 'usage')`,
    )
    expect(rows).toEqual([])
    await world.root.query(`drop owned by ${retired}, ${reader}; drop role ${retired}, ${reader}`)
    for (const one of [elsewhere, theirs])
      expect((await one.query('globex', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('survives provision: a suspended tenant is brought up to date and stays suspended', async () => {
    await here.suspend('globex')
    const newer = world.tenancy({
      isolation,
      schemaPrefix: `${isolation}_`,
      migrations: [NOTES, { id: '0002_more', sql: 'create table more (id int)' }],
    })
    expect(await newer.provision('globex')).toEqual({ created: false, migrations: ['0002_more'] })
    expect(await codeOf(newer.query('globex', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect(await newer.find('globex')).toMatchObject({ status: 'suspended', schemaVersion: '0002_more' })
    await newer.resume('globex')
    expect((await newer.query('globex', 'select * from more')).rows).toEqual([])
  })

  it('says when there is nothing to suspend', async () => {
    expect(await codeOf(here.suspend('nobody'))).toBe('TENANT_NOT_FOUND')
    expect(await codeOf(here.suspend('No-Key'))).toBe('INVALID_TENANT_KEY')
  })

  it('calls a privilege that was lost otherwise by its own name', async () => {
    const role = isolation === 'role' ? `${world.rolePrefix}acme` : world.appRole
    await world.root.query(`revoke usage on schema ${isolation}_acme from ${role}`)
    expect(await codeOf(here.query('acme', 'select 1'))).toBe('SCHEMA_UNUSABLE')
    await here.provision('acme')
  })
})
