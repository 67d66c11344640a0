import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { diagnose } from '../../src/doctor/diagnose.ts'
import { type DriftOptions, driftOf } from '../../src/doctor/drift.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { readOnly } from '../../src/doctor/read-only.ts'
import { ROLE_CHECKS } from '../../src/doctor/role-checks.ts'
import { SCHEMA_CHECKS } from '../../src/doctor/schema-checks.ts'
import { migrateFleet } from '../../src/fleet/migrate.ts'
import { EXTRA, lifecycleOf, provisionMany } from '../fleet/fleet-world.ts'
import { NOTES, useWorld } from '../support/world.ts'
import { Followed, type Repair, TRIED } from './fixes.ts'

const world = useWorld([])
const RICH = {
  id: '0002_rich',
  sql: `create type mood as enum ('good', 'bad');
    create table rich (id serial primary key, mood mood default 'good', note bigint references notes (id), at timestamptz default now());
    create view glad as select * from rich where mood = 'good';
    create function f(a mood) returns int language sql set search_path from current as $$ select count(*)::int from rich $$;
    create function trigger_f() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger t before insert on rich for each row execute function trigger_f();
    alter table rich enable row level security; create policy p on rich using (mood = 'good');
    create table worded (state varchar(9) default 'open' check (state in ('open', 'shut')), n int check (n between 1 and 5 and n <> 3));
    create view few as select state from worded where state in ('open', 'shut');
    create index on rich (at)`,
}
const fleet = () => lifecycleOf(world, [NOTES, RICH])
const findDrift = (of: ReturnType<typeof fleet>, options?: DriftOptions) =>
  readOnly(of.adminPool, (look) => driftOf(look, of, options))
const lines = (findings: readonly Finding[]) =>
  findings.map(({ code, severity, subject }) => `${severity} ${code} ${subject}`)
const found = async () => lines((await diagnose(fleet())).findings)
const tenancy = () => world.tenancy({ migrations: [NOTES, RICH] })
const followed = new Followed()

beforeAll(async () => {
  await provisionMany(world, ['a', 'b', 'c-1', 'd', 'shut'], { migrations: [NOTES, RICH] })
  await world.tenancy().suspend('shut')
  const { rows } = await world.root.query('select current_database() as name')
  const [{ name }] = rows as [{ name: string }]
  await world.root.query(`revoke all on database "${name}" from public;
    grant connect on database "${name}" to ${world.appRole}, ${world.adminRole}`)
})

/** Breaks something, looks, and does what is advised: whoever looks next, and all at the end, finds what that left. */
async function broken(breaks: string, repair: Repair): Promise<string[]> {
  await world.root.query(breaks)
  const { findings } = await diagnose(fleet())
  await (typeof repair === 'string' ? world.root.query(repair) : repair(tenancy()))
  followed.note(findings, repair)
  return lines(findings)
}

it('does not take a tenant of another level for nobody’s', async () => {
  const levelIs = (level: string) =>
    world.root.query(`update tenancy.tenant set isolation = '${level}' where key = 'd'`)
  await levelIs('login')
  expect((await diagnose(fleet())).findings).toMatchObject([
    { code: 'ORPHAN_SCHEMA', subject: 'c_d', message: expect.stringContaining('of level login') },
  ])
  await levelIs('role')
})

