// @module-tag sampled
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testSealing } from '@org/pg-testing'
import { useTestTenancy } from '@org/pg-testing/vitest'
import { beforeAll, describe, expect, it } from 'vitest'
import { AdoptionRefused, proposeTenants } from '../../src/admin.ts'
import { type Adoption, type AdoptOptions, createTenancy, type Tenancy } from '../../src/index.ts'
import { SLOW } from '../support/sample.ts'
import { codeOf, eventually } from '../support/world.ts'
import { BASELINE, LATER } from './legacy.ts'
import { useLegacyApps } from './legacy-apps.ts'

const world = useTestTenancy(createTenancy, { createdb: true })
const sealing = testSealing()
const migrations = [BASELINE, LATER]
const inSlowSet = it.runIf(SLOW)
let tenancy: Tenancy
const { databaseOf, roleOf, connect, makeApp, wanted } = useLegacyApps(world)
const errors = ({ findings }: Adoption) =>
  findings.filter(({ severity }) => severity === 'error').map(({ code }) => code)

const STATE = `select jsonb_build_object(
  'relations', (select jsonb_agg(jsonb_build_array(c.relname, pg_get_userbyid(c.relowner),
      (select array_agg(a::text order by a::text) from unnest(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a)) order by c.relname)
    from pg_class c where c.relnamespace = 'public'::regnamespace),
  'schema', (select jsonb_build_array(pg_get_userbyid(nspowner), (select array_agg(a::text order by a::text) from unnest(coalesce(nspacl, acldefault('n', nspowner))) a))
    from pg_namespace where nspname = 'public'),
  'database', (select jsonb_build_array(pg_get_userbyid(datdba), datacl::text) from pg_database where datname = current_database()),
  'settings', (select jsonb_agg(s.setconfig) from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = current_database()),
  'members', (select jsonb_agg(m::text order by m::text) from pg_auth_members m join pg_roles r on r.oid = m.roleid where r.rolname like $1)) as state`
const stateOf = async (name: string) =>
  (await connect(name).query(STATE, [`${world.rolePrefix.replaceAll('_', '\\_')}%`])).rows[0]?.state

beforeAll(async () => {
  tenancy = world.tenancy({
    isolation: 'database',
    credentials: sealing,
    migrations,
    rolePrefix: `${world.rolePrefix}t_`,
  })
})

describe('adopting a database', () => {
  it('takes it over under its name, with its login, while its application goes on', async () => {
    const before = await makeApp('acme')
    const dry = await tenancy.adopt('acme', wanted('acme', { dryRun: true }))
    expect([errors(dry), dry.adopted]).toEqual([[], false])
    const traffic = { stop: false, written: 0 }
    const writing = (async () => {
      while (!traffic.stop) {
        await before.query(`insert into notes (body) values ('work')`)
        traffic.written++
      }
    })()
    await eventually(() => traffic.written > 2)
    expect(await tenancy.adopt('acme', wanted('acme', { attempts: 200 }))).toMatchObject({
      adopted: true,
      schema: 'public',
      role: roleOf('acme'),
    })
    const during = traffic.written
    await eventually(() => traffic.written > during + 2)
    expect((await tenancy.query('acme', 'select count(*)::int > 3 as more from notes')).rows).toEqual([
      { more: true },
    ])
    expect(await tenancy.migrate()).toMatchObject({ ok: true, migrated: 1 })
    expect(await tenancy.confirmAdoption('acme', { attempts: 200 })).toBe(true)
    expect(await tenancy.confirmAdoption('acme')).toBe(false)
    traffic.stop = true
    await writing
    const { rows } = await tenancy.query(
      'acme',
      'select current_database() as home, count(*)::int as n from notes',
    )
    expect(rows).toEqual([{ home: databaseOf('acme'), n: 3 + traffic.written }])
  })

  inSlowSet('leaves nothing for doctor and verify to find, and nobody else gets in', async () => {
    await makeApp('other')
    await tenancy.adopt('other', wanted('other'))
    await tenancy.migrate()
    await tenancy.confirmAdoption('other')
    const { findings } = await tenancy.doctor()
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    const { checks } = await tenancy.verify()
    expect(checks.filter(({ outcome }) => outcome === 'failed')).toEqual([])
    await expect(connect('other', roleOf('acme')).query('select 1')).rejects.toMatchObject({ code: '42501' })
    const { rows } = await world.root.query(
      `select pg_get_userbyid(datdba) as owner from pg_database where datname = $1`,
      [databaseOf('other')],
    )
    expect(rows).toEqual([{ owner: world.adminRole }])
  })

  inSlowSet('is suspended, resumed and dropped like any other', async () => {
    await tenancy.suspend('other', 'test')
    expect(await codeOf(tenancy.query('other', 'select 1'))).toMatch(/SUSPENDED|UNUSABLE/)
    await tenancy.resume('other')
    expect((await tenancy.query('other', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 3 }])
    expect(await tenancy.drop('other')).toBe(true)
    expect(
      (await world.root.query('select from pg_database where datname = $1', [databaseOf('other')])).rows,
    ).toEqual([])
  })
})

