// @module-tag sampled
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Belongings } from '@org/core'
import { expect, it } from 'vitest'
import { createFleet, type IsolationLevel, type TenancyOptions } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'

// Two placements of one database, which differ in the level: as whoever has one database changes it.
const setting = useSetting()
const fleetOf = (
  [here, hereOptions]: readonly [IsolationLevel, Partial<TenancyOptions>?],
  [there, thereOptions]: readonly [IsolationLevel, Partial<TenancyOptions>?],
) => {
  const placements = { here: setting.tenancy(here, hereOptions), there: setting.tenancy(there, thereOptions) }
  return { ...placements, fleet: createFleet({ placements, defaultPlacement: 'here' }) }
}

it.skipIf(SLOW).each([
  ['schema', { schemaPrefix: 'role_', controlSchema: 'second' }, /same schema role_/],
  ['role', { rolePrefix: 'role' }, /same role/],
] as const)('is refused where the tenant would have the same %s in both', async (what, options, says) => {
  const own = what === 'role' ? { rolePrefix: `${setting.world.rolePrefix}role_` } : options
  const { fleet, here } = fleetOf(['role'], ['login', own])
  const key = `same-${what}`
  await here.provision(key)
  for (const dryRun of [true, false])
    await expect(fleet.move(key, 'there', { dryRun })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'names' },
      message: expect.stringMatching(says),
    })
  expect((await here.query(key, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

it.skipIf(SLOW)('says that two placements are one and the same', async () => {
  const { fleet, here } = fleetOf(['role'], ['role'])
  await here.provision('twice')
  await expect(fleet.move('twice', 'there')).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('schemaPrefix'),
  })
  await expect(fleet.query('twice', 'select 1')).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('schemaPrefix'),
  })
})

it.runIf(SLOW)('is no stranger to the doctor of the other level', async () => {
  const { fleet, here, there } = fleetOf(['schema'], ['role', { schemaPrefix: 'schema_apart_' }])
  for (const key of ['stays', 'goes']) await fleet.provision(key)
  await fleet.move('goes', 'there')
  for (const place of [here, there]) {
    const { findings } = await place.doctor()
    expect(findings.filter(({ subject, message }) => `${subject} ${message}`.includes('goes'))).toEqual([])
  }
})

it('goes on one pool of a single connection', { tags: 'slow' }, async () => {
  const options = '-c datestyle=German' // as the database of somebody else may be
  const adminPool = setting.world.pool({ connectionString: setting.world.adminUrl, max: 1, options })
  const { fleet } = fleetOf(['schema', { adminPool }], ['role', { adminPool }])
  await fleet.provision('alone')
  expect(await fleet.move('alone', 'there')).toMatchObject({ moved: true })
})

it('leaves alone what packages keep of it where both have it', { tags: 'slow' }, async () => {
  const { root, adminRole } = setting.world
  await root.query(
    `create table public.kept (tenant text, what text); alter table public.kept owner to ${adminRole}`,
  )
  const belongings: Belongings[] = [
    { name: 'kept', tables: [{ schema: 'public', name: 'kept', tenant: 'tenant' }] },
  ]
  const { fleet } = fleetOf(['schema', { belongings }], ['role', { belongings }])
  await fleet.provision('keeper')
  await root.query(`insert into public.kept values ('keeper', 'one'), ('other', 'two')`)
  expect(await fleet.move('keeper', 'there')).toMatchObject({ moved: true, left: [] })
  expect((await root.query('select * from public.kept order by 1')).rows).toEqual([
    { tenant: 'keeper', what: 'one' },
    { tenant: 'other', what: 'two' },
  ])
})

const OWN = `create table plans (id int primary key, name text); insert into plans values (1, 'free');
  create type shade as enum ('dark', 'light');
  create table customers (id bigint generated always as identity primary key, plan int references plans, shade shade, name text not null unique);
  create table orders (id serial primary key, customer bigint not null references customers, total numeric not null);
  create materialized view totals as select sum(total) as total from orders`
const SHARED = `create table plans (id int primary key, name text); insert into plans values (1, 'free');
  create type shade as enum ('dark', 'light');
  create table customers (tenant_id uuid not null, id bigint generated always as identity, plan int references plans, shade shade,
    name text not null, primary key (tenant_id, id), unique (tenant_id, name));
  create table orders (tenant_id uuid not null, id serial, customer bigint not null, total numeric not null, primary key (tenant_id, id),
    foreign key (tenant_id, customer) references customers)`

const KEY = '4f9f8ab0-07e2-4a4c-9d8e-9f6b8e3f6b11'
const OTHER = '5f9f8ab0-07e2-4a4c-9d8e-9f6b8e3f6b22'
const rows = async (
  from: { query: (key: string, sql: string) => Promise<{ rows: object[] }> },
  key: string,
) =>
  (
    await from.query(
      key,
      'select c.id, c.name, c.shade::text, o.total::text from customers c join orders o on o.customer = c.id order by o.id',
    )
  ).rows

