import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadMigrations, type Tenancy } from '../../src/index.ts'
import { codeOf, eventually, NOTES, useWorld } from '../support/world.ts'

const world = useWorld([])
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]

describe('provision', () => {
  it('makes role, schema, privileges, marker and tables, as an administrator who is no superuser', async () => {
    expect(
      await one('select rolsuper, rolcreaterole from pg_roles where rolname = $1', [world.adminRole]),
    ).toEqual({
      rolsuper: false,
      rolcreaterole: true,
    })
    expect(await tenancy.provision('fresh')).toEqual({ created: true, migrations: ['0001_notes'] })
    const role = `${world.rolePrefix}fresh`
    expect(
      await one(
        `select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolinherit from pg_roles where rolname = $1`,
        [role],
      ),
    ).toEqual({
      rolcanlogin: false,
      rolsuper: false,
      rolcreaterole: false,
      rolcreatedb: false,
      rolbypassrls: false,
      rolinherit: false,
    })
    expect(
      await one(
        `select has_schema_privilege($1, 'c_fresh', 'usage') as usage, has_schema_privilege($1, 'c_fresh', 'create') as create,
                has_schema_privilege($2, 'c_fresh', 'usage') as app, pg_has_role($2, $1, 'member') as member,
                pg_has_role($2, $1, 'usage') as inherits,
                has_table_privilege($1, 'c_fresh._tenant_c_', 'insert') as writes_marker,
                (select tableowner from pg_tables where schemaname = 'c_fresh' and tablename = 'notes') as owner`,
        [role, world.appRole],
      ),
    ).toEqual({
      usage: true,
      create: true,
      app: false,
      member: true,
      inherits: false,
      writes_marker: false,
      owner: role,
    })
  })

  it('is idempotent and completes what is missing', async () => {
    await tenancy.provision('twice')
    await world.root.query(`revoke usage on schema c_twice from ${world.rolePrefix}twice`)
    expect(await codeOf(tenancy.query('twice', 'select 1'))).toBe('SCHEMA_UNUSABLE')
    expect(await tenancy.provision('twice')).toEqual({ created: false, migrations: [] })
    expect((await tenancy.query('twice', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('may be called by many at once: one creates, all succeed', async () => {
    const others = [world.tenancy(), world.tenancy(), world.tenancy()]
    const results = await Promise.all(
      others.flatMap((other) => [other.provision('raced'), other.provision('raced')]),
    )
    expect(results.filter(({ created }) => created)).toHaveLength(1)
    expect((await tenancy.query('raced', 'select * from notes')).rows).toEqual([])
  })

  it('waits for whoever else is at work on the tenant', async () => {
    await tenancy.provision('locked')
    const holder = new pg.Client(world.url)
    await holder.connect()
    await holder.query(`begin; select from tenancy.tenant where key = 'locked' for no key update`)
    let done = false
    const provisioned = tenancy.provision('locked').then(() => {
      done = true
    })
    await eventually(
      async () =>
        done ||
        (
          await one(
            `select count(*)::int as n from pg_stat_activity
           where datname = current_database() and usename = $1 and wait_event_type = 'Lock'`,
            [world.adminRole],
          )
        ).n === 1,
    )
    expect(done).toBe(false)
    await holder.end()
    await provisioned
  })

  it('may make many tenants that log in at once: each needs CONNECT on the one database', async () => {
    const adminPool = new pg.Pool({ connectionString: world.adminUrl, max: 8 })
    const logins = world.tenancy({
      isolation: 'login',
      schemaPrefix: 'l_',
      credentials: () => ({ password: 'secret' }),
      adminPool,
    })
    const keys = Array.from({ length: 12 }, (_, at) => `many${at}`)
    const results = await Promise.all(keys.map((key) => logins.provision(key)))
    expect(results.every(({ created }) => created)).toBe(true)
    await Promise.all(keys.map((key) => logins.drop(key)))
    await logins.close()
    await adminPool.end()
  })

  it('leaves nothing behind when it fails', async () => {
    const broken = world.tenancy({
      migrations: [NOTES, { id: '0002', sql: 'create table t (a int); select 1/0' }],
    })
    await expect(broken.provision('half')).rejects.toMatchObject({
      code: 'DATABASE_ERROR',
      message: expect.stringMatching(/^Migration 0002, line 1: /),
      details: { sqlState: '22012', migration: '0002', line: 1, statement: 2 },
    })
    expect(await one(`select to_regnamespace('c_half') as schema`)).toEqual({ schema: null })
    expect(
      await one('select 1 from pg_roles where rolname = $1', [`${world.rolePrefix}half`]),
    ).toBeUndefined()
  })

  it('keeps tenants whose keys look alike apart', async () => {
    const keys = ['acme-1', 'acme_1', 'acme1']
    for (const key of keys) await tenancy.provision(key)
    for (const key of keys) await tenancy.query(key, 'insert into notes (body) values ($1)', [key])
    for (const key of keys)
      expect((await tenancy.query(key, 'select body from notes')).rows).toEqual([{ body: key }])
  })

  it('takes the longest key that fits, and refuses one byte more', async () => {
    const short = world.tenancy({ rolePrefix: 'c_' })
    const longest = `x${world.rolePrefix.replaceAll('_', '')}${'k'.repeat(61)}`.slice(0, 61)
    await short.provision(longest)
    expect(
      (await short.query('select-me'.slice(0, 0) + longest, 'select current_schema() as s')).rows,
    ).toEqual([{ s: `c_${longest}` }])
    expect(await short.drop(longest)).toBe(true)
    expect(await codeOf(short.provision(`${longest}k`))).toBe('INVALID_TENANT_KEY')
  })

  it('does not touch a schema that is not a tenant', async () => {
    await world.root.query('create schema c_foreign; create table c_foreign.precious (a int)')
    expect(await codeOf(tenancy.provision('foreign'))).toBe('CONFLICT')
    expect(await codeOf(tenancy.drop('foreign'))).toBe('CONFLICT')
    await world.root.query('create table c_foreign._tenant_c_ (key text)')
    expect(await codeOf(tenancy.provision('foreign'))).toBe('CONFLICT')
    expect(await one(`select to_regclass('c_foreign.precious') is not null as there`)).toEqual({
      there: true,
    })
  })

  it('does not take over a role that can do more than a tenant', async () => {
    await world.root.query(`create role ${world.rolePrefix}mighty login`)
    expect(await codeOf(tenancy.provision('mighty'))).toBe('CONFLICT')
    expect(await one(`select to_regnamespace('c_mighty') as schema`)).toEqual({ schema: null })
  })

  it('at level schema needs no roles at all', async () => {
    const plain = world.tenancy({ isolation: 'schema', schemaPrefix: 's_' })
    await plain.provision('plain')
    await plain.withTenant('plain', (db) => db.query(`insert into notes (body) values ('x')`))
    const { rows } = await plain.query('plain', 'select current_user as role, body from notes')
    expect(rows).toEqual([{ role: world.appRole, body: 'x' }])
    expect(await plain.drop('plain')).toBe(true)
  })
})

describe('migrations', () => {
  it('are applied once, in order, by the tenant itself, and recorded', async () => {
    const first = world.tenancy()
    await first.provision('growing')
    const second = world.tenancy({
      migrations: [
        NOTES,
        { id: '0002', sql: 'alter table notes add column extra text; create index on notes (extra)' },
      ],
    })
    expect(await second.provision('growing')).toEqual({ created: false, migrations: ['0002'] })
    expect(await second.provision('growing')).toEqual({ created: false, migrations: [] })
    expect((await second.query('growing', 'select extra from notes')).rows).toEqual([])
  })

  it('refuse to go on when one was edited or is unknown', async () => {
    await tenancy.provision('history')
    const edited = world.tenancy({ migrations: [{ ...NOTES, sql: `${NOTES.sql} -- edited` }] })
    await expect(edited.provision('history')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { migration: '0001_notes' },
    })
    const older = world.tenancy({ migrations: [] })
    await expect(older.provision('history')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { migration: '0001_notes' },
    })
  })

  it('cannot end the transaction they run in', async () => {
    const rogue = world.tenancy({
      migrations: [{ id: 'rogue', sql: 'create table a (a int); commit; begin' }],
    })
    await expect(rogue.provision('rogue')).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      details: { migration: 'rogue' },
    })
  })

  it('cannot reach another tenant', async () => {
    await tenancy.provision('victim')
    const migrations = [{ id: 'rogue', sql: 'drop table c_victim.notes' }]
    await expect(world.tenancy({ migrations }).provision('attacker')).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      details: { rule: 'qualified-name' },
    })
    const allowed = world.tenancy({ migrations, allowSchemas: ['c_victim'] })
    await expect(allowed.provision('attacker')).rejects.toMatchObject({ details: { sqlState: '42501' } })
    expect((await tenancy.query('victim', 'select * from notes')).rows).toEqual([])
  })

  it('come from a folder, in the order of their names', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'migrations-'))
    await writeFile(join(folder, '0002_b.sql'), 'select 2')
    await writeFile(join(folder, '0001_a.sql'), 'select 1')
    await writeFile(join(folder, 'readme.md'), 'no')
    expect(await loadMigrations(folder)).toEqual([
      { id: '0001_a', sql: 'select 1' },
      { id: '0002_b', sql: 'select 2' },
    ])
    await rm(folder, { recursive: true })
    expect(await codeOf(loadMigrations(folder))).toBe('INVALID_OPTION')
  })
})

describe('drop', () => {
  it('removes schema and role, says whether there was anything, and ends access', async () => {
    await tenancy.provision('leaving')
    await tenancy.query('leaving', `insert into notes (body) values ('x')`)
    expect(await tenancy.drop('leaving')).toBe(true)
    expect(await tenancy.drop('leaving')).toBe(false)
    expect(await one(`select to_regnamespace('c_leaving') as schema`)).toEqual({ schema: null })
    expect(
      await one('select 1 from pg_roles where rolname = $1', [`${world.rolePrefix}leaving`]),
    ).toBeUndefined()
    expect(await codeOf(tenancy.query('leaving', 'select 1'))).toBe('SCHEMA_MISSING')
  })

  it('waits for scopes that are open, and gives up in time when they stay', async () => {
    await tenancy.provision('busy')
    let dropped: Promise<boolean> = Promise.resolve(false)
    await tenancy.withTenant('busy', async (db) => {
      await db.query('select 1')
      dropped = world.tenancy().drop('busy')
      await db.query(`insert into notes (body) values ('last')`)
    })
    expect(await dropped).toBe(true)
  })
})
