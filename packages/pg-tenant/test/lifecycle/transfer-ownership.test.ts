// @module-tag sampled
import { describe, expect, it } from 'vitest'
import { useFolder } from '../archive/support.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { codeOf, eventually, NOTES, useWorld } from '../support/world.ts'

// Level `schema`: tenants that an earlier release made as the administrator, and what the application makes at run time.

const world = useWorld([])
const folder = useFolder()
const PREFIX = { isolation: 'schema', schemaPrefix: 's_', rolePrefix: `${'b'}_` } as const
const MORE = {
  id: '0002',
  sql: 'alter table notes add column size integer; update notes set size = length(body)',
}
const OUTSIDE = {
  id: '0002',
  sql: '-- pg-tenant: no-transaction\ncreate index concurrently notes_body on notes (body);',
}
const open = (...more: { id: string; sql: string }[]) =>
  world.tenancy({ ...PREFIX, rolePrefix: world.rolePrefix, migrations: [NOTES, ...more] })
const roleOf = (key: string) => `${world.rolePrefix}s_${key}`

const KINDS = [
  "create type s_KEY.mood as enum ('sad', 'glad')",
  'create type s_KEY.pair as (a int, b int)',
  'create type s_KEY.span as range (subtype = int4)',
  'create domain s_KEY.short as text check (length(value) < 9)',
  `create function s_KEY.one() returns int language sql as 'select 1'`,
  `create procedure s_KEY.nothing() language sql as ''`,
  `create function s_KEY.plus(int, int) returns int language sql immutable as 'select $1 + $2'`,
  "create aggregate s_KEY.many(*) (sfunc = int8inc, stype = int8, initcond = '0')",
  'create operator s_KEY.@+@ (function = s_KEY.plus, leftarg = int, rightarg = int)',
  'create sequence s_KEY.numbers',
  'create table s_KEY."Odd name" (id bigint generated always as identity, at int, x serial) partition by range (at)',
  'create table s_KEY.part partition of s_KEY."Odd name" for values from (0) to (10)',
  'create view s_KEY.seen as select body from s_KEY.notes',
  'create materialized view s_KEY.kept as select 1 as one',
  'create collation s_KEY.mine from "C"',
  'create statistics s_KEY.stats on id, body from s_KEY.notes',
  'create text search configuration s_KEY.words (copy = pg_catalog.simple)',
  'create text search dictionary s_KEY.dict (template = pg_catalog.simple)',
]

/** Whoever owns something in a tenant's schema, but for marker and ledger. */
const OWNERS = `select distinct pg_get_userbyid(owner) as owner from (
    select relowner as owner from pg_class where relnamespace = $1::regnamespace and relkind <> 'i' and relname !~ '^(_tenant_|pk_)'
    union all select typowner from pg_type where typnamespace = $1::regnamespace and typname !~ '^_*tenant_'
    union all select proowner from pg_proc where pronamespace = $1::regnamespace and prolang <> (select oid from pg_language where lanname = 'internal')
    union all select oprowner from pg_operator where oprnamespace = $1::regnamespace
    union all select collowner from pg_collation where collnamespace = $1::regnamespace
    union all select stxowner from pg_statistic_ext where stxnamespace = $1::regnamespace
    union all select dictowner from pg_ts_dict where dictnamespace = $1::regnamespace
    union all select cfgowner from pg_ts_config where cfgnamespace = $1::regnamespace) o order by 1`
const ownersIn = async (key: string) =>
  (await world.root.query(OWNERS, [`s_${key}`])).rows.map(({ owner }) => owner)

/** A tenant as releases made it that had no role at this level: everything is the administrator's. */
async function earlier(key: string, kinds: readonly string[] = []): Promise<void> {
  await open().provision(key)
  await open().query(key, `insert into notes (body) values ('kept')`)
  const { root, adminRole, appRole } = world
  await root.query(`set role "${adminRole}"; grant create on schema s_${key} to "${adminRole}"; reset role`)
  await root.query(`reassign owned by "${roleOf(key)}" to "${adminRole}"`)
  await root.query(`drop owned by "${roleOf(key)}"; drop role "${roleOf(key)}"`)
  await root.query(`grant select, insert, update, delete on s_${key}.notes to "${appRole}"`)
  for (const sql of kinds)
    await root.query(`set role "${adminRole}"; ${sql.replaceAll('KEY', key)}; reset role`)
}
const body = async (key: string) => (await open().query(key, 'select body from notes')).rows

