import type { Belongings } from '@org/core'
import { expect, it } from 'vitest'
import { createFleet, type IsolationLevel, type TenancyOptions } from '../../src/index.ts'
import { useSetting } from '../levels/setting.ts'

// Two placements of one database, which differ in the level: as whoever has one database changes it.
const setting = useSetting()
const fleetOf = (
  [here, hereOptions]: readonly [IsolationLevel, Partial<TenancyOptions>?],
  [there, thereOptions]: readonly [IsolationLevel, Partial<TenancyOptions>?],
) => {
  const placements = { here: setting.tenancy(here, hereOptions), there: setting.tenancy(there, thereOptions) }
  return { ...placements, fleet: createFleet({ placements, defaultPlacement: 'here' }) }
}

it.each([
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

it('says that two placements are one and the same', async () => {
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

it('is no stranger to the doctor of the other level', async () => {
  const { fleet, here, there } = fleetOf(['schema'], ['role', { schemaPrefix: 'schema_apart_' }])
  for (const key of ['stays', 'goes']) await fleet.provision(key)
  await fleet.move('goes', 'there')
  for (const place of [here, there]) {
    const { findings } = await place.doctor()
    expect(findings.filter(({ subject, message }) => `${subject} ${message}`.includes('goes'))).toEqual([])
  }
})

it('goes on one pool of a single connection', async () => {
  const options = '-c datestyle=German' // as the database of somebody else may be
  const adminPool = setting.world.pool({ connectionString: setting.world.adminUrl, max: 1, options })
  const { fleet } = fleetOf(['schema', { adminPool }], ['role', { adminPool }])
  await fleet.provision('alone')
  expect(await fleet.move('alone', 'there')).toMatchObject({ moved: true })
})

it('leaves alone what packages keep of it where both have it', async () => {
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

it('takes rows of shared tables into tables of its own and back, with what refers to them; nobody else’s move', async () => {
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
  await there.query(KEY, `insert into orders (customer, total) select id, 2 from customers where name = 'c'`)
  const now = await rows(there, KEY)
  expect(await fleet.move(KEY, 'here').catch((error: unknown) => error)).toMatchObject({
    details: { reason: 'tables', drift: 'table plans' },
  })
  await setting.world.root.query(`drop table "schema_${KEY}".plans cascade`)
  expect(await fleet.move(KEY, 'here')).toMatchObject({ moved: true, rows: 6 })
  expect(await rows(here, KEY)).toEqual(now)
  expect(await rows(here, OTHER)).toEqual(was[1])
  await here.query(KEY, `insert into customers (name) values ('d')`)
})

it('nobody comes with an id that would leave none to the others', async () => {
  const shared = { controlSchema: 'theirs', row: { schema: 'shared' } }
  const { fleet, here, there } = fleetOf(['schema'], ['row', shared])
  await here.provision('greedy')
  await there.provision('modest')
  const insert = `insert into notes (id, body) overriding system value values ($1, 'x')`
  await here.query('greedy', insert, ['9223372036854775807'])
  await expect(fleet.move('greedy', 'there')).rejects.toMatchObject({
    code: 'CONFLICT',
    details: { reason: 'sequence' },
  })
  await there.query('modest', `insert into notes (body) values ('y')`)
  await here.query('greedy', 'delete from notes')
  await here.query('greedy', insert, [1000])
  expect(await fleet.move('greedy', 'there')).toMatchObject({ moved: true })
  await there.query('modest', `insert into notes (body) values ('z')`)
})
