// @module-tag sampled
import { inspect } from 'node:util'
import { isTenancyError } from '@org/core'
import { startWireProxy } from '@org/pg-testing'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { hasTurn } from '../support/sample.ts'
import { codeOf, eventually, NOTES } from '../support/world.ts'
import { ALL_SUBJECTS, notesAt, useSetting } from './setting.ts'

const setting = useSetting()
/** Beyond what sequences give in these tests. */
const ID = 1_000
const one = async (sql: string, values: unknown[] = []) =>
  (await setting.world.root.query(sql, values)).rows[0]

describe.each(ALL_SUBJECTS.filter(({ level }) => hasTurn(level)))(
  'level $level',
  ({ level, stopsNames, stopsRoleChange, logsIn, shares }) => {
    let here: Tenancy
    let elsewhere: Tenancy
    const schema = (key: string) => setting.schemaOf(level, key)
    const role = (key: string) => setting.roleOf(level, key)
    const isAdminWaiting = async () =>
      (
        await one(
          `select count(*) > 0 as waits from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`,
          [setting.world.adminRole],
        )
      ).waits === true
    const canLogIn = async (key: string) =>
      (await one('select rolcanlogin as can from pg_roles where rolname = $1', [role(key)])).can
    beforeAll(async () => {
      here = setting.tenancy(level)
      elsewhere = setting.tenancy(level)
      for (const key of ['acme', 'globex']) await here.provision(key)
    })

    it('provisions as an administrator who is no superuser, once; the connection is shown the first time only', async () => {
      expect(
        await one('select rolsuper as super from pg_roles where rolname = $1', [setting.world.adminRole]),
      ).toEqual({
        super: false,
      })
      const made = await here.provision('fresh')
      // What tenants share was brought up to date with the first of them.
      expect(made).toMatchObject({ created: true, migrations: shares ? [] : [NOTES.id] })
      expect(made.connection !== undefined).toBe(logsIn)
      const again = await here.provision('fresh')
      expect(again).toEqual({ created: false, migrations: [] })
      expect(await here.find('fresh')).toMatchObject({
        status: 'active',
        isolation: level,
        schemaVersion: NOTES.id,
      })
    })

    it('may be provisioned by many at once: one creates, all succeed', async () => {
      const others = [here, elsewhere, setting.tenancy(level)]
      // Who waits for another's longer than for a lock is told so, and asks again.
      const raced = (other: Tenancy): ReturnType<Tenancy['provision']> =>
        other.provision('raced').catch((error: unknown) => {
          if (isTenancyError(error, 'TIMEOUT')) return raced(other)
          throw error
        })
      const results = await Promise.all(others.flatMap((other) => [raced(other), raced(other)]))
      expect(results.filter(({ created }) => created)).toHaveLength(1)
      expect(results.filter(({ connection }) => connection)).toHaveLength(logsIn ? 1 : 0)
      expect((await elsewhere.query('raced', 'select * from notes')).rows).toEqual([])
    })

    it('keeps two tenants with the same ids apart', async () => {
      for (const key of ['acme', 'globex']) {
        // One sequence for all gives each id once; keys that hold the tenant let two have the same.
        await here.query(key, `insert into notes (id, body) overriding system value values (${ID}, $1)`, [
          `of ${key}`,
        ])
        await here.query(key, `update notes set body = body || '!' where id = ${ID}`)
      }
      for (const key of ['acme', 'globex']) {
        expect((await elsewhere.query(key, 'select id, body from notes')).rows).toEqual([
          { id: String(ID), body: `of ${key}!` },
        ])
      }
    })

    it(`counts ids ${shares ? 'for all tenants together' : 'for each tenant'}`, async () => {
      for (const key of ['counts-1', 'counts-2']) await here.provision(key)
      const idOf = async (key: string, body: string) =>
        Number(
          (await here.query(key, 'insert into notes (body) values ($1) returning id', [body])).rows[0]?.id,
        )
      const ids = [await idOf('counts-1', 'x'), await idOf('counts-2', 'x'), await idOf('counts-1', 'y')]
      const first = shares ? (ids[0] ?? 0) : 1
      expect(ids).toEqual(shares ? [first, first + 1, first + 2] : [1, 1, 2])
    })

    it(`leaves the tables to ${shares ? 'the administrator' : 'the tenant’s role'}`, async () => {
      const { rows } = await setting.rootAt(
        level,
        'acme',
        'select tableowner as owner from pg_tables where schemaname = $1 and tablename = $2',
        [schema('acme'), 'notes'],
      )
      const own = level === 'schema' ? role('schema_acme') : role('acme')
      const owner = shares ? setting.world.adminRole : own
      expect(rows).toEqual([{ owner }])
    })

    it(`has each migration in the ledger of ${shares ? 'the shared schema' : 'the tenant'} and of the registry`, async () => {
      const ofTenant = await setting.world.root.query(
        `select id, checksum from tenancy.tenant_migration where prefix = $1 and key = 'acme'`,
        [`${level}_`],
      )
      if (shares) {
        expect(ofTenant.rows).toEqual([])
        const { rows } = await setting.world.root.query('select prefix, id from tenancy.row_migration')
        expect(rows).toEqual([{ prefix: `${level}_`, id: NOTES.id }])
        return
      }
      const own = await setting.rootAt(
        level,
        'acme',
        `select id, checksum from ${schema('acme')}._tenant_migration`,
      )
      expect(own.rows).toHaveLength(1)
      expect(ofTenant.rows).toEqual(own.rows)
    })

    it(`${stopsNames ? 'stops' : 'does not stop'} a qualified name`, async () => {
      const read = elsewhere.query('acme', `select body from ${schema('globex')}.notes`)
      // It names the tenant's own rows where the tables are shared.
      if (shares) expect((await read).rows).toEqual([{ body: 'of acme!' }])
      else if (stopsNames) await expect(read).rejects.toMatchObject({ code: 'DATABASE_ERROR' })
      else expect((await read).rows).toEqual([{ body: 'of globex!' }])
    })

    it(`${stopsRoleChange ? 'stops' : 'does not stop'} SQL that changes role or tenant and back`, async () => {
      const become = (key: string) => {
        if (level === 'schema') return ''
        if (shares) return `perform set_config('app.tenant_id', '${key}', true);`
        return `perform set_config('role', '${role(key)}', true);`
      }
      const forge = elsewhere.query(
        'acme',
        `do $$ begin ${become('globex')} update ${schema('globex')}.notes set body = 'forged'; ${become('acme')} end $$`,
      )
      if (stopsRoleChange) await expect(forge).rejects.toMatchObject({ code: 'DATABASE_ERROR' })
      else await forge
      const { rows } = await here.query('globex', `select body from notes where id = ${ID}`)
      expect(rows).toEqual([{ body: stopsRoleChange ? 'of globex!' : 'forged' }])
      await here.query('globex', `update notes set body = 'of globex!'`)
    })

    it('refuses a suspended tenant everywhere, also on connections that are open, until it is resumed', async () => {
      await elsewhere.query('acme', 'select 1')
      expect(await here.suspend('acme', 'unpaid')).toBe(true)
      expect(await codeOf(elsewhere.query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
      // No connection yet: the tenant may not even log in.
      const late = setting.tenancy(level)
      expect(await codeOf(late.withTenant('acme', async () => 1))).toBe('TENANT_SUSPENDED')
      expect((await elsewhere.query('globex', 'select 1 as one')).rows).toEqual([{ one: 1 }])
      if (logsIn) expect(await canLogIn('acme')).toBe(false)
      expect(await here.suspend('acme')).toBe(false)
      expect(await here.resume('acme')).toBe(true)
      if (logsIn) expect(await canLogIn('acme')).toBe(true)
      for (const tenancy of [here, elsewhere, late]) {
        expect((await tenancy.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
      }
    })

    it('lets no scope of a suspended tenant go on', async () => {
      const running = elsewhere.withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('before')`)
        await here.suspend('acme')
        await db.query(`insert into notes (body) values ('after')`)
      })
      expect(await codeOf(running)).toBe('TENANT_SUSPENDED')
      await here.resume('acme')
      expect((await here.query('acme', `select from notes where body <> 'of acme!'`)).rowCount).toBe(0)
    })

    it('brings a suspended tenant up to date and leaves it suspended', async () => {
      // Of its own, because a shared schema is brought up to date for all: a tenancy of an older release then refuses.
      const apart = {
        schemaPrefix: `${level}_late_`,
        rolePrefix: `${setting.world.rolePrefix}${level}_late_`,
        ...(shares && { row: { schema: 'late' } }),
      }
      const older = setting.tenancy(level, apart)
      for (const key of ['late', 'other']) await older.provision(key)
      await older.suspend('late')
      const more = {
        id: '0002_more',
        sql: `create table more (${shares ? 'tenant_id text not null, ' : ''}id int)`,
      }
      const newer = setting.tenancy(level, { ...apart, migrations: [notesAt(level), more] })
      expect(await newer.provision('late')).toEqual({ created: false, migrations: [more.id] })
      expect(await codeOf(newer.query('late', 'select 1'))).toBe('TENANT_SUSPENDED')
      // Tables that are shared were brought up to date for all with the first.
      expect(await newer.migrate()).toMatchObject({ ok: true, failed: 0, migrated: shares ? 0 : 1 })
      expect(await newer.provision('other')).toEqual({ created: false, migrations: [] })
      expect(await codeOf(older.provision('other'))).toBe('CONFLICT')
      await newer.resume('late')
      for (const key of ['late', 'other'])
        expect((await newer.query(key, 'select id from more')).rows).toEqual([])
    })

    it('drops a tenant for good, and does not give its key out again by accident', async () => {
      await here.provision('gone')
      await elsewhere.query('gone', `insert into notes (body) values ('x')`)
      expect(await here.drop('gone')).toBe(true)
      expect(await here.drop('gone')).toBe(false)
      // A connection that was ended with the tenant may be noticed a moment later.
      await eventually(async () => (await codeOf(elsewhere.query('gone', 'select 1'))) === 'SCHEMA_MISSING')
      expect(await here.find('gone')).toMatchObject({ status: 'deleted' })
      expect(
        await one(
          `select (select count(*) from pg_roles where rolname = $1)::int as roles,
                (select count(*) from pg_database where datname = $1)::int as databases,
                (select count(*) from pg_namespace where nspname = $2)::int as schemas,
                (select count(*) from tenancy.tenant_credential where prefix = $3 and key = 'gone')::int as credentials`,
          [role('gone'), schema('gone'), `${level}_`],
        ),
      ).toEqual({ roles: 0, databases: 0, schemas: shares ? 1 : 0, credentials: 0 })
      if (shares) {
        expect(
          await one(`select count(*)::int as rows from ${schema('gone')}.notes where tenant_id = 'gone'`),
        ).toEqual({
          rows: 0,
        })
      }
      expect(await codeOf(here.provision('gone'))).toBe('CONFLICT')
      expect(await here.provision('gone', { reuseDeletedKey: true })).toMatchObject({ created: true })
      expect((await elsewhere.query('gone', 'select * from notes')).rows).toEqual([])
    })

    it('drops behind the last running scope', async () => {
      await here.provision('busy')
      let over = false
      const { dropped } = await elsewhere.withTenant('busy', async (db) => {
        await db.query('select 1')
        const dropped = here.drop('busy').finally(() => {
          over = true
        })
        await eventually(async () => over || (await isAdminWaiting()))
        expect(over).toBe(false)
        await db.query(`insert into notes (body) values ('last')`)
        return { dropped }
      })
      expect(await dropped).toBe(true)
    })

    it('has no scope for a tenant that was never provisioned', async () => {
      expect(await codeOf(here.query('nobody', 'select 1'))).toBe('SCHEMA_MISSING')
      expect(await codeOf(here.withTenant('nobody', async () => 1))).toBe('SCHEMA_MISSING')
      expect(await codeOf(here.suspend('nobody'))).toBe('TENANT_NOT_FOUND')
      expect(await here.drop('nobody')).toBe(false)
    })

    it('has savepoints', async () => {
      const bodies = await elsewhere.withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('kept')`)
        await db
          .savepoint(async (sp) => {
            await sp.query(`insert into notes (body) values ('undone')`)
            throw new Error('back')
          })
          .catch(() => {})
        return (await db.query(`select body from notes where body in ('kept', 'undone')`)).rows
      })
      expect(bodies).toEqual([{ body: 'kept' }])
    })

    it('needs one round trip for a query', async () => {
      const proxy = await startWireProxy({ target: setting.directUrl })
      const pool = setting.world.pool({ connectionString: proxy.url, max: 1 })
      const counted = setting.tenancy(level, { pool, ...(logsIn && { tenantPools: { maxConnections: 1 } }) })
      try {
        await counted.query('acme', 'select 1')
        proxy.reset()
        await counted.query('acme', 'select $1::int', [1])
        expect(await proxy.roundTrips()).toBe(1)
      } finally {
        await counted.close()
        await pool.end()
        await proxy.close()
      }
    })

    it('shows no password in what is printed or thrown', async () => {
      const { connection } = await here.provision('secret')
      const password = connection?.password ?? 'no password at this level'
      expect(connection === undefined || password.length >= 43).toBe(true)
      const shown = [
        inspect(connection, { depth: 9 }),
        JSON.stringify(connection ?? null),
        inspect(here, { depth: 9 }),
      ]
      await here.query('secret', 'select 1')
      const error = await here.query('secret', 'select 1/0').catch((caught: unknown) => caught)
      shown.push(inspect(error, { depth: 9 }), inspect(here, { depth: 9, showHidden: false }))
      for (const text of shown) expect(text).not.toContain(password)
    })
  },
)
