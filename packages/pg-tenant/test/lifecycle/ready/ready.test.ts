// @module-tag sampled
import pg from 'pg'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel, Migration, Tenancy, TenancyOptions } from '../../../src/index.ts'
import { hasTurn, SLOW } from '../../support/sample.ts'
import { codeOf, NOTES, useWorld } from '../../support/world.ts'

const world = useWorld([])
const LEVELS: readonly IsolationLevel[] = ['schema', 'role', 'login']
const MORE: Migration = { id: '0002_more', sql: 'create table more (id int)' }
const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]

const sealing = {
  seal: async (text: string, place: { tenant: string }) => JSON.stringify([text, place.tenant]),
  open: async (sealed: string, place: { tenant: string }) => {
    const [text, tenant] = JSON.parse(sealed)
    if (tenant !== place.tenant) throw new Error('sealed for another tenant')
    return text as string
  },
}

describe.each(LEVELS.filter((level) => hasTurn(level, ['role'])))(
  'tenants made ahead, level %s',
  (isolation) => {
    const schemaPrefix = `${isolation}_`
    const opened: Tenancy[] = []
    const open = (options: Partial<TenancyOptions> = {}): Tenancy => {
      const tenancy = world.tenancy({
        isolation,
        schemaPrefix,
        rolePrefix: `${world.rolePrefix}${isolation}_`,
        ...(isolation === 'login' && { credentials: sealing }),
        ...options,
      })
      opened.push(tenancy)
      return tenancy
    }
    const readyKeys = async (): Promise<string[]> =>
      (
        await world.root.query(`select key from tenancy.tenant where prefix = $1 and status = 'ready'`, [
          schemaPrefix,
        ])
      ).rows.map(({ key }) => key)
    let tenancy: Tenancy

    beforeAll(() => {
      tenancy = open()
    })
    afterEach(async () => {
      await tenancy.ready.clear()
    })

    it('are claimed with all a tenant has: names, marker, ledgers, privileges, credentials', async () => {
      expect(await tenancy.ready.fill(2)).toEqual({ ready: 2, made: 2, updated: 0, removed: 0 })
      expect(await tenancy.ready.fill(2)).toEqual({ ready: 2, made: 0, updated: 0, removed: 0 })
      const result = await tenancy.provision('acme', { fromReady: true, plan: 'pro' })
      expect(result).toMatchObject({ created: true, migrations: [NOTES.id], claimed: true })
      expect(result.connection !== undefined).toBe(isolation === 'login')
      if (result.connection) {
        const client = new pg.Client(result.connection.url)
        await client.connect()
        const { rows } = await client.query(`select current_user, current_setting('search_path') as path`)
        expect(rows).toEqual([
          { current_user: `${world.rolePrefix}login_acme`, path: 'login_acme, public, pg_temp' },
        ])
        await client.end()
      }
      expect(await tenancy.ready.count()).toBe(1)
      expect(await tenancy.find('acme')).toMatchObject({
        status: 'active',
        plan: 'pro',
        schemaVersion: NOTES.id,
      })
      await tenancy.query('acme', `insert into notes (body) values ('mine')`)
      expect((await tenancy.query('acme', 'select body from notes')).rows).toEqual([{ body: 'mine' }])
      expect(await one(`select key from ${schemaPrefix}acme._tenant_${schemaPrefix}`)).toEqual({
        key: 'acme',
      })
      expect(
        await one(
          `select count(*)::int as n from tenancy.tenant_migration where key = 'acme' and prefix = $1`,
          [schemaPrefix],
        ),
      ).toEqual({ n: 1 })
      expect((await tenancy.doctor()).findings.filter(({ severity }) => severity === 'error')).toEqual([])
      // What comes next works as with any other: migrations, suspension, drop.
      const newer = open({ migrations: [NOTES, MORE] })
      expect(await newer.provision('acme')).toMatchObject({ created: false, migrations: [MORE.id] })
      await newer.suspend('acme')
      expect(await codeOf(newer.query('acme', 'select 1'))).toBe('TENANT_SUSPENDED')
      expect(await newer.drop('acme')).toBe(true)
      expect(
        await one('select count(*)::int as n from pg_roles where rolname = $1', [
          `${world.rolePrefix}${isolation}_acme`,
        ]),
      ).toEqual({ n: 0 })
      for (const each of opened.splice(1)) await each.close()
    })

    it('are nobody’s until then: no key names one, no role may go in, no list shows it', async () => {
      await tenancy.ready.fill(1)
      const [key = ''] = await readyKeys()
      for (const attempt of [
        () => tenancy.query(key, 'select 1'),
        () => tenancy.withTenant(key, async () => 1),
        () => tenancy.provision(key),
        () => tenancy.resume(key),
        () => tenancy.drop(key),
        () => tenancy.find(key),
      ]) {
        expect(await codeOf(attempt())).toBe('INVALID_TENANT_KEY')
      }
      const role = isolation === 'schema' ? world.appRole : `${world.rolePrefix}${isolation}_${key}`
      expect(
        await one(
          `select has_schema_privilege($1, $2, 'usage') as usage,
           (select rolcanlogin from pg_roles where rolname = $1) and $1 <> $3 as login`,
          [role, `${schemaPrefix}${key}`, world.appRole],
        ),
      ).toEqual({ usage: false, login: false })
      expect((await tenancy.list()).map((each) => each.key)).not.toContain(key)
      const { findings } = await tenancy.doctor()
      expect(findings.filter(({ subject }) => subject.includes(key))).toEqual([])
    })

    it('are each given to one, however many ask at once; the others are made', async () => {
      await tenancy.ready.fill(3)
      const others = [open(), open(), open(), open(), open()]
      const results = await Promise.all(
        others.map((other, at) => other.provision(`many${at}`, { fromReady: true })),
      )
      expect(results.every(({ created }) => created)).toBe(true)
      expect(results.filter(({ claimed }) => claimed)).toHaveLength(3)
      for (const [at, other] of others.entries()) {
        await other.query(`many${at}`, 'insert into notes (body) values ($1)', [`of ${at}`])
      }
      for (const [at, other] of others.entries()) {
        expect((await other.query(`many${at}`, 'select body from notes')).rows).toEqual([
          { body: `of ${at}` },
        ])
        await other.drop(`many${at}`)
        await other.close()
      }
    })

    it('are given once to one key that several ask for', async () => {
      await tenancy.ready.fill(2)
      const others = [open(), open(), open()]
      const results = await Promise.all(others.map((other) => other.provision('same', { fromReady: true })))
      expect(results.filter(({ created }) => created)).toHaveLength(1)
      expect(await tenancy.ready.count()).toBe(1)
      for (const other of others) await other.close()
      await tenancy.drop('same')
    })

    it('get the migrations they lack when claimed, or when filled up', async () => {
      await tenancy.ready.fill(2)
      const newer = open({ migrations: [NOTES, MORE] })
      expect(await newer.provision('late', { fromReady: true })).toMatchObject({
        claimed: true,
        migrations: [NOTES.id, MORE.id],
      })
      expect((await newer.query('late', 'select * from more')).rows).toEqual([])
      expect(await newer.ready.fill(2)).toEqual({ ready: 2, made: 1, updated: 1, removed: 0 })
      expect(await newer.provision('late2', { fromReady: true })).toMatchObject({ claimed: true })
      expect((await newer.query('late2', 'select * from more')).rows).toEqual([])
      for (const key of ['late', 'late2']) await newer.drop(key)
      await newer.ready.clear()
      await newer.close()
    })

    it('are not given out but removed when a migration of theirs was edited', async () => {
      await tenancy.ready.fill(2)
      const edited = open({ migrations: [{ ...NOTES, sql: `${NOTES.sql};` }] })
      expect(await edited.ready.count()).toBe(0)
      expect(await edited.provision('other', { fromReady: true })).not.toHaveProperty('claimed')
      expect(await edited.ready.fill(1)).toEqual({ ready: 1, made: 1, updated: 0, removed: 2 })
      await edited.ready.clear()
      await edited.drop('other')
      await edited.close()
    })

    it('leave nothing behind when cleared', async () => {
      await tenancy.ready.fill(2)
      expect(await tenancy.ready.clear()).toBe(2)
      expect(
        await one(
          `select (select count(*) from pg_namespace where nspname like '%\\_ready\\_%')::int as schemas,
           (select count(*) from pg_roles where starts_with(rolname, $1) and rolname like '%\\_ready\\_%')::int as roles,
           (select count(*) from tenancy.tenant where key like '\\_ready\\_%')::int as rows`,
          [world.rolePrefix],
        ),
      ).toEqual({ schemas: 0, roles: 0, rows: 0 })
    })

    it('do not take a name that is in use', async () => {
      await tenancy.ready.fill(1)
      await world.root.query(`create schema ${schemaPrefix}foreign`)
      expect(await codeOf(tenancy.provision('foreign', { fromReady: true }))).toBe('CONFLICT')
      expect(await tenancy.ready.count()).toBe(1)
      await world.root.query(`drop schema ${schemaPrefix}foreign`)
    })

    it.runIf(isolation !== 'schema')('do not take the name of a role that is in use', async () => {
      await tenancy.ready.fill(1)
      const role = `${world.rolePrefix}${isolation}_inuse`
      await world.root.query(
        `create role "${role}" nologin; grant "${role}" to ${world.adminRole} with admin option`,
      )
      const outcome = await tenancy.provision('inuse', { fromReady: true }).then(
        ({ created, claimed }) => ({ created, claimed }),
        ({ code }) => code,
      )
      // One without rights becomes the tenant's, as without ready tenants; one that could log in is somebody's.
      expect(outcome).toEqual(isolation === 'login' ? 'CONFLICT' : { created: true, claimed: undefined })
      expect(await tenancy.ready.count()).toBe(1)
    })

    it('are not given to a tenant that is there already, whatever became of its schema', async () => {
      await tenancy.ready.fill(1)
      await tenancy.provision('known')
      await world.root.query(`drop schema "${schemaPrefix}known" cascade`)
      expect(await tenancy.provision('known', { fromReady: true })).not.toHaveProperty('claimed')
      expect(await tenancy.ready.count()).toBe(1)
      expect((await tenancy.query('known', 'select * from notes')).rows).toEqual([])
    })

    it('are not given out at another level that shares their prefix', async () => {
      await tenancy.ready.fill(1)
      const other = open({ isolation: isolation === 'role' ? 'schema' : 'role' })
      expect(await other.ready.count()).toBe(0)
      expect(await other.provision('crossed', { fromReady: true })).not.toHaveProperty('claimed')
      expect(await other.ready.clear()).toBe(0)
      expect(await tenancy.ready.count()).toBe(1)
      await other.close()
    })

    it('refuse a key that is a tombstone, and are given to it when it may be used again', async () => {
      await tenancy.ready.fill(1)
      await tenancy.provision('gone')
      await tenancy.drop('gone')
      expect(await codeOf(tenancy.provision('gone', { fromReady: true }))).toBe('CONFLICT')
      expect(await tenancy.provision('gone', { fromReady: true, reuseDeletedKey: true })).toMatchObject({
        claimed: true,
      })
      expect((await tenancy.query('gone', 'select * from notes')).rows).toEqual([])
      await tenancy.drop('gone')
    })

    it.each([
      [
        'as their setting',
        'create function f() returns int language sql set search_path from current as $$ select 1 $$',
      ],
      [
        'in their body',
        `do $$ begin execute format('create function f() returns text language sql as %L', format('select %L', current_schema())); end $$`,
      ],
    ])('are not made of migrations whose functions hold the schema’s name %s', async (_where, sql) => {
      const pinned = open({ migrations: [{ id: '0001', sql }] })
      expect(await codeOf(pinned.ready.fill(1))).toBe('STATEMENT_REFUSED')
      expect(await readyKeys()).toEqual([])
      await pinned.close()
    })

    it.each([-1, 1.5, 10_001, Number.NaN])('refuse %s as their number', async (count) => {
      expect(await codeOf(tenancy.ready.fill(count))).toBe('INVALID_OPTION')
    })
  },
)

describe.skipIf(SLOW)('tenants made ahead, elsewhere', () => {
  it('are several processes’ together', async () => {
    const many = [world.tenancy(), world.tenancy(), world.tenancy()]
    const results = await Promise.all(many.map(({ ready }) => ready.fill(4)))
    expect(results.reduce((sum, { made }) => sum + made, 0)).toBe(4)
    await world.tenancy().ready.clear()
  })

  it('do not exist at level row', async () => {
    const rows = world.tenancy({ isolation: 'row', row: { schema: 'shared' }, schemaPrefix: 'rows_' })
    expect(await codeOf(rows.ready.fill(1))).toBe('INVALID_OPTION')
    expect(await codeOf(rows.ready.clear())).toBe('INVALID_OPTION')
    expect(await codeOf(rows.ready.count())).toBe('INVALID_OPTION')
  })
})