describe('doctor', () => {
  it('finds nothing wrong with tenants that are well', async () => {
    const diagnosis = await diagnose(fleet())
    expect(diagnosis.findings).toEqual([])
    expect(diagnosis).toMatchObject({ ok: true, counts: {}, tenants: 5 })
  })

  it('nor where there is no registry', async () => {
    const nowhere = { ...fleet(), registry: { controlSchema: 'nowhere', prefix: 'c_' } }
    expect(await diagnose(nowhere)).toMatchObject({ ok: true, tenants: 0 })
  })

  const role = (key: string) => `"${world.rolePrefix}${key}"`
  const inheriting = (sixteen: string, before: string) =>
    `set role ${world.adminRole}; do $$ begin execute format(case when current_setting('server_version_num')::int >= 160000
      then '${sixteen}' else '${before}' end, '${role('d')}', '${world.appRole}'); end $$; reset role`
  it.each<[string, () => string, () => Repair, () => string[]]>([
    [
      'a schema without a tenant',
      () => 'create schema c_stray',
      () => 'drop schema c_stray',
      () => ['warning ORPHAN_SCHEMA c_stray'],
    ],
    [
      'a role without a tenant',
      () => `create role ${role('stray')}`,
      () => `drop owned by ${role('stray')}; drop role ${role('stray')}`,
      () => [`warning ORPHAN_ROLE ${world.rolePrefix}stray`],
    ],
    [
      'a suspended tenant that is not shut out',
      () => `grant usage on schema c_shut to ${role('shut')}`,
      () => (all) => all.resume('shut').then(() => all.suspend('shut')),
      () => ['error STATUS_MISMATCH shut'],
    ],
    [
      'an active tenant that is shut out',
      () => `revoke usage on schema c_b from ${role('b')}`,
      () => (all) => all.provision('b'),
      () => ['error STATUS_MISMATCH b'],
    ],
    [
      'ledgers that differ',
      () => `delete from tenancy.tenant_migration where key = 'b' and id = '0002_rich'`,
      () => (all) => all.migrate({ only: ['b'], recheck: true }),
      () => ['error LEDGER_MISMATCH b'],
    ],
    [
      'a table behind that of the tenants',
      () => 'create table public.notes (id int)',
      () => 'drop table public.notes',
      () => ['warning FALLS_THROUGH public.notes'],
    ],
    [
      'a shared schema that everybody may fill',
      () => 'grant create on schema public to public',
      () => 'revoke create on schema public from public',
      () => ['error SHARED_CREATE public'],
    ],
    [
      'a shared schema that a tenant may fill',
      () => `grant create on schema public to ${role('d')}`,
      () => `revoke create on schema public from ${role('d')}`,
      () => ['error SHARED_CREATE public'],
    ],
    [
      'rights of PUBLIC on a schema',
      () => 'grant usage on schema c_b to public',
      () => 'revoke all on schema c_b from public',
      () => ['error PUBLIC_PRIVILEGE c_b'],
    ],
    [
      'a superuser as application',
      () => `alter role ${world.appRole} bypassrls`,
      () => `alter role ${world.appRole} nosuperuser nobypassrls nocreaterole nocreatedb noreplication`,
      () => [`error APPLICATION_ROLE ${world.appRole}`],
    ],
    [
      'an application that is a member of others',
      () => `grant pg_read_all_data to ${world.appRole}`,
      () => `revoke pg_read_all_data from ${world.appRole}`,
      () => [`warning APPLICATION_ROLE ${world.appRole}`],
    ],
    [
      'an application that cannot act for a tenant',
      () => `set role ${world.adminRole}; revoke ${role('d')} from ${world.appRole}; reset role`,
      () => (all) => all.provision('d'),
      () => ['error APPLICATION_ROLE d'],
    ],
    [
      'an application that has the rights of a tenant without taking its role',
      () => inheriting('grant %1$s to %2$s with inherit true', 'alter role %2$s inherit'),
      () => inheriting('grant %1$s to %2$s with inherit false', 'alter role %2$s noinherit'),
      () => [`error APPLICATION_ROLE ${world.appRole}`],
    ],
    [
      'a tenant that can do more than a tenant',
      () => `alter role ${role('d')} login createdb`,
      () => `alter role ${role('d')} nologin nocreatedb`,
      () => [`error TENANT_ROLE ${world.rolePrefix}d`],
    ],
    [
      'a tenant that is a member of another',
      () => `grant ${role('a')} to ${role('d')}`,
      () => `revoke ${role('a')} from ${role('d')}`,
      () => [`error TENANT_ROLE ${world.rolePrefix}d`],
    ],
    [
      'settings that a tenant keeps for connections to come',
      () =>
        `alter role ${role('d')} set work_mem to '1GB'; alter role ${role('d')} set statement_timeout to 0`,
      () => `alter role ${role('d')} reset all`,
      () => [`warning ROLE_SETTINGS ${world.rolePrefix}d`],
    ],
    [
      'settings that say who the application is',
      () =>
        `alter role ${world.appRole} set role to ${role('d')}; alter role ${world.appRole} set work_mem to '8MB'`,
      () => `alter role ${world.appRole} reset all`,
      () => [`warning ROLE_SETTINGS ${world.appRole}`],
    ],
    [
      'a view of one tenant on a table of another',
      () => 'create view c_b.spy as select * from c_a.notes',
      () => 'drop view c_b.spy',
      () => ['error CROSS_SCHEMA rule _RETURN on view c_b.spy in c_b', 'warning DRIFT b'],
    ],
    [
      'a foreign key to another tenant',
      () => 'alter table c_b.rich add constraint far foreign key (note) references c_a.notes (id)',
      () => 'alter table c_b.rich drop constraint far',
      () => ['error CROSS_SCHEMA constraint far on table c_b.rich in c_b', 'warning DRIFT b'],
    ],
    [
      "a default from another tenant's sequence",
      () => `alter table c_b.notes add column n int default nextval('c_a.rich_id_seq')`,
      () => 'alter table c_b.notes drop column n',
      () => ['error CROSS_SCHEMA default value for column n of table c_b.notes in c_b', 'warning DRIFT b'],
    ],
  ])('finds %s', async (_, breaks, repairs, expected) => {
    expect(await broken(breaks(), repairs())).toEqual(expected())
  })

  it.each<[string, (key: string) => string, string, Repair]>([
    [
      'a tenant without its schema',
      (key) => `drop schema c_${key} cascade`,
      'error SCHEMA_MISSING',
      (all) => all.drop('gone'),
    ],
    [
      'a tenant that was cut off',
      (key) => `update tenancy.tenant set status = 'deleting' where key = '${key}'`,
      'warning UNFINISHED',
      (all) => all.drop('gone'),
    ],
    [
      'a tenant without its role',
      (key) =>
        `reassign owned by ${role(key)} to ${world.adminRole}; drop owned by ${role(key)}; drop role ${role(key)}`,
      'error ROLE_MISSING',
      (all) => all.provision('gone'),
    ],
  ])('finds %s', async (_, breaks, expected, repair) => {
    const all = tenancy()
    await all.provision('gone', { reuseDeletedKey: true })
    await world.root.query(breaks('gone'))
    const { findings } = await diagnose(fleet())
    expect(lines(findings)).toContain(`${expected} gone`)
    if (typeof repair === 'function') await repair(all)
    expect(await found()).not.toContain(`${expected} gone`)
    followed.note(findings, repair)
    await all.drop('gone')
  })

  it('finds PUBLIC on the database', async () => {
    const name = `"${(await world.root.query('select current_database() as name')).rows[0].name}"`
    const seen = await broken(
      `grant connect, temporary on database ${name} to public`,
      `revoke connect, temporary on database ${name} from public`,
    )
    expect(seen.map((one) => one.split(' ').slice(0, 2).join(' '))).toEqual([
      'warning PUBLIC_PRIVILEGE',
      'warning PUBLIC_PRIVILEGE',
    ])
  })

  it('finds nothing any more where all that was done', async () => {
    expect(await found()).toEqual([])
  })

  it('says at most so many of each, and counts all', async () => {
    await world.root.query('create schema c_x1; create schema c_x2; create schema c_x3')
    const diagnosis = await diagnose(fleet(), { limit: 2 })
    expect(diagnosis).toMatchObject({ ok: false, counts: { ORPHAN_SCHEMA: 3 } })
    expect(diagnosis.findings).toHaveLength(2)
    await world.root.query('drop schema c_x1; drop schema c_x2; drop schema c_x3')
  })

  it('finds what a migration without a transaction left behind', async () => {
    const half = {
      id: '0003',
      sql: '-- pg-tenant: no-transaction\ncreate unique index concurrently i on notes (lower(body))',
    }
    await world.root.query(`insert into c_a.notes (body) values ('x'), ('X')`)
    const lifecycle = lifecycleOf(world, [NOTES, RICH, half])
    await migrateFleet(lifecycle, { maxFailures: 9 })
    const { findings } = await diagnose(lifecycle)
    expect(lines(findings).sort()).toEqual(['warning HALF_APPLIED a', 'warning INVALID_INDEX c_a.i'])
    await world.root.query('delete from c_a.notes')
    await migrateFleet(lifecycle)
    expect((await diagnose(lifecycle)).findings).toEqual([])
    followed.note(findings, 'all.migrate(')
  })

  it('advises nothing here that no test has followed', () => {
    const here = [...SCHEMA_CHECKS, ...ROLE_CHECKS].filter(
      ({ code }) => TRIED[code] === 'doctor/doctor.test.ts',
    )
    expect(followed.missing(here)).toEqual([])
  })

  it.each(Object.entries(TRIED))('%s: its advice is followed, or none can be', async (code, where) => {
    if (!where.endsWith('.ts')) return
    const test = await readFile(new URL(`../${where}`, import.meta.url), 'utf8')
    const [last = ''] = code.split('_').slice(-1)
    const bare = code.replace(/^ROW_/, '').toLowerCase()
    // Also as one of several: ROW_COLUMN_(TYPE|COMPUTED).
    expect([code, bare, `|${last})`, `(${last}|`].some((name) => test.includes(name))).toBe(true)
  })
})

