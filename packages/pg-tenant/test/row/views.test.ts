import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Migration, Tenancy, TenancyOptions } from '../../src/index.ts'
import { codeOf, useWorld } from '../support/world.ts'

// What a reporting tool sees that connects as a tenant's own role, and what hostile SQL on that connection does not.

const world = useWorld([])
const NOTES: Migration = {
  id: '0001_notes',
  sql: `create table countries (code text primary key);
    create table notes (tenant_id text not null, id int generated always as identity, body text, primary key (tenant_id, id))`,
}
const ROW = { schema: 'app', views: 'reports', referenceTables: ['countries'] }
const tenancyWith = (options: Partial<TenancyOptions> = {}) =>
  world.tenancy({ isolation: 'row', row: ROW, migrations: [NOTES], ...options })
let tenancy: Tenancy
const roleOf = (key: string) => `${world.rolePrefix}${key}`
const open: pg.Client[] = []

/** A connection as a tenant's role. */
async function connect(key: string): Promise<pg.Client> {
  await world.root.query(`alter role "${roleOf(key)}" login password 'reader'`)
  const url = new URL(world.url)
  url.username = roleOf(key)
  url.password = 'reader'
  const client = new pg.Client(url.href)
  client.on('error', () => {})
  await client.connect()
  open.push(client)
  return client
}
const bodies = async (client: pg.Client, from = 'notes') =>
  (await client.query<{ body: string }>(`select body from ${from} order by 1`)).rows.map(({ body }) => body)
const stateOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )
const found = async (which = tenancy) =>
  (await which.doctor()).findings
    .filter(({ severity, code }) => severity !== 'notice' && code !== 'PUBLIC_PRIVILEGE')
    .map(({ code, subject }) => `${code} ${subject}`)

beforeAll(async () => {
  tenancy = tenancyWith()
  for (const key of ['acme', 'globex']) {
    await tenancy.provision(key)
    await tenancy.query(key, 'insert into notes (body) values ($1)', [`of ${key}`])
  }
  await world.root.query(`insert into app.countries values ('br')`)
})
beforeEach(async () => {
  for (const client of open.splice(0)) await client.end()
})
afterAll(async () => {
  for (const client of open.splice(0)) await client.end()
})

