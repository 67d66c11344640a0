import { beforeAll, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { useFolder } from '../archive/support.ts'
import { useWorld } from '../support/world.ts'
import { BASELINE, makeOwner, makeSchema } from './legacy.ts'

// What databases of others have, and a first look must name with what mends it.
const world = useWorld([])
const folder = useFolder()
let legacy: string
let tenancy: Tenancy
const errors = async (schema: string) =>
  (await tenancy.adopt('look', { schema, baseline: BASELINE.id, dryRun: true })).findings.filter(
    ({ severity }) => severity === 'error',
  )

beforeAll(async () => {
  legacy = await makeOwner(world, 'legacy')
  tenancy = world.tenancy({ migrations: [BASELINE] })
})

it('a view that reads elsewhere would fail for everybody: it is in the way, and goes on by the SQL that is said', async () => {
  for (const schema of ['reaching', 'reached']) await makeSchema(world, legacy, schema)
  const as = (sql: string) => world.root.query(`set local role ${legacy}; ${sql}; reset role`)
  await as('create view reaching.sums as select count(*) as n from reached.notes')
  const adopt = () =>
    tenancy.adopt('reaching', { schema: 'reaching', baseline: BASELINE.id, drift: 'accept' })
  await expect(adopt()).rejects.toMatchObject({ details: { findings: 'REACHES_OUT' } })
  const [found] = (await errors('reaching')).filter(({ code }) => code === 'REACHES_OUT')
  await as(found?.fix ?? '')
  expect((await errors('reaching')).filter(({ code }) => code !== 'DRIFT')).toEqual([])
  await adopt()
  await as('select * from reaching.sums')
  await expect(tenancy.query('reaching', 'select * from sums')).rejects.toMatchObject({
    details: { sqlState: '42501' },
  })
  await tenancy.confirmAdoption('reaching')
  await tenancy.offboard('reaching', { confirm: 'reaching', backup: { to: folder.path('last.pgtenant') } })
})

it.each(["quo'te", 'with "both" \'kinds\''])('a schema %s is not another for its name', async (schema) => {
  await makeSchema(world, legacy, schema)
  expect(await errors(schema)).toEqual([])
})

it('a name that is nearly right is told', async () => {
  await makeSchema(world, legacy, 'Client-Nearly')
  const [found] = await errors('client_nearly')
  expect(found).toMatchObject({ code: 'SCHEMA_NOT_FOUND', fix: expect.stringContaining('"Client-Nearly"') })
})

it('event triggers are told: they run as the administrator', async () => {
  await makeSchema(world, legacy, 'evented')
  await world.root.query(`create table public.log (what text); create function public.logged() returns event_trigger language plpgsql
    as 'begin insert into public.log values (tg_tag); end'; create event trigger logging on ddl_command_end execute function public.logged()`)
  try {
    const { findings } = await world
      .tenancy({ migrations: [BASELINE] })
      .adopt('evented', { schema: 'evented', baseline: BASELINE.id, dryRun: true })
    expect(findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual(
      expect.arrayContaining(['EVENT_TRIGGER logging', 'MIGRATIONS migrations']),
    )
  } finally {
    await world.root.query('drop event trigger logging')
  }
})

it('a foreign key that would run the tenant’s code as whoever owns the table it points to is in the way', async () => {
  await makeSchema(world, legacy, 'keyed')
  await world.root.query('create table public.places (id int primary key)')
  await world.root.query(`alter table public.places owner to ${legacy}; set role ${legacy}; set search_path to keyed;
    create type place as enum ('a'); create function number_of(place) returns int language sql as 'select 1';
    create cast (place as int) with function number_of(place) as implicit;
    create table plain (place int references public.places); create table bad (place place references public.places);
    reset role; reset search_path`)
  const found = (await errors('keyed')).filter(({ code }) => code === 'SHARED_RIGHTS')
  expect(found).toMatchObject([
    { subject: 'keyed.bad', message: expect.stringContaining(`the rights of ${legacy}`) },
  ])
  await world.root.query('drop table keyed.bad, keyed.plain, public.places')
})
