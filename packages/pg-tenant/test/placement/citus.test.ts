import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTenancy, type Migration, type TenancyError, type TenancyOptions } from '../../src/index.ts'
import { statementsOf } from '../../src/migrations/statements.ts'
import { codeOf, NOTES, useWorld } from '../support/world.ts'
import { citusStandIn, type Seen, type StandIn } from './citus-stand-in.ts'

const [bare, world] = [useWorld([]), useWorld([])]
const SEVERAL: Migration = {
  id: '0002_several',
  sql: `create table tags (id bigint primary key, name text default 'a;b');
    create index on tags (name); alter table tags add column note text`,
}
let citus: StandIn
/** One connection: what was left on it is there for the next to see. */
let admin: pg.Pool

beforeAll(async () => {
  citus = await citusStandIn(world.root)
  admin = new pg.Pool({ connectionString: world.adminUrl, max: 1 })
})
afterAll(() => admin?.end())

const tenancyOf = (options: Partial<TenancyOptions> = {}) =>
  world.tenancy({ adminPool: admin, isolation: 'schema', distributedSchemas: 'citus', ...options })
const setting = async () =>
  (await admin.query(`select current_setting('citus.enable_schema_based_sharding', true) as is`)).rows[0].is
const messageOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'accepted',
    (error: TenancyError) => `${error.code} ${String(error.details.option)}: ${error.message}`,
  )
const schemas = async (pool: pg.Pool) =>
  (
    await pool.query(
      `select nspname from pg_namespace where nspname like 'c\\_%' or nspname = 'tenancy' order by 1`,
    )
  ).rows.map(({ nspname }) => nspname)
const withOn = (seen: readonly Seen[]) => seen.filter((one) => one.setting === 'on').map((one) => one.object)

describe('distributedSchemas', () => {
  it.each<[string, Partial<TenancyOptions>]>([
    ['at level row', { isolation: 'row', row: { schema: 'shared' } } as Partial<TenancyOptions>],
    ['at level database', { isolation: 'database', credentials: async () => undefined }],
    ['of something unknown', { distributedSchemas: 'yes' } as unknown as Partial<TenancyOptions>],
  ])('is refused %s', (_, options) => {
    const pool = new pg.Pool({ max: 1 })
    expect(() => createTenancy({ pool, distributedSchemas: 'citus', ...options })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: { option: 'distributedSchemas' } }),
    )
  })

  it('is refused with resolveUnknownOutcome, which asks the wrong node', () => {
    const pool = new pg.Pool({ max: 1 })
    expect(() =>
      createTenancy({ pool, isolation: 'schema', distributedSchemas: 'citus', resolveUnknownOutcome: true }),
    ).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: { option: 'resolveUnknownOutcome' } }),
    )
  })

  it('is refused where there is no Citus, before anything is made', async () => {
    const tenancy = bare.tenancy({ distributedSchemas: 'citus' })
    expect(await messageOf(tenancy.provision('acme'))).toMatch(
      /^INVALID_OPTION distributedSchemas: .*no Citus extension.*"create extension citus"/,
    )
    expect(await schemas(bare.root)).toEqual([])
    const { rows } = await bare.root.query('select from pg_roles where starts_with(rolname, $1)', [
      bare.rolePrefix,
    ])
    expect(rows).toEqual([])
  })

  it.each([
    [
      'by an old Citus',
      `update pg_extension set extversion = '11.3-1' where extname = 'citus'`,
      `update pg_extension set extversion = '13.0-1' where extname = 'citus'`,
      'schema',
      /Upgrade it to 12/,
    ],
    [
      'on a worker',
      'update pg_dist_local_group set groupid = 2',
      'update pg_dist_local_group set groupid = 0',
      'schema',
      /leads to a worker/,
    ],
    [
      'at level role with several nodes',
      'insert into pg_dist_node values (0), (1)',
      'delete from pg_dist_node',
      'role',
      /level role/,
    ],
  ] as const)('is refused %s, before anything is made', async (_, change, back, isolation, message) => {
    const tenancy = tenancyOf({ isolation })
    const before = await schemas(world.root)
    await citus.during(change, back, async () => {
      expect(await messageOf(tenancy.provision('early'))).toMatch(message)
    })
    expect(await schemas(world.root)).toEqual(before)
    expect(await codeOf(tenancy.suspend('early'))).toBe('TENANT_NOT_FOUND')
  })

  it('is refused when every schema would be distributed, the registry too', async () => {
    await admin.query('set citus.enable_schema_based_sharding to on')
    try {
      expect(await messageOf(tenancyOf().provision('always'))).toMatch(/on for every session/)
    } finally {
      await admin.query('reset citus.enable_schema_based_sharding')
    }
  })
})