describe('a tenant of an earlier release', () => {
  it.skipIf(SLOW)('goes on, and is suspended, before anything is changed', async () => {
    await earlier('old')
    expect(await body('old')).toEqual([{ body: 'kept' }])
    await open().suspend('old')
    expect(await codeOf(body('old'))).toBe('TENANT_SUSPENDED')
    await open().resume('old')
    expect(await ownersIn('old')).toEqual([world.adminRole])
    expect((await open().doctor()).findings).toContainEqual(
      expect.objectContaining({ code: 'ROLE_MISSING', subject: 'old' }),
    )
  })

  it.skipIf(SLOW)('is given to its role by provision, whatever is in it', async () => {
    await earlier('kinds', KINDS)
    expect(await open().provision('kinds')).toMatchObject({ created: false })
    expect(await ownersIn('kinds')).toEqual([roleOf('kinds')])
    expect(await body('kinds')).toEqual([{ body: 'kept' }])
    // What somebody makes by hand afterwards, too.
    await world.root.query(`set role "${world.adminRole}"; create table s_kinds.by_hand (id int); reset role`)
    await open().provision('kinds')
    expect(await ownersIn('kinds')).toEqual([roleOf('kinds')])
    await open().query('kinds', 'insert into notes (body) values (1)')
  })

  const ways = [
    ['in a transaction', MORE],
    ['outside one', OUTSIDE],
  ] as const
  it.each(inTurn(ways, 2))('is given to its role by migrate, %s', async (how, more) => {
    const key = `migrated_${how.length}`
    await earlier(key)
    await earlier(`${key}_shut`)
    await open().suspend(`${key}_shut`)
    const report = await open(more).migrate({ only: [key, `${key}_shut`] })
    expect(report).toMatchObject({ ok: true, migrated: 2 })
    expect(await ownersIn(key)).toEqual([roleOf(key)])
    expect(await codeOf(open(more).query(`${key}_shut`, 'select 1'))).toBe('TENANT_SUSPENDED')
    await open(more).resume(`${key}_shut`)
    for (const one of [key, `${key}_shut`]) {
      await open(more).query(one, `insert into notes (body) values ('new')`)
      await open(more).drop(one)
    }
  })

  it('is backed up and restored, exported and off-boarded', { tags: 'slow' }, async () => {
    await earlier('archived')
    const to = folder.path('archived')
    await open().backup('archived', { to })
    await open().restore('archived', { from: to, force: 'replace' })
    expect(await ownersIn('archived')).toEqual([roleOf('archived')])
    expect(await body('archived')).toEqual([{ body: 'kept' }])
    await earlier('leaving')
    await open().suspend('leaving')
    await open().export('leaving', { to: folder.path('leaving-rows') })
    await open().offboard('leaving', { confirm: 'leaving', backup: { to: folder.path('leaving') } })
    const { rows } = await world.root.query('select rolname from pg_roles where rolname = $1', [
      roleOf('leaving'),
    ])
    expect(rows).toEqual([])
  })

  it.skipIf(SLOW)('a role that is something else is not taken', async () => {
    await earlier('taken')
    await world.root.query(`create role "${roleOf('taken')}" login`)
    expect(await codeOf(open().provision('taken'))).toBe('CONFLICT')
    expect(await body('taken')).toEqual([{ body: 'kept' }])
    await world.root.query(`drop role "${roleOf('taken')}"`)
  })
})

