// @module-tag sampled
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { dropDatabase, provisionDatabase } from '../../src/admin.ts'
import type { IsolationLevel } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { codeOf } from '../support/world.ts'

const setting = useSetting()
const { world } = setting

/** What is left of a tenant on the server, and what the registry thinks. */
async function traces(level: IsolationLevel, key: string): Promise<unknown> {
  const { rows } = await world.root.query(
    `select (select count(*) from pg_roles where rolname = $1)::int as roles,
            (select count(*) from pg_database where datname = $1)::int as databases,
            (select count(*) from pg_namespace where nspname = $2)::int as schemas`,
    [setting.roleOf(level, key), setting.schemaOf(level, key)],
  )
  return rows[0]
}
const NOTHING = { roles: 0, databases: 0, schemas: 0 }
/** Makes the control schema, so that what is refused is the tenant. */
const prepared = async (level: IsolationLevel) => {
  const tenancy = setting.tenancy(level, level === 'row' ? { migrations: [] } : {})
  await tenancy.provision('before')
  return tenancy
}
const remove = (right: string) => world.root.query(`alter role ${world.adminRole} no${right}`)
const give = (right: string) => world.root.query(`alter role ${world.adminRole} ${right}`)

describe.each(['role', 'login', 'database'] as const)(
  'an administrator without CREATEROLE, level %s',
  (level) => {
    it('is told so; nothing is made, and the next call with the right makes all of it', async () => {
      const tenancy = await prepared(level)
      await remove('createrole')
      const error = await tenancy.provision('acme').catch((reason: unknown) => reason)
      await give('createrole')
      expect(error).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('CREATEROLE'),
        details: { option: 'adminPool', role: world.adminRole, sqlState: '42501' },
      })
      expect(await traces(level, 'acme')).toEqual(NOTHING)
      expect(await tenancy.find('acme')).toBeUndefined()
      await tenancy.provision('acme')
      expect((await tenancy.query('acme', 'select * from notes')).rows).toEqual([])
    })
  },
)

describe.each(['schema', 'role', 'login'] as const)(
  'an administrator without CREATE on the database, level %s',
  (level) => {
    const name = () => new URL(world.url).pathname.slice(1)

    it('is told so; nothing is made', async () => {
      const tenancy = await prepared(level)
      await world.root.query(`revoke create on database "${name()}" from ${world.adminRole}`)
      const error = await tenancy.provision('denied').catch((reason: unknown) => reason)
      const filled = level === 'schema' ? 'INVALID_OPTION' : await codeOf(tenancy.ready.fill(1))
      await world.root.query(`grant create on database "${name()}" to ${world.adminRole}`)
      expect(error).toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringContaining('GRANT CREATE ON DATABASE'),
      })
      expect(filled).toBe('INVALID_OPTION')
      expect(await traces(level, 'denied')).toEqual(NOTHING)
      expect(await tenancy.find('denied')).toBeUndefined()
      expect(await tenancy.ready.count()).toBe(0)
      await tenancy.provision('denied')
    })

    it('is told so before there is a control schema', async () => {
      await world.root.query(`revoke create on database "${name()}" from ${world.adminRole}`)
      const tenancy = setting.tenancy(level, { controlSchema: `other_${level}` })
      const error = await tenancy.provision('first').catch((reason: unknown) => reason)
      await world.root.query(`grant create on database "${name()}" to ${world.adminRole}`)
      expect(error).toMatchObject({ message: expect.stringContaining('GRANT CREATE ON DATABASE') })
      expect(await traces(level, 'first')).toEqual(NOTHING)
      // The same tenancy goes on: what failed is not remembered.
      expect((await tenancy.provision('first')).created).toBe(true)
    })

    it('is not told that when it is the tenant that was refused something', async () => {
      const migrations = [{ id: '0001_notes', sql: 'create table notes (body text)' }]
      const options = { migrations, schemaPrefix: `t_${level}_` }
      await setting.tenancy(level, options).provision('told')
      await world.root.query(`revoke create on database "${name()}" from ${world.adminRole}`)
      const more = [...migrations, { id: '0002_denied', sql: 'select * from pg_authid' }]
      const error = await setting
        .tenancy(level, { ...options, migrations: more })
        .provision('told')
        .catch((reason: unknown) => reason)
      await world.root.query(`grant create on database "${name()}" to ${world.adminRole}`)
      expect(error).toMatchObject({ code: 'DATABASE_ERROR', details: { sqlState: '42501' } })
    })
  },
)

