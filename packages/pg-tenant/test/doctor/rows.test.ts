import { beforeAll, describe, expect, it } from 'vitest'
import type { Finding } from '../../src/doctor/finding.ts'
import { ROW_CHECKS } from '../../src/doctor/row-checks.ts'
import type { Migration, Tenancy } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'
import { Followed, type Repair, TRIED } from './fixes.ts'

const world = useWorld([])
const NOTES: Migration = {
  id: '0001_notes',
  sql: `create table notes (tenant_id text not null, id int generated always as identity, parent int, body text,
    primary key (tenant_id, id))`,
}
let tenancy: Tenancy
const followed = new Followed()
const found = async (which = tenancy) => (await which.doctor()).findings.map(lineOf)
const lineOf = ({ code, severity, subject }: Finding) => `${severity} ${code} ${subject}`

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
  const OWN = `tenant_id text not null default nullif(current_setting('app.tenant_id', true), ''), id int, primary key (tenant_id, id)`
  /** The SQL that the finding says. */
  const ITSELF = 'itself'
  const provision: Repair = (all) => all.provision('acme')
  it.each<[finding: string, breaks: string, repair: Repair, clean?: string]>([
    [
      'error ROW_UNSCOPED_TABLE loose',
      'create table app.loose (id int)',
      'create schema apart; alter table app.loose set schema apart',
    ],
    [
      'error ROW_FOREIGN_TABLE far',
      'create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing; create foreign table app.far (id int) server nowhere',
      'alter foreign table app.far set schema apart',
      'drop foreign data wrapper nothing cascade',
    ],
    [
      'error ROW_FOREIGN_OWNER theirs',
      `create table app.theirs (${OWN}); create role {app}_other; alter table app.theirs owner to {app}_other`,
      ITSELF,
      'drop table app.theirs; drop role {app}_other',
    ],
    [
      'error ROW_FOREIGN_OWNER app',
      'alter schema app owner to postgres; revoke create on schema app from {admin}',
      ITSELF,
      'alter schema app owner to {admin}',
    ],
    [
      'error ROW_COLUMN_TYPE odd',
      `create table app.odd (tenant_id char(9) not null); alter table app.odd owner to {admin}`,
      'alter table app.odd alter column tenant_id type text',
      'drop table app.odd',
    ],
    [
      'error ROW_COLUMN_NULLABLE open',
      `create table app.open (tenant_id text); alter table app.open owner to {admin}`,
      ITSELF,
      'drop table app.open',
    ],
    [
      'warning ROW_INDEX_MISSING open',
      `create table app.open (tenant_id text not null); alter table app.open owner to {admin}`,
      ITSELF,
      'drop table app.open',
    ],
    [
      'warning ROW_DEFAULT_MISSING notes',
      'alter table app.notes alter column tenant_id drop default',
      provision,
    ],
    ['error ROW_NOT_ENABLED notes', 'alter table app.notes disable row level security', provision],
    ['error ROW_NOT_FORCED notes', 'alter table app.notes no force row level security', provision],
    ['error ROW_POLICY_MISSING notes', 'drop policy tenant_isolation on app.notes', provision],
    ['error ROW_POLICY_ALTERED notes', 'alter policy tenant_isolation on app.notes using (true)', provision],
    ['error ROW_POLICY_ADDED notes', 'create policy more on app.notes using (true)', ITSELF],
    ['error ROW_TOO_MANY_PRIVILEGES notes', 'grant truncate on app.notes to {app}', ITSELF],
    ['error ROW_SCHEMA_CREATE app', 'grant create on schema app to {app}', ITSELF],
    [
      'error ROW_VIEW_AS_OWNER public.v',
      'create view public.v as select * from app.notes; grant select on public.v to {app}',
      ITSELF,
      'drop view public.v',
    ],
    [
      'error ROW_MATERIALIZED_VIEW public.m',
      'create materialized view public.m as select * from app.notes; grant select on public.m to {app}',
      ITSELF,
      'drop materialized view public.m',
    ],
    ['error ROW_SECURITY_DEFINER public.all_notes', DEFINER, ITSELF, 'drop function public.all_notes'],
    [
      'warning ROW_SECURITY_DEFINER_OWNER public.all_notes',
      `${DEFINER}; alter function public.all_notes owner to {admin}`,
      ITSELF,
      'drop function public.all_notes',
    ],
    [
      'error ROW_FOREIGN_KEY fk on notes',
      'alter table app.notes add constraint uq unique (id), add constraint fk foreign key (parent) references app.notes (id)',
      ITSELF,
      'alter table app.notes drop constraint fk, drop constraint uq',
    ],
    [
      'warning ROW_UNIQUE_KEY uq',
      'alter table app.notes add constraint uq unique (body)',
      ITSELF,
      'alter table app.notes drop constraint uq',
    ],
    [
      'warning INVALID_INDEX app.notes_pkey',
      `update pg_index set indisvalid = false where indexrelid = 'app.notes_pkey'::regclass`,
      'reindex index concurrently app.notes_pkey',
    ],
    [
      'error PUBLIC_PRIVILEGE app',
      'grant usage on schema app to public',
      'revoke all on schema app from public',
    ],
    [
      'error PUBLIC_PRIVILEGE app.notes',
      'grant select on app.notes to public',
      'revoke all on app.notes from public',
    ],
    [
      'error SHARED_CREATE public',
      'grant create on schema public to public',
      'revoke create on schema public from public',
    ],
    ['warning FALLS_THROUGH public.notes', 'create table public.notes ()', 'drop table public.notes'],
    [
      'error APPLICATION_ROLE {app}',
      'alter role {app} bypassrls',
      'alter role {app} nosuperuser nobypassrls nocreaterole nocreatedb noreplication',
    ],
    ['error APPLICATION_ROLE {app}', 'grant {admin} to {app}', 'revoke {admin} from {app}'],
    [
      'warning UNFINISHED globex',
      `update tenancy.tenant set status = 'deleting' where key = 'globex'`,
      async (all) => {
        await all.drop('globex')
        await all.provision('globex', { reuseDeletedKey: true })
      },
    ],
    ['error SCHEMA_MISSING app', 'alter schema app rename to away', 'alter schema away rename to app'],
  ])('finds %s, and what it advises helps', async (finding, breaks, repair, clean) => {
    const named = (text: string) =>
      text.replaceAll('{app}', world.appRole).replaceAll('{admin}', world.adminRole)
    await world.root.query(named(breaks))
    const seen = (await tenancy.doctor()).findings
    const meant = seen.filter((one) => lineOf(one) === named(finding))
    expect(meant.length).toBeGreaterThan(0)
    const done = repair === ITSELF ? String(meant[0]?.fix) : repair
    if (typeof done === 'function') await done(tenancy)
    else for (const sql of named(done).split(/(?<=;)\s/)) await world.root.query(sql)
    const left = await found()
    followed.note(meant, done)
    if (clean === undefined) return expect(left).toEqual([])
    expect(left).not.toContain(named(finding))
    await world.root.query(named(clean))
  })

  it('finds nothing any more where all that was done', async () => {
    expect(await found()).toEqual([])
  })

  it('finds a ledger of other migrations', async () => {
    const turn = 'update tenancy.row_migration set checksum = reverse(checksum)'
    await world.root.query(turn)
    const seen = await found()
    await world.root.query(turn)
    expect(seen).toEqual(['error LEDGER_MISMATCH 0001_notes'])
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
    const { findings } = await tenancy.doctor()
    await tenancy.provision('acme')
    expect(findings.map(lineOf)).toContain('error ROW_ENTRANCE_ALTERED app._tenant_c_')
    expect(await found()).toEqual([])
    followed.note(
      findings.filter(({ code }) => code === 'ROW_ENTRANCE_ALTERED'),
      'all.provision(',
    )
  })

  it('advises nothing here that no test has followed', () => {
    expect(followed.missing(ROW_CHECKS)).toEqual([])
    const own = Object.entries(TRIED).filter(([, where]) => where === 'doctor/rows.test.ts')
    expect(own.map(([code]) => code).filter((code) => !followed.codes.has(code))).toEqual([])
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
