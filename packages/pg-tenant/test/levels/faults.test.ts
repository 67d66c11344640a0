// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { looksAt, SLOW, stepOf } from '../support/sample.ts'
import { codeOf, eventually, NOTES } from '../support/world.ts'
import { killedAdmin } from './killed.ts'
import { SUBJECTS, useSetting } from './setting.ts'

const setting = useSetting()
/** More statements than any of this takes. */
const MANY = 200
/** An odd one: the connection goes before and after statements in turn. `TEST_FAULTS=all` takes every statement. */
const STEP = stepOf(5, 29)
const LEVELS = SUBJECTS.map(({ level }) => level).filter((level) => level === 'login' || level === 'database')

/** What is left of a tenant on the server. */
async function traces(level: 'login' | 'database', key: string): Promise<unknown> {
  const { rows } = await setting.world.root.query(
    `select (select count(*) from pg_roles where rolname = $1)::int as roles,
            (select count(*) from pg_database where datname = $1)::int as databases,
            (select count(*) from pg_namespace where nspname = $2)::int as schemas,
            (select count(*) from tenancy.tenant_credential where prefix = $3 and key = $4)::int as credentials,
            (select status from tenancy.tenant where prefix = $3 and key = $4) as status`,
    [setting.roleOf(level, key), setting.schemaOf(level, key), `${level}_`, key],
  )
  return rows[0]
}

describe.each(LEVELS)('level %s', (level) => {
  it.runIf(looksAt(level, 'database'))(
    'is killed at any statement of provision and finishes when run again',
    async () => {
      const sound = setting.tenancy(level)
      await sound.provision('first')
      let at = 1
      for (; at < MANY; at += STEP) {
        const key = `p${at}`
        const { pool, killed } = killedAdmin(setting, at)
        const doomed = setting.tenancy(level, { adminPool: pool })
        const outcome = await doomed.provision(key).then(
          () => 'done',
          (error: { code: string }) => error.code,
        )
        await pool.end().catch(() => {})
        if (!killed()) break
        expect(['CONNECTION_LOST', 'UNKNOWN_OUTCOME', 'done'], `statement ${at}`).toContain(outcome)
        const again = await sound.provision(key)
        expect((await sound.query(key, 'select * from notes')).rows, `statement ${at}`).toEqual([])
        expect(await sound.find(key)).toMatchObject({ status: 'active', schemaVersion: NOTES.id })
        // Unless everything was there already, whoever finishes it is given the connection.
        if (again.created) expect(again.connection?.password, `statement ${at}`).toBeDefined()
        const { rows } = await setting.world.root.query(
          'select id from tenancy.tenant_migration where prefix = $1 and key = $2',
          [`${level}_`, key],
        )
        expect(rows, `statement ${at}`).toEqual([{ id: NOTES.id }])
      }
      expect(at).toBeGreaterThan(15)
      expect(at).toBeLessThan(MANY)
    },
  )

  it.runIf(looksAt(level, 'login'))(
    'is killed at any statement of drop and finishes when run again',
    async () => {
      const sound = setting.tenancy(level)
      let at = 1
      for (; at < MANY; at += STEP) {
        const key = `d${at}`
        await sound.provision(key)
        const { pool, killed } = killedAdmin(setting, at)
        const doomed = setting.tenancy(level, { adminPool: pool })
        await doomed.drop(key).catch(() => {})
        await pool.end().catch(() => {})
        await sound.drop(key)
        expect(await traces(level, key), `statement ${at}`).toEqual({
          roles: 0,
          databases: 0,
          schemas: 0,
          credentials: 0,
          status: 'deleted',
        })
        if (!killed()) break
      }
      expect(at).toBeGreaterThan(10)
      expect(at).toBeLessThan(MANY)
    },
  )

  it.runIf(looksAt(level, 'login'))(
    'is killed at any statement of provision and lets no suspended tenant in, not even where it is connected',
    async () => {
      const sound = setting.tenancy(level)
      await sound.provision('barred')
      await sound.query('barred', 'select 1')
      await sound.suspend('barred')
      for (let at = 1; at < MANY; at += STEP) {
        const { pool, killed } = killedAdmin(setting, at)
        const doomed = setting.tenancy(level, { adminPool: pool })
        await doomed.provision('barred').catch(() => {})
        await pool.end().catch(() => {})
        expect(await codeOf(sound.query('barred', 'select 1')), `statement ${at}`).toBe('TENANT_SUSPENDED')
        const { rows } = await setting.world.root.query(
          'select rolcanlogin as can from pg_roles where rolname = $1',
          [setting.roleOf(level, 'barred')],
        )
        expect(rows, `statement ${at}`).toEqual([{ can: false }])
        if (!killed()) break
      }
    },
  )

  it.skipIf(SLOW)('leaves a tenant that is being provisioned or dropped alone', async () => {
    const sound = setting.tenancy(level)
    await sound.provision('half')
    await setting.world.root.query(
      `update tenancy.tenant set status = 'deleting' where prefix = $1 and key = 'half'`,
      [`${level}_`],
    )
    expect(await codeOf(sound.provision('half'))).toBe('CONFLICT')
    expect(await codeOf(sound.suspend('half'))).toBe('TENANT_NOT_FOUND')
    expect(await codeOf(sound.rotateCredentials('half'))).toBe('TENANT_NOT_FOUND')
    expect(await sound.drop('half')).toBe(true)
  })

  it.skipIf(SLOW)('never takes over a role or database that it did not make', async () => {
    const sound = setting.tenancy(level)
    const name = setting.roleOf(level, 'taken')
    await setting.world.root.query(`create role "${name}" login password 'theirs'`)
    expect(await codeOf(sound.provision('taken'))).toBe('CONFLICT')
    await setting.world.root.query(`drop role "${name}"`)
    if (level === 'database') {
      await setting.world.root.query(`create database "${name}"`)
      expect(await codeOf(sound.provision('taken'))).toBe('CONFLICT')
      expect(await codeOf(sound.drop('taken'))).toBe('CONFLICT')
      const there = await setting.world.root.query('select from pg_database where datname = $1', [name])
      expect(there.rowCount).toBe(1)
    }
  })
})