describe("a tenant's own role", () => {
  it('sees its rows and the reference tables under their plain names, and no others', async () => {
    const [acme, globex] = [await connect('acme'), await connect('globex')]
    expect(await bodies(acme)).toEqual(['of acme'])
    expect(await bodies(globex)).toEqual(['of globex'])
    expect((await acme.query('select code from countries')).rows).toEqual([{ code: 'br' }])
    expect(await found()).toEqual([])
  })

  it('is not moved by the setting that decides in a scope', async () => {
    const acme = await connect('acme')
    for (const value of ['globex', '', 'acme']) {
      await acme.query(`select set_config('app.tenant_id', $1, false)`, [value])
      expect(await bodies(acme)).toEqual(['of acme'])
    }
    await acme.query(`set row_security = off`)
    expect(await stateOf(bodies(acme))).toBe('42501')
  })

  it.each([
    ['the shared table', 'select * from app.notes'],
    ['a write through the view', `insert into notes (body) values ('x')`],
    ['an update through the view', `update notes set body = 'x'`],
    ['a delete through the view', `delete from notes`],
    ['truncate', `truncate app.notes`],
    ['another view', 'create or replace view reports.notes as select 1'],
    ['a view of its own there', 'create view reports.mine as select 1'],
    ['the other tenant’s role', () => `set role "${roleOf('globex')}"`],
    ['the registry', 'select * from tenancy.tenant'],
  ])('is refused %s', async (_, sql) => {
    const acme = await connect('acme')
    expect(await stateOf(acme.query(typeof sql === 'string' ? sql : sql()))).toBe('42501')
  })

  it('cannot become the owner of the views, or change them', async () => {
    const acme = await connect('acme')
    const { rows } = await world.root.query(
      `select viewowner as owner from pg_views where schemaname = 'reports' and viewname = 'notes'`,
    )
    expect(await stateOf(acme.query(`set role "${rows[0].owner}"`))).toBe('42501')
    expect(await stateOf(acme.query('alter view reports.notes reset (security_barrier)'))).toBe('42501')
  })

  const LEAK = `create function pg_temp.leak(text) returns boolean language plpgsql cost 0.0000001 as
    $$ begin raise notice 'leak: %', $1; return true; end $$`
  async function leaked(client: pg.Client, view: string): Promise<string[]> {
    const notices: string[] = []
    client.on('notice', ({ message }) => notices.push(String(message)))
    await client.query(LEAK)
    // So that the function is asked about every row that nothing has kept from it.
    await client.query('set enable_indexscan = off; set enable_bitmapscan = off')
    await client.query(`select * from ${view} where pg_temp.leak(body)`)
    return notices
  }

  it('learns nothing through a function that tells what it is asked about', async () => {
    expect(await leaked(await connect('acme'), 'notes')).toEqual(['leak: of acme'])
    // Nor where only the view is left to keep it from the others' rows.
    await world.root.query('alter table app.notes disable row level security')
    const told = await leaked(await connect('acme'), 'notes')
    await tenancy.provision('acme')
    expect(told).toEqual(['leak: of acme'])
  })

  it('control: through a plain view of a superuser that function tells all', async () => {
    await world.root.query(`create view public.plain as select * from app.notes where tenant_id = 'acme';
      grant select on public.plain to "${roleOf('acme')}"`)
    const told = await leaked(await connect('acme'), 'public.plain')
    await world.root.query('drop view public.plain')
    expect(told).toContain('leak: of globex')
  })

  it('sees nothing of others when one of the two guards is gone: the policies, or what the view asks for', async () => {
    const acme = await connect('acme')
    await acme.query(`set app.tenant_id = 'globex'`)
    const { rows } = await world.root.query(
      `select viewowner as owner, definition from pg_views where schemaname = 'reports' and viewname = 'notes'`,
    )
    await world.root.query('drop policy tenant_views_only on app.notes')
    expect(await bodies(acme)).toEqual(['of acme'])
    await world.root.query('drop policy tenant_views on app.notes')
    expect(await bodies(acme)).toEqual([])
    await world.root.query('alter table app.notes disable row level security')
    expect(await bodies(acme)).toEqual(['of acme'])
    await tenancy.provision('acme')
    await world.root.query(`set role "${rows[0].owner}"; create or replace view reports.notes with (security_barrier) as
      select tenant_id, id, body from app.notes; reset role`)
    expect(await bodies(acme)).toEqual(['of acme'])
    await tenancy.provision('acme')
    expect(await found()).toEqual([])
  })

  it('reads nothing while its tenant is suspended, on the connection it has', async () => {
    const acme = await connect('acme')
    await tenancy.suspend('acme')
    expect(await stateOf(acme.query('select * from reports.notes'))).toBe('42501')
    await tenancy.provision('acme')
    expect(await stateOf(acme.query('select * from reports.notes'))).toBe('42501')
    expect(await found()).toEqual([])
    await tenancy.resume('acme')
    expect(await bodies(acme, 'reports.notes')).toEqual(['of acme'])
  })

  it('goes with its tenant', async () => {
    await tenancy.provision('initech')
    await tenancy.query('initech', `insert into notes (body) values ('of initech')`)
    const initech = await connect('initech')
    expect(await bodies(initech)).toEqual(['of initech'])
    expect((await tenancy.stats({ tenants: ['initech'] })).tenants).toMatchObject([{ rows: 1 }])
    await tenancy.drop('initech')
    // The administrator is bound by policies too: none of those for views hides from it what it drops.
    expect((await world.root.query(`select from app.notes where tenant_id = 'initech'`)).rows).toEqual([])
    const { rows } = await world.root.query('select from pg_roles where rolname = $1', [roleOf('initech')])
    expect(rows).toEqual([])
    expect(await stateOf(initech.query('select * from reports.notes'))).not.toBe('done')
    expect(await found()).toEqual([])
  })

  it('is never taken over when it was there before', async () => {
    await world.root.query(`create role "${roleOf('taken')}"`)
    expect(await codeOf(tenancy.provision('taken'))).toBe('CONFLICT')
    await world.root.query(`drop role "${roleOf('taken')}"`)
  })
})