describe('drift', () => {
  it.each([
    [
      'alter table c_d.rich alter column at drop default',
      'alter table c_d.rich alter column at set default now()',
      'column rich.at',
    ],
    ['drop index c_d.rich_at_idx', 'create index rich_at_idx on c_d.rich (at)', 'index rich.rich_at_idx'],
    [
      'alter table c_d.rich no force row level security, disable row level security',
      'alter table c_d.rich enable row level security',
      'relation rich',
    ],
    [
      'alter policy p on c_d.rich using (true)',
      `alter policy p on c_d.rich using (mood = 'good'::c_d.mood)`,
      'policy rich.p',
    ],
    ['alter table c_d.rich disable trigger t', 'alter table c_d.rich enable trigger t', 'trigger rich.t'],
    ['grant select on c_d.notes to public', 'revoke select on c_d.notes from public', 'privileges notes'],
    [
      'alter sequence c_d.rich_id_seq increment 2',
      'alter sequence c_d.rich_id_seq increment 1',
      'sequence rich_id_seq',
    ],
    [
      'alter function c_d.f(c_d.mood) security definer',
      'alter function c_d.f(c_d.mood) security invoker',
      'function f',
    ],
    ['alter table c_d.notes owner to postgres', '', 'relation notes'],
  ])('%j is seen and said', async (breaks, repairs, line) => {
    const owner = `alter table c_d.notes owner to ${world.rolePrefix}d; revoke all on c_d.notes from postgres`
    await world.root.query(breaks.replace('to postgres', 'to current_user'))
    const { drifted, drifts } = await findDrift(fleet())
    expect(drifted).toBe(1)
    expect(drifts[0]).toMatchObject({ tenant: 'd', reference: 'a' })
    expect(
      [...(drifts[0]?.missing ?? []), ...(drifts[0]?.extra ?? [])].some((one) => one.startsWith(line)),
    ).toBe(true)
    await world.root.query(repairs || owner)
    expect(await findDrift(fleet(), { reference: 'b' })).toMatchObject({ drifted: 0 })
  })

  it('does not take the wording of a dump for a difference, and a change of the same things for none', async () => {
    const reworded = `do $$ declare made text; begin
      for made in select format('alter table c_d.worded drop constraint %1$I; alter table c_d.worded add constraint %1$I %2$s',
          conname, pg_get_constraintdef(oid)) from pg_constraint where conrelid = 'c_d.worded'::regclass
      loop execute made; end loop;
      execute 'create or replace view c_d.few as ' || pg_get_viewdef('c_d.few'::regclass); end $$`
    const before = await findDrift(fleet())
    await world.root.query(reworded)
    expect(await findDrift(fleet())).toEqual(before)
    expect(await findDrift(fleet(), { reference: 'd' })).toMatchObject({ drifted: 0, drifts: [] })
    // However few are described: those that only read otherwise do not stand in the way of one that differs.
    await world.root.query('alter table c_shut.worded add column late int')
    const { drifted, drifts: described } = await findDrift(fleet(), { limit: 1 })
    expect([drifted, described.map(({ tenant }) => tenant)]).toEqual([1, ['shut']])
    await world.root.query('alter table c_shut.worded drop column late')
    await world.root.query(`alter table c_d.worded drop constraint worded_state_check;
      alter table c_d.worded add constraint worded_state_check check (state in ('open', 'shut', 'lost'));
      create or replace view c_d.few as select state from c_d.worded where state in ('open')`)
    const { drifts } = await findDrift(fleet())
    expect(drifts).toMatchObject([{ tenant: 'd', reference: 'a' }])
    const heads = drifts[0]?.missing.map((line) => line.split(' ').slice(0, 2).join(' '))
    expect(heads?.sort()).toEqual(['constraint worded.worded_state_check', 'view few'])
    await world.root.query(`alter table c_d.worded drop constraint worded_state_check;
      alter table c_d.worded add constraint worded_state_check check (state in ('open', 'shut'));
      create or replace view c_d.few as select state from c_d.worded where state in ('open', 'shut')`)
    expect(await findDrift(fleet())).toEqual(before)
  })

  it('compares only tenants with the same migrations', async () => {
    const lifecycle = lifecycleOf(world, [
      NOTES,
      RICH,
      {
        id: '0003',
        sql: '-- pg-tenant: no-transaction\ncreate unique index concurrently i on notes (lower(body))',
      },
      { ...EXTRA, id: '0004' },
    ])
    await migrateFleet(lifecycle, { only: ['b'] })
    expect(await findDrift(fleet())).toMatchObject({ drifted: 0, tenants: 5 })
  })
})