describe('drop', { tags: 'slow' }, () => {
  it('gives up when a scope stays, and the tenant goes on', async () => {
    await Promise.all(
      LEVELS.map(async (level) => {
        const sound = setting.tenancy(level)
        await sound.provision('stays')
        await sound.withTenant('stays', async (db) => {
          await db.query(`insert into notes (body) values ('kept')`)
          expect(await codeOf(setting.tenancy(level).drop('stays'))).toBe('TIMEOUT')
        })
        expect((await sound.query('stays', 'select body from notes')).rows).toEqual([{ body: 'kept' }])
        expect(await sound.find('stays')).toMatchObject({ status: 'active' })
      }),
    )
  })
})

describe.each(LEVELS)('level %s, administrator a superuser', { tags: 'slow' }, (level) => {
  it('makes, suspends, resumes and drops a tenant', async () => {
    const tenancy = setting.tenancy(level, { adminPool: setting.world.root })
    const { connection } = await tenancy.provision('by_root')
    expect(connection).toMatchObject({ user: setting.roleOf(level, 'by_root') })
    await tenancy.suspend('by_root')
    expect(await codeOf(tenancy.query('by_root', 'select 1'))).toBe('TENANT_SUSPENDED')
    await tenancy.resume('by_root')
    expect((await tenancy.query('by_root', 'select current_user as me')).rows).toEqual([
      { me: setting.roleOf(level, 'by_root') },
    ])
    expect(await tenancy.drop('by_root')).toBe(true)
    expect(await traces(level, 'by_root')).toMatchObject({ roles: 0, databases: 0, schemas: 0 })
  })
})

describe.skipIf(SLOW)('level database', () => {
  it('lets nobody but the tenant and the administrator connect', async () => {
    const sound = setting.tenancy('database')
    await sound.provision('alone')
    await sound.provision('other')
    const { rows } = await setting.world.root.query(
      `select has_database_privilege($1, $2, 'connect') as own, has_database_privilege($3, $2, 'connect') as other,
              has_database_privilege($4, $2, 'connect') as application, has_database_privilege($1, $2, 'create') as creates,
              has_database_privilege($1, $2, 'temp') as temp`,
      [
        setting.roleOf('database', 'alone'),
        setting.roleOf('database', 'alone'),
        setting.roleOf('database', 'other'),
        setting.world.appRole,
      ],
    )
    expect(rows).toEqual([{ own: true, other: false, application: false, creates: false, temp: false }])
  })

  it('says when its database is gone', async () => {
    const sound = setting.tenancy('database')
    await sound.provision('lost')
    await setting.world.root.query(`drop database "${setting.roleOf('database', 'lost')}" with (force)`)
    await eventually(async () => (await codeOf(sound.query('lost', 'select 1'))) === 'SCHEMA_MISSING')
  })
})