it.skipIf(SLOW)(
  'takes rows of shared tables into tables of its own and back, with what refers to them; nobody else’s move',
  async () => {
    const options = {
      row: { schema: 'shop', referenceTables: ['plans'] },
      migrations: [{ id: 's', sql: SHARED }],
    }
    const { fleet, here, there } = fleetOf(
      ['row', options],
      ['schema', { migrations: [{ id: 'o', sql: OWN }] }],
    )
    for (const key of [KEY, OTHER]) {
      await fleet.provision(key)
      await fleet.withTenant(key, async (db) => {
        await db.query(`insert into customers (plan, shade, name) values (1, 'dark', 'a'), (null, null, 'b')`)
        await db.query(`insert into orders (customer, total) select id, 1.5 from customers`)
      })
    }
    const was = [await rows(here, KEY), await rows(here, OTHER)]
    expect(await fleet.move(KEY, 'there', { dryRun: true })).toMatchObject({ moved: false })
    expect(await fleet.move(KEY, 'there')).toMatchObject({ moved: true, rows: 4 })
    expect(await rows(there, KEY)).toEqual(was[0])
    expect((await there.query(KEY, 'select total::text from totals')).rows).toEqual([{ total: '3.0' }])
    expect((await there.query(KEY, 'select name from plans')).rows).toEqual([{ name: 'free' }])
    await there.query(KEY, `insert into customers (name) values ('c')`)
    await there.query(
      KEY,
      `insert into orders (customer, total) select id, 2 from customers where name = 'c'`,
    )
    const now = await rows(there, KEY)
    expect(await fleet.move(KEY, 'here').catch((error: unknown) => error)).toMatchObject({
      details: { reason: 'tables', drift: 'table plans' },
    })
    await setting.world.root.query(`drop table "schema_${KEY}".plans cascade`)
    expect(await fleet.move(KEY, 'here')).toMatchObject({ moved: true, rows: 6 })
    expect(await rows(here, KEY)).toEqual(now)
    expect(await rows(here, OTHER)).toEqual(was[1])
    await here.query(KEY, `insert into customers (name) values ('d')`)
  },
)

const NUMBERED = `create table things (id integer not null, body text); create sequence things_id_seq as integer owned by things.id;
  alter table things alter id set default nextval('things_id_seq')`

it.runIf(SLOW)(
  'nobody comes with an id that would leave none to the others: told with the tenant in service; who is simply old comes',
  async () => {
    const shared = {
      controlSchema: 'theirs',
      row: { schema: 'shared' },
      migrations: [{ id: 's', sql: `${NUMBERED}; alter table things add tenant_id text not null` }],
    }
    const { fleet, here, there } = fleetOf(
      ['schema', { migrations: [{ id: 'o', sql: NUMBERED }] }],
      ['row', shared],
    )
    const keys = ['old', 'greedy', 'second', 'near', 'wide']
    for (const key of keys) await here.provision(key)
    await there.provision('modest')
    const next = async () =>
      (await there.query('modest', 'insert into things default values returning id')).rows
    const has = (key: string, id: number) => here.query(key, 'insert into things values ($1)', [id])
    const refused = async (key: string) => {
      for (const dryRun of [true, false])
        await expect(fleet.move(key, 'there', { dryRun })).rejects.toMatchObject({
          code: 'CONFLICT',
          details: { reason: 'sequence', table: 'things', column: 'id', sequence: 'shared.things_id_seq' },
          message: expect.stringMatching(/TYPE bigint.*AS bigint.*setval/),
        })
      expect((await here.lookup(key))?.status).toBe('active')
    }
    await has('old', 1_500_000_000)
    expect(await fleet.move('old', 'there')).toMatchObject({ moved: true })
    expect(await next()).toEqual([{ id: 1_500_000_001 }])
    await has('greedy', 2_147_483_646)
    await refused('greedy')
    // Half of what is left, again and again, would be all in the end.
    await has('second', 1_900_000_000)
    await refused('second')
    await setting.world.root.query(`select setval('shared.things_id_seq', 1900000000)`)
    expect(await fleet.move('second', 'there')).toMatchObject({ moved: true })
    await has('near', 1_900_000_100)
    expect(await fleet.move('near', 'there')).toMatchObject({ moved: true })
    expect(await next()).toEqual([{ id: 1_900_000_101 }])
    // A sequence goes on past what its column can hold.
    await setting.world.root.query('alter sequence shared.things_id_seq as bigint')
    await has('wide', 2_147_483_647)
    await refused('wide')
  },
)

it.skipIf(SLOW)('a restore, too, says whose number is too high, and changes nothing', async () => {
  const numbered = `create table notes (tenant_id text not null, id integer generated by default as identity, primary key (tenant_id, id))`
  const row = { controlSchema: 'restored', row: { schema: 'restored_rows' } }
  const from = setting.tenancy('row', {
    ...{ controlSchema: 'saved', row: { schema: 'saved_rows' } },
    migrations: [{ id: 'n', sql: numbered }],
  })
  const to = setting.tenancy('row', { ...row, migrations: [{ id: 'n', sql: numbered }] })
  await from.provision('high')
  await to.provision('low')
  await from.query('high', 'insert into notes (id) values (2147483647)')
  const file = join(await mkdtemp(join(tmpdir(), 'high-')), 'high.archive')
  await from.backup('high', { to: file })
  await expect(to.restore('high', { from: file })).rejects.toMatchObject({ details: { reason: 'sequence' } })
  expect(await to.lookup('high')).toBeUndefined()
  expect((await to.query('low', 'insert into notes default values returning id')).rows).toEqual([{ id: 1 }])
})