describe.runIf(SLOW)('undoing it', () => {
  it('leaves no trace', async () => {
    const before = await makeApp('undone')
    const was = await stateOf('undone')
    await tenancy.adopt('undone', wanted('undone'))
    expect(await stateOf('undone')).not.toEqual(was)
    await tenancy.undoAdoption('undone')
    expect(await stateOf('undone')).toEqual(was)
    expect(await tenancy.find('undone')).toBeUndefined()
    await makeApp('second')
    const proposed = await proposeTenants(world.admin)
    expect(proposed.find(({ kind }) => kind === 'databases')).toMatchObject({
      pattern: `${world.rolePrefix}app_*`,
      databases: [databaseOf('second'), databaseOf('undone')],
      roles: `${world.rolePrefix}user_*`,
    })
    expect((await before.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 3 }])
    const { rows } = await world.root.query(`select from tenancy.tenant_credential where key = 'undone'
      union all select from tenancy.tenant_adoption where key = 'undone'`)
    expect(rows).toEqual([])
  })

  it('and neither does an adoption that does not come through', async () => {
    await world.root.query(
      `create role ${world.rolePrefix}second; grant ${world.rolePrefix}second to ${world.adminRole}`,
    )
    const was = await stateOf('undone')
    const holder = await connect('undone', roleOf('undone')).connect()
    const root = connect('undone')
    await root.query(`alter table notes owner to ${world.rolePrefix}second`)
    const changed = await stateOf('undone')
    await holder.query('begin; lock table tags in row exclusive mode')
    const locked = await root.connect()
    await locked.query('begin; lock table notes in row exclusive mode')
    expect(await codeOf(tenancy.adopt('undone', wanted('undone', { attempts: 2, lockTimeout: 20 })))).toBe(
      'TIMEOUT',
    )
    await locked.query('rollback')
    locked.release()
    await holder.query('rollback')
    holder.release()
    expect(await stateOf('undone')).toEqual(changed)
    expect(await tenancy.find('undone')).toBeUndefined()
    await root.query(`alter table notes owner to ${roleOf('undone')}`)
    expect(await stateOf('undone')).toEqual(was)
  })
})

describe.runIf(SLOW)('what was cut off', () => {
  it('between the two databases is gone on with, or undone', async () => {
    const cut = { times: 1 }
    // As though the connection were lost where the registry is to hear that it is done.
    const adminPool = world.admin
    const cutting = new Proxy(adminPool, {
      get: (pool, name) => {
        if (name !== 'connect') return Reflect.get(pool, name)
        return async () => {
          const client = await pool.connect()
          return new Proxy(client, {
            get: (one, what) => {
              const value = Reflect.get(one, what)
              if (what !== 'query') return typeof value === 'function' ? value.bind(one) : value
              return (text: string, values?: unknown[]) => {
                if (
                  typeof text === 'string' &&
                  text.includes("case status when 'provisioning'") &&
                  cut.times-- > 0
                )
                  return Promise.reject(new Error('cut off'))
                return one.query(text, values)
              }
            },
          })
        }
      },
    })
    const other = world.tenancy({
      isolation: 'database',
      credentials: sealing,
      migrations,
      rolePrefix: `${world.rolePrefix}t_`,
      adminPool: cutting,
    })
    await expect(other.adopt('undone', wanted('undone'))).rejects.toBeDefined()
    expect(await tenancy.find('undone')).toMatchObject({ status: 'provisioning' })
    await tenancy.undoAdoption('undone')
    expect(await tenancy.find('undone')).toBeUndefined()
    cut.times = 1
    await expect(other.adopt('undone', wanted('undone'))).rejects.toBeDefined()
    expect(await tenancy.adopt('undone', wanted('undone'))).toMatchObject({ adopted: true })
    expect(await tenancy.find('undone')).toMatchObject({ status: 'active', schemaVersion: BASELINE.id })
    await tenancy.undoAdoption('undone')
  })
})

describe.runIf(SLOW)('what is in the way', () => {
  const refusedFor = async (key: string, options: AdoptOptions) => {
    const error = await tenancy.adopt(key, options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AdoptionRefused)
    return errors((error as AdoptionRefused).adoption)
  }

  it('is that there is no such database, or that it is somebody’s', async () => {
    expect(await refusedFor('third', wanted('undone', { database: 'nowhere' }))).toEqual([
      'DATABASE_NOT_FOUND',
    ])
    expect(await refusedFor('third', wanted('acme'))).toContain('DATABASE_TAKEN')
    const here = new URL(world.url).pathname.slice(1)
    expect(await refusedFor('third', wanted('undone', { database: here }))).toContain('DATABASE_TAKEN')
  })

  it('is that the administrator has no right to it', async () => {
    await world.root.query(`alter database ${databaseOf('undone')} owner to postgres`)
    expect(await refusedFor('third', wanted('undone'))).toContain('OWNER_OUT_OF_REACH')
    await world.root.query(`alter database ${databaseOf('undone')} owner to ${roleOf('undone')}`)
  })

  it('at other levels is the option itself', async () => {
    const role = world.tenancy({ migrations })
    expect(await codeOf(role.adopt('x', { schema: 'x', database: 'x' }))).toBe('INVALID_OPTION')
    expect(await codeOf(role.adopt('x', { schema: 'x', password: 'x' }))).toBe('INVALID_OPTION')
  })
})

inSlowSet('a database with extensions in its schema is taken: they are of no migration', async () => {
  await makeApp('extended')
  const root = connect('extended')
  await root.query('create extension citext schema public; create extension hstore schema public')
  const before = await stateOf('extended')
  expect(errors(await tenancy.adopt('extended', wanted('extended', { dryRun: true })))).toEqual([])
  await tenancy.adopt('extended', wanted('extended'))
  const { rows } = await tenancy.query(
    'extended',
    `select 'A'::citext = 'a' as same, count(*)::int as n from notes`,
  )
  expect(rows).toEqual([{ same: true, n: 3 }])
  await tenancy.undoAdoption('extended')
  expect(await stateOf('extended')).toEqual(before)
  await tenancy.adopt('extended', wanted('extended'))
  await tenancy.confirmAdoption('extended')
  const folder = await mkdtemp(join(tmpdir(), 'adopted-'))
  const { rows: archived } = await tenancy.backup('extended', { to: join(folder, 'archive') })
  expect(archived).toBeGreaterThan(0)
  await rm(folder, { recursive: true })
})