describe('an administrator without CREATEDB', () => {
  it('is told so at level database; the next call with the right finishes', async () => {
    const tenancy = await prepared('database')
    await remove('createdb')
    const error = await tenancy.provision('bare').catch((reason: unknown) => reason)
    await give('createdb')
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('CREATEDB') })
    // The role was committed ahead, as the registry says; nobody can work with it.
    expect(await tenancy.find('bare')).toMatchObject({ status: 'provisioning' })
    expect(await traces('database', 'bare')).toMatchObject({ databases: 0 })
    const { connection } = await tenancy.provision('bare')
    expect(connection?.password).toBeDefined()
    expect((await tenancy.query('bare', 'select * from notes')).rows).toEqual([])
  })

  it('is told so for an app, of which nothing is left', async () => {
    const app = `weak_${world.rolePrefix.slice(0, 12).replaceAll('-', '')}`
    await remove('createdb')
    const error = await provisionDatabase(world.admin, { app }).catch((reason: unknown) => reason)
    await give('createdb')
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('CREATEDB') })
    const left = await world.root.query('select from pg_roles where rolname = $1', [`app_${app}`])
    expect(left.rowCount).toBe(0)
    await remove('createrole')
    const other = await provisionDatabase(world.admin, { app }).catch((reason: unknown) => reason)
    await give('createrole')
    expect(other).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('CREATEROLE') })
    await provisionDatabase(world.admin, { app })
    expect(await dropDatabase(world.admin, { app, confirm: app })).toBe(true)
  })
})

describe('a database that takes no connections', () => {
  it.each([
    ['closed', `update pg_database set datallowconn = false where datname = $1`, 'not currently accepting'],
    ['cut-off', `update pg_database set datconnlimit = -2 where datname = $1`, 'invalid database'],
  ])('%s, is not said to be safe to try again', async (key, close, reason) => {
    await setting.tenancy('database').provision(key)
    await world.root.query(close, [setting.roleOf('database', key)])
    try {
      const asked = setting.tenancy('database').query(key, 'select 1')
      await expect(asked).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      const told = await asked.catch(({ message }) => String(message))
      expect(told).toContain(reason)
      expect(told).toMatch(/ALLOW_CONNECTIONS true.*does not help/)
    } finally {
      const open = 'update pg_database set datallowconn = true, datconnlimit = -1 where datname = $1'
      await world.root.query(open, [setting.roleOf('database', key)])
    }
  })
})

describe.each(['role', 'login'] as const)('another administrator, level %s', (level) => {
  it('is told that the tenant is not its own to change, and nothing is changed', async () => {
    const tenancy = await prepared(level)
    await tenancy.provision('mine')
    const name = `${world.adminRole}_${level}`
    // It may write the control schema, and administers no role and owns no schema of the first one's.
    await world.root.query(`create role ${name} login createrole password 'admin';
      grant usage on schema tenancy to ${name} with grant option;
      grant all on all tables in schema tenancy to ${name} with grant option`)
    const url = new URL(world.adminUrl)
    url.username = name
    const pool = new pg.Pool({ connectionString: url.href, max: 2 })
    try {
      const other = setting.tenancy(level, { adminPool: pool })
      const error = await other.provision('mine').catch((reason: unknown) => reason)
      const { rows } = await world.root.query(
        `select current_setting('server_version_num')::int >= 160000 as strict`,
      )
      // Before PostgreSQL 16 CREATEROLE was enough for any role; the schema is another's all the same.
      const missing = rows[0].strict ? 'ADMIN OPTION' : 'GRANT CREATE ON DATABASE'
      expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(missing) })
      expect(await codeOf(other.drop('mine'))).toBe('CONFLICT')
      expect((await tenancy.query('mine', 'select * from notes')).rows).toEqual([])
      expect(await tenancy.find('mine')).toMatchObject({ status: 'active' })
      await tenancy.provision('mine')
      expect(await tenancy.drop('mine')).toBe(true)
      expect(await traces(level, 'mine')).toEqual(NOTHING)
    } finally {
      await pool.end()
      await world.root.query(`drop owned by ${name} cascade; drop role ${name}`)
    }
  })
})
