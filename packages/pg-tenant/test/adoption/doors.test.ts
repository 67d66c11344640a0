import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { watchedPool } from '../archive/support.ts'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { BASELINE, makeOwner, makeSchema } from './legacy.ts'

// Who was there before, or somebody who could create something in the schema, tries to have more of the tenant than is told.

const world = useWorld([])
let legacy: string
let tenancy: Tenancy
let before: ReturnType<typeof world.pool>

beforeAll(async () => {
  legacy = await makeOwner(world, 'legacy')
  await makeSchema(world, legacy, 'house')
  tenancy = world.tenancy({ migrations: [BASELINE] })
  await tenancy.provision('evil')
  const url = Object.assign(new URL(world.url), { username: legacy, password: 'legacy' }).href
  before = world.pool({ connectionString: url, max: 2 })
})

const plantAsEvil = async () => {
  await world.root.query('grant usage, create on schema house to public')
  await tenancy.query('evil', `do $$ begin execute 'create table house.planted (id int)'; end $$`)
}

describe('another tenant that made something in the schema', () => {
  it('becomes no member of the tenant, though the administrator has its rights', async () => {
    await plantAsEvil()
    const { rows } = await world.root.query<{ role: string }>(
      `select relowner::regrole::text as role from pg_class where oid = 'house.planted'::regclass`,
    )
    const role = String(rows[0]?.role)
    await world.root.query(`grant ${role} to ${world.adminRole}`)
    const adopting = tenancy.adopt('one', { schema: 'house', baseline: BASELINE.id, drift: 'accept' })
    await expect(adopting).rejects.toMatchObject({
      adoption: { findings: expect.arrayContaining([expect.objectContaining({ code: 'OWNER_IS_TENANT' })]) },
    })
    expect(await codeOf(tenancy.query('evil', 'select body from house.notes'))).toBe('DATABASE_ERROR')
    await world.root.query(`drop table house.planted; revoke all on schema house from public`)
  })
})

describe('a stranger who made something in the schema since', () => {
  it('keeps it, and nobody from undoing the adoption', async () => {
    await tenancy.adopt('one', { schema: 'house', baseline: BASELINE.id })
    const stranger = `${world.rolePrefix}stranger`
    await world.root.query(`create role ${stranger}; grant usage, create on schema house to ${stranger};
      create table house.planted (id int); alter table house.planted owner to ${stranger}`)
    const owner = `select relowner from pg_class where oid = 'house.planted'::regclass`
    const { rows } = await world.root.query(owner)
    await tenancy.undoAdoption('one')
    expect((await world.root.query(owner)).rows).toEqual(rows)
    await world.root.query('drop table house.planted')
  })
})

const ownersIn = async (schema: string) =>
  (
    await world.root.query(
      `select proname, proowner::regrole::text as owner from pg_proc where pronamespace = '${schema}'::regnamespace order by 1`,
    )
  ).rows

describe('code that a tenant made since', () => {
  const KINDS: readonly (readonly [string, string, string])[] = [
    [
      'a function',
      `create function door() returns text language sql security definer as 'select current_user::text'`,
      'function house.door()',
    ],
    ['a view', 'create view peek as select current_user as who', 'rule "_RETURN" on house.peek'],
    [
      'a view that was there',
      'create or replace view recent as select * from notes order by id limit 3',
      'rule "_RETURN" on house.recent',
    ],
    [
      'a trigger',
      'create trigger early before update on notes for each row execute function suppress_redundant_updates_trigger()',
      'trigger early on house.notes',
    ],
    ['a rule', 'create rule away as on delete to tags do instead nothing', 'rule away on house.tags'],
    ['a policy', 'create policy seen on tags using (true)', 'policy seen on house.tags'],
  ]
  it.each(KINDS)('%s is not given to an earlier owner unless that is said', async (_, make, named) => {
    await tenancy.adopt('one', { schema: 'house', baseline: BASELINE.id, drift: 'accept' })
    await tenancy.query('one', `do $do$ begin execute $q$${make}$q$; end $do$`)
    await expect(tenancy.undoAdoption('one')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'code', count: 1, objects: named },
    })
    expect(await tenancy.find('one')).toMatchObject({ status: 'active' })
    await tenancy.undoAdoption('one', { code: 'accept' })
    expect(await tenancy.find('one')).toBeUndefined()
    await world.root.query(`drop function if exists house.door(); drop view if exists house.peek;
      drop trigger if exists early on house.notes; drop rule if exists away on house.tags; drop policy if exists seen on house.tags`)
  })
  it.each([
    [
      'a function',
      `create or replace function was() returns text language sql security definer as 'select current_user::text'`,
    ],
    [
      'a trigger',
      'create trigger early before update on notes for each row execute function suppress_redundant_updates_trigger()',
    ],
  ])('%s that was changed after that was looked at is not given either', async (_, change) => {
    await world.root.query(
      `set role ${legacy}; create function house.was() returns text language sql as 'select 1::text'; reset role`,
    )
    await tenancy.adopt('one', { schema: 'house', baseline: BASELINE.id, drift: 'accept' })
    let changed = false
    const adminPool = watchedPool(world.admin, [], async (sql) => {
      // Behind the look; the tables may be waited for here.
      if (changed || !/^do \$b/.test(sql)) return
      changed = true
      await tenancy.query('one', `do $do$ begin execute $q$${change}$q$; end $do$`)
    })
    const undoing = world.tenancy({ migrations: [BASELINE], adminPool: adminPool as never })
    const before = await ownersIn('house')
    await expect(undoing.undoAdoption('one')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'code', count: 1 },
    })
    expect(changed).toBe(true)
    expect(await ownersIn('house')).toEqual(before)
    await tenancy.undoAdoption('one', { code: 'accept' })
    await world.root.query('drop function house.was(); drop trigger if exists early on house.notes')
  })
  it('is one of two words', async () => {
    expect(await codeOf(tenancy.undoAdoption('one', { code: 'yes' as never }))).toBe('INVALID_OPTION')
  })
})

