import { beforeAll, describe, expect, it } from 'vitest'
import { inAdminTransaction } from '../../src/admin/transaction.ts'
import { checkRowPolicies } from '../../src/lifecycle/levels/row/check.ts'
import { ensureRowPolicies } from '../../src/lifecycle/levels/row/policies.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { type RowTenancy, rowTenancy } from './row-world.ts'

const world = useWorld([])
const row = { schema: 'app', referenceTables: ['countries'] }
const COUNTRIES = { id: '0000_countries', sql: 'create table countries (code text primary key)' }
const NOTES = {
  id: '0001_notes',
  sql: `create table notes (tenant_id varchar, id int generated always as identity, parent int, body text, primary key (tenant_id, id))`,
}
let tenancy: RowTenancy
beforeAll(async () => {
  tenancy = rowTenancy(world, { row, migrations: [COUNTRIES, NOTES] })
  await tenancy.provision('acme')
})
const check = async () =>
  (
    await inAdminTransaction(world.admin, (admin) =>
      checkRowPolicies(admin, tenancy.lifecycle.row, world.appRole),
    )
  ).map(({ code, object, severity }) => `${severity} ${code} ${object}`)
const ensure = () =>
  inAdminTransaction(world.admin, (admin) => ensureRowPolicies(admin, tenancy.lifecycle.row, world.appRole))

