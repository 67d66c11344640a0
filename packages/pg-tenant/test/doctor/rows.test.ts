import { beforeAll, describe, expect, it } from 'vitest'
import type { Migration, Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

const world = useWorld([])
const NOTES: Migration = {
  id: '0001_notes',
  sql: `create table notes (tenant_id text not null, id int generated always as identity, parent int, body text,
    primary key (tenant_id, id))`,
}
let tenancy: Tenancy
const found = async (which = tenancy) =>
  (await which.doctor()).findings.map(({ code, severity, subject }) => `${severity} ${code} ${subject}`)

beforeAll(async () => {
  tenancy = world.tenancy({ isolation: 'row', migrations: [NOTES] })
  for (const key of ['acme', 'globex', 'shut']) await tenancy.provision(key)
  await tenancy.suspend('shut')
  await world.root.query(`do $$ begin execute format('revoke all on database %1$I from public;
    grant connect on database %1$I to ${world.appRole}, ${world.adminRole}', current_database()); end $$`)
})

describe('doctor at level row', () => {
  it('finds nothing wrong with a shared schema that is well', async () => {
    expect(await tenancy.doctor()).toMatchObject({ ok: true, findings: [], counts: {}, tenants: 3 })
  })

  it('nor where there is no tenant', async () => {
    const nobody = world.tenancy({ isolation: 'row', row: { schema: 'elsewhere' }, schemaPrefix: 'z_' })
    expect(await nobody.doctor()).toMatchObject({ ok: true, tenants: 0 })
    const nowhere = world.tenancy({ isolation: 'row', controlSchema: 'nowhere' })
    expect(await nowhere.doctor()).toMatchObject({ ok: true, tenants: 0 })
  })

  const DEFINER = `create function public.all_notes() returns setof app.notes language sql security definer as 'select * from app.notes'`
  it.each<[finding: string, breaks: string, repairs: string]>([
    ['error ROW_UNSCOPED_TABLE loose', 'create table app.loose (id int)', 'drop table app.loose'],
    [
      'error ROW_NOT_ENABLED notes',
      'alter table app.notes disable row level security',
      'alter table app.notes enable row level security',
    ],
    [
      'error ROW_NOT_FORCED notes',
      'alter table app.notes no force row level security',
      'alter table app.notes force row level security',
    ],
    [
      'error ROW_POLICY_ADDED notes',
      'create policy more on app.notes using (true)',
      'drop policy more on app.notes',
    ],
    [
      'error ROW_TOO_MANY_PRIVILEGES notes',
      'grant truncate on app.notes to {app}',
      'revoke truncate on app.notes from {app}',
    ],
    [
      'error ROW_SCHEMA_CREATE app',
      'grant create on schema app to {app}',
      'revoke create on schema app from {app}',
    ],
    [
      'error ROW_VIEW_AS_OWNER public.v',
      'create view public.v as select * from app.notes; grant select on public.v to {app}',
      'drop view public.v',
    ],
    [
      'error ROW_MATERIALIZED_VIEW public.m',
      'create materialized view public.m as select * from app.notes; grant select on public.m to {app}',
      'drop materialized view public.m',
    ],
    ['error ROW_SECURITY_DEFINER public.all_notes', DEFINER, 'drop function public.all_notes'],
    [
      'error ROW_FOREIGN_KEY fk on notes',
      'alter table app.notes add constraint uq unique (id), add constraint fk foreign key (parent) references app.notes (id)',
      'alter table app.notes drop constraint fk, drop constraint uq',
    ],
    [
      'warning ROW_UNIQUE_KEY uq',
      'alter table app.notes add constraint uq unique (body)',
      'alter table app.notes drop constraint uq',
    ],
    [
      'error PUBLIC_PRIVILEGE app',
      'grant usage on schema app to public',
      'revoke usage on schema app from public',
    ],
    [
      'error PUBLIC_PRIVILEGE app.notes',
      'grant select on app.notes to public',
      'revoke select on app.notes from public',
    ],
    [
      'error SHARED_CREATE public',
      'grant create on schema public to public',
      'revoke create on schema public from public',
    ],
    ['warning FALLS_THROUGH public.notes', 'create table public.notes ()', 'drop table public.notes'],
    ['error APPLICATION_ROLE {app}', 'alter role {app} bypassrls', 'alter role {app} nobypassrls'],
    ['error APPLICATION_ROLE {app}', 'grant {admin} to {app}', 'revoke {admin} from {app}'],
    [
      'warning UNFINISHED globex',
      `update tenancy.tenant set status = 'deleting' where key = 'globex'`,
      `update tenancy.tenant set status = 'active' where key = 'globex'`,
    ],
    [
      'error LEDGER_MISMATCH 0001_notes',
      `update tenancy.row_migration set checksum = reverse(checksum)`,
      `update tenancy.row_migration set checksum = reverse(checksum)`,
    ],
    ['error SCHEMA_MISSING app', 'alter schema app rename to away', 'alter schema away rename to app'],
  ])('finds %s', async (finding, breaks, repairs) => {
    const named = (text: string) =>
      text.replaceAll('{app}', world.appRole).replaceAll('{admin}', world.adminRole)
    await world.root.query(named(breaks))
    const seen = await found()
    await world.root.query(named(repairs))
    expect(seen).toContain(finding.replaceAll('{app}', world.appRole))
    expect(await found()).toEqual([])
  })

  it.each([
    [
      'lets everybody in',
      `create or replace function app._tenant_c_(tenant text, path text) returns boolean
       language plpgsql volatile strict security definer as 'begin return true; end'`,
    ],
    ['may be called by anybody', 'grant execute on function app._tenant_c_ to public'],
    ['is gone', 'drop function app._tenant_c_'],
  ])('finds an entrance that %s, which provisioning repairs', async (_, breaks) => {
    await world.root.query(breaks)
    const seen = await found()
    await tenancy.provision('acme')
    expect(seen).toContain('error ROW_ENTRANCE_ALTERED app._tenant_c_')
    expect(await found()).toEqual([])
  })

  it('says what to do, and names no data', async () => {
    await world.root.query('alter table app.notes disable row level security')
    const [first] = (await tenancy.doctor()).findings
    await tenancy.provision('acme')
    expect(first).toEqual({
      code: 'ROW_NOT_ENABLED',
      severity: 'error',
      subject: 'notes',
      message: 'notes: Row-level security is off.',
      fix: 'Run provision(key), of any tenant: it repairs this.',
    })
  })

  it('refuses options that mean nothing', async () => {
    for (const options of [{ limit: 0 }, { connections: 1.5 }, { limit: Number.NaN }])
      expect(await codeOf(tenancy.doctor(options))).toBe('INVALID_OPTION')
  })
})