describe('what an earlier owner leaves for itself', () => {
  beforeAll(async () => {
    // The view was changed above.
    await tenancy.adopt('one', { schema: 'house', baseline: BASELINE.id, drift: 'accept' })
    await before.query(`create schema lair; grant usage, create on schema lair to public;
      create table lair.parent (id int, body text); create table lair.child () inherits (house.tags)`)
  })

  it.each([
    [
      'a function of the tenant’s role elsewhere',
      (
        role: string,
      ) => `set role ${role}; create function lair.door() returns text language sql security definer
          as 'select body from house.notes limit 1'; reset role`,
      'function lair.door()',
      'drop function lair.door()',
    ],
    [
      'a parent of a table',
      () =>
        'alter table lair.parent alter id set not null, alter body set not null; alter table house.notes inherit lair.parent',
      'table lair.parent',
      'alter table house.notes no inherit lair.parent',
    ],
    ['a child of a table', () => 'select', 'table lair.child', 'drop table lair.child'],
  ])('%s: is not confirmed', async (_, plant, door, end) => {
    const { rows } = await world.root.query<{ role: string }>(
      `select relowner::regrole::text as role from pg_class where oid = 'house.notes'::regclass`,
    )
    await before.query(plant(String(rows[0]?.role)))
    await expect(tenancy.confirmAdoption('one')).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'adoption', objects: expect.stringContaining(door) },
    })
    await world.root.query(end)
  })

  it('a trigger whose function is elsewhere is named, for it goes on', async () => {
    await before.query(`create function lair.see() returns trigger language plpgsql security definer as 'begin return new; end';
      create trigger seen before insert on house.tags for each row execute function lair.see()`)
    const { findings } = await tenancy.adopt('one', { schema: 'house', dryRun: true })
    expect(findings.find(({ code }) => code === 'FOREIGN_TRIGGER')).toMatchObject({
      severity: 'warning',
      subject: 'seen on house.tags',
      message: expect.stringContaining(`lair.see() of ${legacy} with the rights of its owner`),
      fix: expect.stringContaining('DROP TRIGGER seen ON house.tags'),
    })
    await before.query('drop function lair.see() cascade')
  })

  it('in a transaction that was open: it is waited for, and is not confirmed', async () => {
    const client = await before.connect()
    await client.query('begin; create table house.late (id int); alter table house.notes inherit lair.parent')
    const confirming = tenancy.confirmAdoption('one').then(
      () => 'confirmed',
      ({ code, details }) => [code, details.objects],
    )
    // Until it asks who is still writing, or has not.
    const asks = eventually(async () => {
      const { rows } = await world.root.query(
        `select from pg_stat_activity where datname = current_database() and query like 'select l.transactionid%'`,
      )
      return rows.length > 0
    })
    await Promise.race([asks, confirming])
    const membership = await world.root.query(
      `select from pg_auth_members m join pg_roles r on r.oid = m.member
        where r.rolname = $1 and m.roleid = (select relowner from pg_class where oid = 'house.tags'::regclass)`,
      [legacy],
    )
    expect(membership.rowCount, 'shut out by then').toBe(0)
    await client.query('commit')
    client.release()
    expect(await confirming).toEqual(['CONFLICT', expect.stringContaining('late')])
    await world.root.query('drop table house.late; alter table house.notes no inherit lair.parent')
  })

  it('and without them is shut out, but for a session that is the tenant’s role already; unless it is ended', async () => {
    expect(await tenancy.confirmAdoption('one')).toBe(true)
    for (const schema of ['lodge', 'annexe']) {
      await makeSchema(world, legacy, schema)
      await tenancy.adopt(`of-${schema}`, { schema, baseline: BASELINE.id })
    }
    const inside = async (schema: string) => {
      const { rows } = await world.root.query<{ role: string }>(
        `select relowner::regrole::text as role from pg_class where oid = '${schema}.notes'::regclass`,
      )
      const session = await before.connect()
      session.on('error', () => {})
      await session.query(`set role ${rows[0]?.role}`)
      return session
    }
    const [staying, ended] = [await inside('lodge'), await inside('annexe')]
    expect(await tenancy.confirmAdoption('of-lodge')).toBe(true)
    expect((await staying.query('select from lodge.notes limit 1')).rows).toHaveLength(1)
    expect(await codeOf(tenancy.confirmAdoption('of-annexe', { endSessions: 'yes' as never }))).toBe(
      'INVALID_OPTION',
    )
    expect(await tenancy.confirmAdoption('of-annexe', { endSessions: true })).toBe(true)
    for (const session of [staying, ended]) {
      await expect(session.query('select from annexe.notes')).rejects.toBeDefined()
      session.release(true)
    }
    await expect(before.query('select from house.notes')).rejects.toMatchObject({ code: '42501' })
    expect((await before.query('select from lair.parent')).rows).toEqual([])
  })
})