describe('policies', () => {
  it('are complete after provisioning', async () => {
    expect(await check()).toEqual([])
    await tenancy.query('acme', `insert into notes (body) values ('x')`)
    expect((await tenancy.query('acme', 'select tenant_id from notes')).rows).toEqual([{ tenant_id: 'acme' }])
    expect((await tenancy.query('acme', 'select * from countries')).rows).toEqual([])
    await expect(tenancy.query('acme', `insert into countries values ('br')`)).rejects.toMatchObject({
      details: { sqlState: '42501' },
    })
  })

  it('are left alone when they are right: no table is locked', async () => {
    const locks = await inAdminTransaction(world.admin, async (admin) => {
      await ensureRowPolicies(admin, tenancy.lifecycle.row, world.appRole)
      return await admin.run(
        `select mode from pg_locks where pid = pg_backend_pid() and relation = 'app.notes'::regclass and mode <> 'AccessShareLock'`,
      )
    })
    expect(locks).toEqual([])
  })

  const REPAIRED = {
    not_enabled: 'alter table app.notes disable row level security',
    not_forced: 'alter table app.notes no force row level security',
    policy_missing: 'drop policy tenant_isolation on app.notes',
    default_missing: 'alter table app.notes alter column tenant_id drop default',
    column_nullable:
      'alter table app.notes drop constraint notes_pkey; alter table app.notes alter column tenant_id drop not null; create index on app.notes (tenant_id)',
    too_many_privileges: `grant truncate, references, trigger on app.notes to public`,
    schema_create: 'grant create on schema app to public',
  }
  it.each(Object.entries(REPAIRED))('%s is found and repaired', async (code, sql) => {
    await world.root.query(sql)
    expect((await check()).map((finding) => finding.split(' ')[1])).toContain(code)
    await ensure()
    expect(await check()).toEqual([])
  })

  const ALTERED = [
    `to current_user using (tenant_id = (select nullif(current_setting('app.tenant_id', true), ''))) with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
    `for update using (tenant_id = (select nullif(current_setting('app.tenant_id', true), ''))) with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
    `using (true)`,
    `using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')) or body = 'x')`,
    `using (tenant_id >= (select nullif(current_setting('app.tenant_id', true), '')))`,
    `using (tenant_id = (select nullif(current_setting('app.other', true), '')))`,
    `using (tenant_id = (select nullif(evil.current_setting('app.tenant_id', true), '')))`,
    `using (tenant_id operator(evil.=) (select nullif(current_setting('app.tenant_id', true), '')))`,
    `to ${'current_user'} using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
    `for select using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
    `using (tenant_id = (select nullif(current_setting('app.tenant_id', true), ''))) with check (true)`,
    `using (body = (select nullif(current_setting('app.tenant_id', true), ''))) with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
    `as restrictive using (tenant_id = (select nullif(current_setting('app.tenant_id', true), ''))) with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))`,
  ]
  it.each(ALTERED)('policy_altered is found and repaired: %s', async (policy) => {
    await world.root.query(`create schema if not exists evil;
      create or replace function evil.yes(varchar, text) returns boolean language sql as 'select true';
      create or replace function evil.current_setting(text, boolean) returns text language sql as $$select 'x'$$`)
    await world.root
      .query(`create operator evil.= (leftarg = varchar, rightarg = text, function = evil.yes)`)
      .catch(() => undefined)
    await world.root.query(
      `drop policy tenant_isolation on app.notes; create policy tenant_isolation on app.notes ${policy}`,
    )
    expect(await check()).toContain('error policy_altered notes')
    await ensure()
    expect(await check()).toEqual([])
  })

  it('do not take functions and operators from the search path of the administrator', async () => {
    await world.root.query(`
      create function public.yes(varchar, text) returns boolean language sql as 'select true';
      create operator public.= (leftarg = varchar, rightarg = text, function = public.yes);
      drop policy tenant_isolation on app.notes`)
    await ensure()
    const seen = await check()
    await world.root.query('drop function public.yes cascade')
    expect(seen).toEqual([])
  })

  /** What cannot be repaired: how to make it, how it is called, and how to take it away. */
  const REPORTED: readonly (readonly [string, string, string])[] = [
    [
      'error foreign_owner strange',
      'create table app.strange (tenant_id text primary key)',
      'drop table app.strange',
    ],
    ['error unscoped_table loose', 'create table app.loose (id int)', 'drop table app.loose'],
    [
      'error column_type numbered',
      'create table app.numbered (tenant_id date not null)',
      'drop table app.numbered',
    ],
    [
      'error foreign_table far',
      'create foreign data wrapper f; create server s foreign data wrapper f; create foreign table app.far (tenant_id text) server s',
      'drop foreign data wrapper f cascade',
    ],
    [
      'error policy_added notes',
      'create policy more on app.notes using (true)',
      'drop policy more on app.notes',
    ],
    [
      'error view_as_owner public.v2',
      'create view public.v1 with (security_invoker) as select * from app.notes; create view public.v2 as select * from public.v1; grant select on public.v1, public.v2 to public',
      'drop view public.v1 cascade',
    ],
    [
      'error view_as_owner public.v3',
      'create view public.v3 as select count(*) as n from app.notes; grant select (n) on public.v3 to public',
      'drop view public.v3',
    ],
    [
      'error materialized_view public.m',
      'create materialized view public.m as select * from app.notes; grant select on public.m to public',
      'drop materialized view public.m',
    ],
    [
      'error security_definer public.all_notes',
      `create function public.all_notes() returns setof app.notes language sql security definer as 'select * from app.notes'`,
      'drop function public.all_notes',
    ],
    [
      'error foreign_key notes_parent_fkey on notes',
      'alter table app.notes add unique (id), add foreign key (parent) references app.notes (id)',
      'alter table app.notes drop constraint notes_parent_fkey, drop constraint notes_id_key',
    ],
    [
      'warning unique_key notes_body_key',
      'alter table app.notes add unique (body)',
      'alter table app.notes drop constraint notes_body_key',
    ],
    [
      'warning unique_key only_included',
      'create unique index only_included on app.notes (body) include (tenant_id)',
      'drop index app.only_included',
    ],
    [
      'warning index_missing plain',
      'create table app.plain (tenant_id text not null)',
      'drop table app.plain',
    ],
  ]
  it.each(REPORTED)('reports %s', async (finding, make, undo) => {
    await world.root.query(make)
    for (const table of ['numbered', 'plain']) {
      await world.root.query(`alter table if exists app.${table} owner to ${world.adminRole}`)
    }
    const seen = await check()
    const code = finding.startsWith('error') ? await codeOf(ensure()) : await ensure().then(() => 'done')
    await world.root.query(undo)
    expect(seen).toContain(finding)
    expect(code).toBe(finding.startsWith('error') ? 'INVALID_OPTION' : 'done')
    expect(await check()).toEqual([])
  })

  it('reports no view that the application cannot read, and none that runs with its rights', async () => {
    await world.root.query(`create view public.hidden as select * from app.notes;
      create view public.own with (security_invoker = on) as select * from app.notes; grant select on public.own to public`)
    const seen = await check()
    await world.root.query('drop view public.hidden, public.own')
    expect(seen).toEqual([])
  })

  it('what is reported is real: past the policies, a foreign key finds and a unique key betrays rows of others', async () => {
    await tenancy.provision('globex')
    await tenancy.query('globex', `insert into notes (body) values ('secret')`)
    await world.root.query(
      'alter table app.notes add unique (id), add unique (body), add foreign key (parent) references app.notes (id) on delete cascade',
    )
    const { rows } = await tenancy.query<{ id: number }>(
      'globex',
      `select id from notes where body = 'secret'`,
    )
    expect(await codeOf(tenancy.query('acme', `insert into notes (body) values ('secret')`))).toBe(
      'DUPLICATE_RESOURCE',
    )
    expect(await codeOf(tenancy.query('acme', `insert into notes (parent) values (-1)`))).toBe('CONFLICT')
    await tenancy.query('acme', `insert into notes (parent, body) values ($1, 'child')`, [rows[0]?.id])
    await tenancy.query('globex', 'delete from notes')
    expect((await tenancy.query('acme', `select * from notes where body = 'child'`)).rows).toEqual([])
    await world.root.query(
      'alter table app.notes drop constraint notes_parent_fkey, drop constraint notes_id_key, drop constraint notes_body_key',
    )
    expect(await check()).toEqual([])
  })
})