describe('views', () => {
  it('follow migrations: a new table, a new column, one that goes, one of another type', async () => {
    const next: Migration = {
      id: '0002_next',
      sql: `alter table notes add column mark text default 'm', alter column body type varchar(100);
        create table orders (tenant_id text not null, id int, primary key (tenant_id, id))`,
    }
    const later = tenancyWith({ migrations: [NOTES, next] })
    const acme = await connect('acme')
    // A reader that leans on the view does not hold the migration up.
    await acme.query('create temporary view mine as select * from reports.notes')
    await later.migrate()
    expect((await acme.query('select body, mark from reports.notes')).rows).toEqual([
      { body: 'of acme', mark: 'm' },
    ])
    expect((await acme.query('select * from reports.orders')).rows).toEqual([])
    expect(await found(later)).toEqual([])
    const last = tenancyWith({
      migrations: [
        NOTES,
        next,
        { id: '0003_last', sql: 'alter table notes drop column mark; drop table orders' },
      ],
    })
    await last.migrate()
    expect(await stateOf(acme.query('select mark from reports.notes'))).toBe('42703')
    expect(await stateOf(acme.query('select * from reports.orders'))).toBe('42P01')
    expect(await found(last)).toEqual([])
    tenancy = last
  })

  type Case = readonly [name: string, breaks: () => string, repairs: () => string, finding: string]
  const CASES: readonly Case[] = [
    [
      'without its barrier',
      () => 'alter view reports.notes reset (security_barrier)',
      () => '',
      'ROW_VIEW_ALTERED reports.notes',
    ],
    [
      'for PUBLIC',
      () => 'grant select on reports.notes to public',
      () => '',
      'ROW_VIEW_ALTERED reports.notes',
    ],
    [
      'for the application',
      () => `grant select on reports.notes to ${world.appRole}`,
      () => '',
      'ROW_VIEW_AS_OWNER reports.notes',
    ],
    [
      'of another owner',
      () => `alter view reports.notes owner to ${world.adminRole}`,
      () => 'drop view reports.notes',
      'ROW_VIEW_ALTERED reports.notes',
    ],
    [
      'that shows more',
      () =>
        'create or replace view reports.notes with (security_barrier) as select tenant_id, id, body from app.notes',
      () => '',
      'ROW_VIEW_ALTERED reports.notes',
    ],
    [
      'that was put there',
      () => 'create view reports.other as select 1',
      () => 'drop view reports.other',
      'ROW_VIEW_ALTERED reports.other',
    ],
    ['that is gone', () => 'drop view reports.countries', () => '', 'ROW_VIEW_MISSING reports.countries'],
    [
      'whose policy is gone',
      () => 'drop policy tenant_views_only on app.notes',
      () => '',
      'ROW_VIEWS_POLICY notes',
    ],
    [
      'whose policy lets more through',
      () => 'alter policy tenant_views_only on app.notes using (true)',
      () => '',
      'ROW_VIEWS_POLICY notes',
    ],
    [
      'whose policy is for all',
      () => 'alter policy tenant_views on app.notes to public',
      () => '',
      'ROW_VIEWS_POLICY notes',
    ],
    [
      'whose policy only adds to another',
      () => {
        const only = `(select rolname from pg_roles where starts_with(rolname, '${world.rolePrefix}_v'))`
        const mine = `case when starts_with(current_user::text, '${world.rolePrefix}') then substr(current_user::text, ${world.rolePrefix.length + 1}) end`
        return `drop policy tenant_views_only on app.notes; do $$ begin execute format($f$create policy tenant_views_only
          on app.notes for select to %I using (tenant_id = (select ${mine}))$f$, ${only}); end $$`
      },
      () => '',
      'ROW_VIEWS_POLICY notes',
    ],
    [
      'read by a role with rights',
      () => `alter role "${roleOf('acme')}" bypassrls`,
      () => `alter role "${roleOf('acme')}" nobypassrls`,
      'TENANT_ROLE ',
    ],
    [
      'read by a stranger',
      () =>
        `do $$ begin execute format('grant %I to ${world.appRole}', (select rolname from pg_roles where starts_with(rolname, '${world.rolePrefix}_r'))); end $$`,
      () =>
        `do $$ begin execute format('revoke %I from ${world.appRole}', (select rolname from pg_roles where starts_with(rolname, '${world.rolePrefix}_r'))); end $$`,
      'ROW_VIEWS_ROLE ',
    ],
    [
      'read by a role of nobody',
      () =>
        `create role "${roleOf('stray')}"; do $$ begin execute format('grant %I to "${roleOf('stray')}"', (select rolname from pg_roles where starts_with(rolname, '${world.rolePrefix}_r'))); end $$`,
      () => `drop owned by "${roleOf('stray')}"; drop role "${roleOf('stray')}"`,
      'ORPHAN_ROLE ',
    ],
    [
      'whose tenant has no role',
      () => `drop owned by "${roleOf('globex')}"; drop role "${roleOf('globex')}"`,
      () => 'select',
      'ROLE_MISSING globex',
    ],
    [
      'not read by its tenant',
      () =>
        `do $$ begin execute format('revoke %I from "${roleOf('acme')}" cascade', (select rolname from pg_roles where starts_with(rolname, '${world.rolePrefix}_r'))); end $$`,
      () => `select 1`,
      'STATUS_MISMATCH acme',
    ],
  ]
  // One look finds all that is wrong; what is wrong with the same thing in another way is another round.
  it.each(
    [
      ['without its barrier', 'whose policy is gone', 'that was put there', 'read by a role with rights'],
      ['for PUBLIC', 'whose policy lets more through', 'that is gone', 'read by a stranger'],
      ['of another owner', 'whose policy is for all', 'read by a role of nobody'],
      ['that shows more', 'whose policy only adds to another', 'whose tenant has no role'],
      ['for the application', 'not read by its tenant'],
    ].map((round) => [round.join(', '), CASES.filter(([name]) => round.includes(name))] as const),
  )('%s: are found, and repaired', async (_, cases) => {
    for (const [, breaks, , finding] of cases) {
      const as = finding.startsWith('STATUS') ? `set role ${world.adminRole}; ` : ''
      await world.root.query(`${as}${breaks()}; reset role`)
    }
    const seen = await found()
    for (const [, , repairs] of cases) if (repairs() !== '') await world.root.query(repairs())
    for (const key of ['acme', 'globex']) await tenancy.provision(key)
    for (const [name, , , finding] of cases)
      expect(seen.filter((one) => one.startsWith(finding)).length, name).toBeGreaterThan(0)
    expect(await found()).toEqual([])
    // What provision puts right it does for each by itself.
    for (const [name, breaks] of cases.filter(([, , repairs]) => repairs() === '')) {
      await world.root.query(breaks())
      for (const key of ['acme', 'globex']) await tenancy.provision(key)
      expect(await found(), name).toEqual([])
    }
  })

  it('go when the option goes, and come back', async () => {
    const { views: _, ...plain } = ROW
    const without = tenancyWith({ row: plain, migrations: migrationsOf() })
    await without.provision('acme')
    expect((await world.root.query(`select to_regnamespace('reports') as it`)).rows).toEqual([{ it: null }])
    expect((await world.root.query(`select from pg_policy where polname like 'tenant_views%'`)).rows).toEqual(
      [],
    )
    expect(await found(without)).toEqual([])
    await tenancy.provision('acme')
    expect(await found()).toEqual(['STATUS_MISMATCH globex'])
    await tenancy.provision('globex')
    expect(await bodies(await connect('globex'))).toEqual(['of globex'])
  })

  it('are the same where the administrator is a superuser, whom no policy binds', async () => {
    const mine = tenancyWith({
      adminPool: world.root,
      schemaPrefix: 's_',
      rolePrefix: `${world.rolePrefix}s_`,
      row: { schema: 'super', views: 'super_reports', referenceTables: ['countries'] },
    })
    for (const key of ['acme', 'globex']) {
      await mine.provision(key)
      await mine.query(key, 'insert into notes (body) values ($1)', [`super ${key}`])
    }
    const reader = await connect('s_acme')
    await reader.query(`set app.tenant_id = 'globex'`)
    expect(await bodies(reader)).toEqual(['super acme'])
    expect(await stateOf(reader.query('select * from reports.notes'))).toBe('42501')
    expect(await found(mine)).toEqual([])
    for (const key of ['acme', 'globex']) await mine.drop(key)
  })

  it('refuse a name that is something else, before anything is sent', () => {
    for (const views of ['app', 'public', 'pg_x', 'No', ''])
      expect(() => tenancyWith({ row: { ...ROW, views } })).toThrow(
        expect.objectContaining({ code: 'INVALID_OPTION' }),
      )
  })
})

const migrationsOf = (): readonly Migration[] => [
  NOTES,
  {
    id: '0002_next',
    sql: `alter table notes add column mark text default 'm', alter column body type varchar(100);
        create table orders (tenant_id text not null, id int, primary key (tenant_id, id))`,
  },
  { id: '0003_last', sql: 'alter table notes drop column mark; drop table orders' },
]