describe('what the application made at run time', () => {
  const MADE = [
    "create type mood as enum ('sad', 'glad')",
    "create table made (id bigserial primary key, feeling mood, note text default 'none')",
    `insert into made (feeling) values ('glad')`,
    'create table mine (id int)',
    'insert into mine values (1)',
    'alter table mine enable row level security',
    'create view made_seen as select feeling from made',
    'create materialized view made_kept as select count(*) as many from made',
  ]
  const made = async (key: string) => {
    await open().provision(key)
    for (const sql of MADE) await open().query(key, sql)
  }

  it.each(inTurn([true, false], 2))(
    'is backed up, exported and off-boarded; suspended before: %s',
    async (suspended) => {
      const key = `made_${suspended}`
      await made(key)
      if (suspended) await open().suspend(key)
      const to = folder.path(key)
      const { rows } = await open().backup(key, { to })
      expect(rows).toBe(2)
      expect((await open().export(key, { to: folder.path(`${key}-rows`) })).rows).toBe(2)
      const last = folder.path(`${key}-last`)
      expect(await open().offboard(key, { confirm: key, backup: { to: last } })).toMatchObject({ rows: 2 })
      await open().restore(`${key}_back`, { from: last })
      // It is the tenant's now; the application may do with it what it does with tables of migrations, and more.
      await open().query(`${key}_back`, `insert into made (feeling) values ('sad')`)
      await open().query(`${key}_back`, 'truncate made')
      expect(await ownersIn(`${key}_back`)).toEqual([roleOf(`${key}_back`)])
      // And once more what came back.
      const again = folder.path(`${key}-again`)
      await open().backup(`${key}_back`, { to: again })
      await open().restore(`${key}_again`, { from: again })
    },
  )

  it.skipIf(SLOW)('a closed tenant lets no scope in while it is read', async () => {
    await made('shut')
    await open().suspend('shut')
    const holding = await world.root.connect()
    await holding.query('begin; lock table s_shut.mine')
    const reading = open().backup('shut', { to: folder.path('shut') })
    await eventually(async () => {
      const { rows } = await world.root.query(
        `select from pg_locks where relation = 's_shut.mine'::regclass and not granted`,
      )
      return rows.length > 0
    })
    const { rows } = await world.root.query(`select has_schema_privilege($1, 's_shut', 'usage') as usage`, [
      world.appRole,
    ])
    expect(rows).toEqual([{ usage: true }])
    expect(await codeOf(open().query('shut', 'select 1'))).toBe('TENANT_SUSPENDED')
    await holding.query('rollback')
    holding.release()
    await reading
  })

  it.runIf(SLOW)('a closed tenant is closed again behind it, and resumes', async () => {
    await made('closed')
    await open().suspend('closed')
    await open().backup('closed', { to: folder.path('closed') })
    const { rows } = await world.root.query(
      `select has_schema_privilege($1, 's_closed', 'usage') as usage, has_table_privilege($1, 's_closed._tenant_s_', 'select') as marker`,
      [world.appRole],
    )
    expect(rows).toEqual([{ usage: false, marker: true }])
    expect(await codeOf(open().query('closed', 'select 1'))).toBe('TENANT_SUSPENDED')
    // Cut off while it was open behind the marker.
    await world.root.query(
      `grant usage on schema s_closed to "${world.appRole}"; revoke select on s_closed._tenant_s_ from "${world.appRole}"`,
    )
    expect(await codeOf(open().query('closed', 'select 1'))).not.toBe('resolved')
    await open().resume('closed')
    expect((await open().query('closed', 'select id from mine')).rows).toEqual([{ id: 1 }])
  })
})

it('tenants made ahead by an earlier release are given out', { tags: 'slow' }, async () => {
  const ready = world.tenancy({ ...PREFIX, schemaPrefix: 'r_', rolePrefix: world.rolePrefix })
  await ready.ready.fill(1)
  const { rows } = await world.root.query(`select nspname, rolname from pg_namespace
    join pg_roles on rolname = '${world.rolePrefix}' || nspname || substr(nspname, 3) or rolname = '${world.rolePrefix}' || nspname
    where nspname like 'r\\_\\_ready%'`)
  const { nspname, rolname } = rows[0] as { nspname: string; rolname: string }
  await world.root.query(
    `reassign owned by "${rolname}" to "${world.adminRole}"; drop owned by "${rolname}"; drop role "${rolname}"`,
  )
  await world.root.query(`grant select, insert on "${nspname}".notes to "${world.appRole}"`)
  expect(await ready.provision('claimed', { fromReady: true })).toMatchObject({ claimed: true })
  await ready.query('claimed', `insert into notes (body) values ('x')`)
  const owner = await world.root.query(
    `select tableowner from pg_tables where schemaname = 'r_claimed' and tablename = 'notes'`,
  )
  expect(owner.rows).toEqual([{ tableowner: `${world.rolePrefix}r_claimed` }])
})