describe.each(['schema', 'role'] as const)('a distributed tenant at level %s', (isolation) => {
  const key = `spread-${isolation}`

  it('is made with the setting on for its CREATE SCHEMA alone', async () => {
    await citus.seen()
    // A registry of its own, so that making that one is seen too.
    const tenancy = tenancyOf({ isolation, controlSchema: `registry_${isolation}` })
    await tenancy.provision(key)
    const seen = await citus.seen()
    expect(withOn(seen)).toEqual([`"c_${key}"`])
    expect(seen.filter(({ tag }) => tag === 'CREATE SCHEMA').map(({ object }) => object)).toEqual([
      `registry_${isolation}`,
      `"c_${key}"`,
    ])
    expect(seen.filter(({ tag }) => tag === 'CREATE TABLE').length).toBeGreaterThan(3)
    expect(await citus.distributed()).toContain(`c_${key}`)
    expect(['', 'off', null]).toContain(await setting())
  })

  it('gets each statement of its own in a message of its own', async () => {
    await citus.seen()
    const tenancy = tenancyOf({ isolation, migrations: [NOTES, SEVERAL] })
    await tenancy.provision(`${key}-one`)
    await tenancy.provision(`${key}-one`)
    const inside = (await citus.seen()).filter(
      ({ message }) => message.includes(`c_${key}-one`) || /tags/.test(message),
    )
    expect(inside.length).toBeGreaterThan(8)
    for (const { message } of inside) expect(statementsOf(message, 'seen')).toHaveLength(1)
    expect(inside.filter(({ message }) => /tags/.test(message)).map(({ tag }) => tag)).toEqual(
      expect.arrayContaining(['CREATE TABLE', 'CREATE INDEX', 'ALTER TABLE']),
    )
  })

  it('gets each statement of a later migration by itself, in no function', async () => {
    await tenancyOf({ isolation }).provision(`${key}-later`)
    await citus.seen()
    expect(
      await tenancyOf({ isolation, migrations: [NOTES, SEVERAL] }).migrate({ only: [`${key}-later`] }),
    ).toMatchObject({
      migrated: 1,
    })
    const made = await citus.seen()
    expect(made.map(({ tag }) => tag)).toEqual(
      expect.arrayContaining(['CREATE TABLE', 'CREATE INDEX', 'ALTER TABLE']),
    )
    for (const { message } of made) expect(statementsOf(message, 'seen')).toHaveLength(1)
    expect(made.filter(({ message }) => /_room_/.test(message))).toEqual([])
  })

  it('is entered as any other', async () => {
    const tenancy = tenancyOf({ isolation })
    await tenancy.provision(`${key}-in`)
    await world.tenancy({ isolation }).query(`${key}-in`, `insert into notes (body) values ('hi')`)
    expect((await tenancy.query(`${key}-in`, 'select body from notes')).rows).toEqual([{ body: 'hi' }])
  })

  it('is pinned by a statement that is bound and not run: it holds, and raises', async () => {
    const tenancy = tenancyOf({ isolation })
    await tenancy.provision(`${key}-pin`)
    const held = await tenancy.withTenant(`${key}-pin`, async (db) => {
      await db.query('select 1')
      const { rows } = await world.root.query(
        `select mode from pg_locks where relation = $1::regclass and granted`,
        [`"c_${key}-pin"._tenant_c_`],
      )
      return rows
    })
    expect(held).toEqual([{ mode: 'AccessShareLock' }])
    await tenancy.suspend(`${key}-pin`)
    expect(await codeOf(tenancy.query(`${key}-pin`, 'select 1'))).toBe('TENANT_SUSPENDED')
    await tenancy.resume(`${key}-pin`)
    expect((await tenancy.query(`${key}-pin`, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await tenancy.drop(`${key}-pin`)
    expect(await codeOf(tenancy.query(`${key}-pin`, 'select 1'))).toBe('SCHEMA_MISSING')
  })
})

describe('afterwards', () => {
  it('the setting is off when provisioning failed, and nothing is left', async () => {
    const failing = tenancyOf({ migrations: [{ id: '0001_fails', sql: 'select 1 / 0' }] })
    await expect(failing.provision('fails')).rejects.toThrow()
    expect(['', 'off', null]).toContain(await setting())
    expect(await schemas(world.root)).not.toContain('c_fails')
    expect(await citus.distributed()).not.toContain('c_fails')
  })

  it('a schema that somebody else makes is not distributed, and a migration makes none', async () => {
    await citus.seen()
    const beside = tenancyOf({ migrations: [{ id: '0001_beside', sql: 'create schema beside' }] })
    expect(await messageOf(beside.provision('beside'))).toMatch(/never schemas themselves/)
    await tenancyOf().provision('with-beside')
    await admin.query('create schema later')
    expect(withOn(await citus.seen())).toEqual(['"c_with-beside"'])
  })

  it('nothing is kept of a schema that Citus left on the coordinator', async () => {
    await tenancyOf().provision('before')
    await admin.query('set citus.create_object_propagation to deferred')
    try {
      expect(await messageOf(tenancyOf().provision('left'))).toMatch(/without distributing it/)
    } finally {
      await admin.query('reset citus.create_object_propagation')
    }
    expect(await schemas(world.root)).not.toContain('c_left')
  })
})

describe('tenants made ahead', () => {
  it('are distributed too; one that was made before schemas were stays where it is', async () => {
    const plain = world.tenancy({ isolation: 'schema' })
    await plain.ready.fill(1)
    const tenancy = tenancyOf()
    expect(await tenancy.provision('new', { fromReady: true })).not.toHaveProperty('claimed')
    expect(await plain.ready.count()).toBe(1)
    await tenancy.ready.fill(2)
    expect(await tenancy.provision('newer', { fromReady: true })).toMatchObject({ claimed: true })
    expect(await citus.distributed()).toEqual(expect.arrayContaining(['c_new', 'c_newer']))
    expect((await tenancy.query('newer', 'select key from _tenant_c_')).rows).toEqual([{ key: 'newer' }])
    await plain.ready.clear()
  })
})

describe('without the option', () => {
  it('nothing is asked, set or sent apart', async () => {
    const fresh = new pg.Pool({ connectionString: world.adminUrl, max: 1 })
    try {
      await citus.seen()
      await world.tenancy({ adminPool: fresh, isolation: 'schema' }).provision('plain')
      const seen = await citus.seen()
      expect(new Set(seen.map((one) => one.setting))).toEqual(new Set(['unset']))
      const made = seen.find(({ tag }) => tag === 'CREATE SCHEMA')
      expect(statementsOf(made?.message ?? '', 'seen').length).toBeGreaterThan(5)
      expect(await citus.distributed()).not.toContain('c_plain')
    } finally {
      await fresh.end()
    }
  })
})
