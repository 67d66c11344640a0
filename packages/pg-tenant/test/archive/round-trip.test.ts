// @module-tag sampled
import { beforeAll, describe, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { inspectArchive } from '../../src/archive/inspect.ts'
import { restoreTenant } from '../../src/archive/restore/restore.ts'
import { drop } from '../../src/lifecycle/drop.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { suspend } from '../../src/lifecycle/suspend.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { codeOf, NOTES, useWorld } from '../support/world.ts'
import { contents, facts } from './contents.ts'
import { ODD, ROWS } from './odd-schema.ts'
import { keyOf, lifecycleOf, provisioned, useFolder } from './support.ts'

const world = useWorld([])
const folder = useFolder()
let lifecycle: Lifecycle

beforeAll(() => {
  lifecycle = lifecycleOf(world)
})

/** Runs statements as the tenant's role, as its application would. */
async function asTenant(key: string, statements: readonly string[]): Promise<void> {
  const tenancy = world.tenancy({ migrations: ODD })
  for (const sql of statements) await tenancy.query(key, sql)
}

describe('a tenant with odd data', () => {
  let odd: Lifecycle

  beforeAll(async () => {
    odd = lifecycleOf(world, { migrations: ODD })
    await provisioned(odd, 'odd')
    await asTenant('odd', ROWS)
  })

  it.each(inTurn(['zstd', 'gzip', 'none'] as const, 3))(
    'comes back as it was, under another key (%s)',
    async (compression) => {
      const before = await contents(world, 'odd')
      const to = folder.path(`odd-${compression}`)
      const backup = await backupTenant(odd, keyOf(odd, 'odd'), { to, compression })
      expect(await inspectArchive(to)).toMatchObject({ sha256: backup.sha256, bytes: backup.bytes })
      const clone = keyOf(odd, `clone-${compression}`)
      const restored = await restoreTenant(odd, clone, { from: to })
      expect(restored).toMatchObject({
        source: 'odd',
        rows: backup.rows,
        sha256: backup.sha256,
        migrations: [],
      })
      const after = await contents(world, `clone-${compression}`)
      expect(after).toEqual(before)
      expect(before['Weird "Table".x']).toHaveLength(804)
      expect(before.event_2024).toHaveLength(1)
      expect(before.touched).toEqual([expect.stringContaining('(1,2)')])
    },
  )

  it.skipIf(SLOW)('has its triggers, constraints, sequences and owner as the original has them', async () => {
    const [before, after] = [await facts(world, 'odd'), await facts(world, 'clone-zstd')]
    expect(after).toEqual(before)
    const tenancy = world.tenancy({ migrations: ODD })
    const next = `select nextval('"Odd Sequence"') as odd, nextval(pg_get_serial_sequence('seeded', 'id')) as seeded`
    expect((await tenancy.query('clone-zstd', next)).rows).toEqual((await tenancy.query('odd', next)).rows)
  })

  it.runIf(SLOW)('is backed up the same while it is suspended, and comes back to its own key', async () => {
    const before = await contents(world, 'odd')
    await suspend(odd, keyOf(odd, 'odd'), 'unpaid')
    const to = folder.path('suspended')
    await backupTenant(odd, keyOf(odd, 'odd'), { to })
    expect(await codeOf(world.tenancy({ migrations: ODD }).query('odd', 'select 1'))).toBe('TENANT_SUSPENDED')
    await restoreTenant(odd, keyOf(odd, 'odd'), { from: to, force: 'replace' })
    expect(await codeOf(world.tenancy({ migrations: ODD }).query('odd', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect(await contents(world, 'odd')).toEqual(before)
  })
})

// PostgreSQL refuses to make such a function where nobody can change the role, as in the tenant's room.
describe('functions that say which role they run as', { tags: 'slow' }, () => {
  const made = () => [
    'create type pair as (a int, b int)',
    `create function as_none(pair, text default e'\\n SET role TO ') returns text language plpgsql set role to 'none' set work_mem to '1MB'
       as $f$ begin return current_user; end $f$`,
    `create procedure as_none() language sql set role to 'none' begin atomic select 1; end`,
    `create function as_other() returns text language sql set session_authorization to '${world.appRole}' as 'select 1'`,
    'create table used (a text default as_none((1, 2)::pair))',
  ]
  const SETTINGS = `select proname, prokind, array(select unnest(proconfig) order by 1) as settings, pg_get_function_arguments(p.oid) as arguments from pg_proc p
    where pronamespace = $1::regnamespace order by 1, 2`

  it('keep them, and keep no tenant from being backed up, restored and off-boarded', async () => {
    const tenant = await provisioned(lifecycle, 'roles')
    const tenancy = world.tenancy()
    for (const sql of made()) await tenancy.query('roles', sql)
    const before = (await world.root.query(SETTINGS, ['c_roles'])).rows
    expect(before).toHaveLength(3)
    const to = folder.path('roles')
    expect((await backupTenant(lifecycle, tenant, { to })).skipped).toEqual([])
    await restoreTenant(lifecycle, tenant, { from: to, force: 'replace' })
    expect((await world.root.query(SETTINGS, ['c_roles'])).rows).toEqual(before)
    await restoreTenant(lifecycle, keyOf(lifecycle, 'roles-b'), { from: to })
    const backup = { to: folder.path('roles-last') }
    expect(await tenancy.offboard('roles', { confirm: 'roles', backup })).toMatchObject({ status: 'deleted' })
  })
})

describe.skipIf(SLOW)('rights that were granted on', () => {
  it('are kept, as given by the tenant, who had them of others or owned what they are to', async () => {
    const tenant = await provisioned(lifecycle, 'granted')
    const [role, other, third] = ['granted', 'other', 'third'].map((name) => `${world.rolePrefix}${name}`)
    await world.root.query(`create role ${other}; create role ${third}; grant usage on schema c_granted to ${other}, ${third};
      set search_path to c_granted; create table theirs (id int); alter table theirs owner to ${world.adminRole};
      set role ${world.adminRole}; grant select, update (id) on theirs to ${role} with grant option;
      set role ${role}; grant select, update (id) on theirs to ${other} with grant option; grant insert on notes to ${other} with grant option;
      set role ${other}; grant select on theirs to ${third}; grant insert on notes to ${third}; reset role; reset search_path`)
    const may = async (schema: string) =>
      (
        await world.root.query(`select rolname, has_table_privilege(oid, '${schema}.theirs', 'select with grant option') as reads,
          has_column_privilege(oid, '${schema}.theirs', 'id', 'update') as writes, has_table_privilege(oid, '${schema}.notes', 'insert') as inserts,
          has_table_privilege(oid, '${schema}.theirs', 'select') as sees from pg_roles where rolname in ('${other}', '${third}') order by 1`)
      ).rows
    const before = await may('c_granted')
    const to = folder.path('granted')
    await backupTenant(lifecycle, tenant, { to })
    await restoreTenant(lifecycle, tenant, { from: to, force: 'replace' })
    expect(await may('c_granted')).toEqual(before)
    await restoreTenant(lifecycle, keyOf(lifecycle, 'granted-b'), { from: to })
    expect(await may('"c_granted-b"')).toEqual(before)
  })
})

describe.runIf(SLOW)('level schema', () => {
  it('backs up and restores, suspended or not', async () => {
    const plain = lifecycleOf(world, { level: 'schema', schemaPrefix: 's_' })
    const tenant = await provisioned(plain, 'plain')
    const tenancy = world.tenancy({ isolation: 'schema', schemaPrefix: 's_' })
    await tenancy.query('plain', `insert into notes (body) values ('kept')`)
    await suspend(plain, tenant, null)
    const to = folder.path('plain')
    await backupTenant(plain, tenant, { to })
    await drop(plain, tenant)
    await restoreTenant(plain, tenant, { from: to })
    await tenancy.query('plain', `insert into notes (body) values ('new')`)
    expect((await tenancy.query('plain', 'select * from notes order by id')).rows).toEqual([
      { id: '1', body: 'kept' },
      { id: '2', body: 'new' },
    ])
  })
})

describe('a restore', () => {
  it.skipIf(SLOW)(
    'brings a dropped tenant back under its own key, and no other dropped key to life',
    async () => {
      const tenant = await provisioned(lifecycle, 'gone')
      const tenancy = world.tenancy()
      await tenancy.query('gone', `insert into notes (body) values ('mine')`)
      const to = folder.path('gone')
      await backupTenant(lifecycle, tenant, { to })
      const other = await provisioned(lifecycle, 'tomb')
      await drop(lifecycle, tenant)
      await drop(lifecycle, other)
      expect(await codeOf(restoreTenant(lifecycle, other, { from: to }))).toBe('CONFLICT')
      await restoreTenant(lifecycle, tenant, { from: to })
      await restoreTenant(lifecycle, other, { from: to, reuseDeletedKey: true })
      for (const key of ['gone', 'tomb'])
        expect((await tenancy.query(key, 'select body from notes')).rows).toEqual([{ body: 'mine' }])
    },
  )

  it.skipIf(SLOW)('refuses to overwrite data, replaces it when told to', async () => {
    const tenant = await provisioned(lifecycle, 'full')
    const tenancy = world.tenancy()
    const to = folder.path('full')
    await backupTenant(lifecycle, tenant, { to })
    // No row yet: nothing to lose.
    await restoreTenant(lifecycle, tenant, { from: to })
    await tenancy.query('full', `insert into notes (body) values ('precious')`)
    expect(await codeOf(restoreTenant(lifecycle, tenant, { from: to }))).toBe('CONFLICT')
    expect((await tenancy.query('full', 'select body from notes')).rows).toEqual([{ body: 'precious' }])
    await restoreTenant(lifecycle, tenant, { from: to, force: 'replace' })
    expect((await tenancy.query('full', 'select body from notes')).rows).toEqual([])
  })

  it.skipIf(SLOW)('applies newer migrations behind the data of an older archive', async () => {
    const tenant = await provisioned(lifecycle, 'older')
    await world.tenancy().query('older', `insert into notes (body) values ('old')`)
    const to = folder.path('older')
    await backupTenant(lifecycle, tenant, { to })
    const grown = lifecycleOf(world, {
      migrations: [
        NOTES,
        { id: '0002', sql: `alter table notes add size int; update notes set size = length(body)` },
      ],
    })
    const restored = await restoreTenant(grown, keyOf(grown, 'newer'), { from: to })
    expect(restored.migrations).toEqual(['0002'])
    const { rows } = await world.root.query('select body, size from c_newer.notes')
    expect(rows).toEqual([{ body: 'old', size: 3 }])
  })

  it.skipIf(SLOW)('refuses an archive of migrations it does not know or that were edited', async () => {
    const tenant = await provisioned(lifecycle, 'known')
    const to = folder.path('known')
    await backupTenant(lifecycle, tenant, { to })
    for (const migrations of [[], [{ ...NOTES, sql: `${NOTES.sql} -- edited` }]]) {
      const other = lifecycleOf(world, { migrations })
      expect(await codeOf(restoreTenant(other, keyOf(other, 'unknown'), { from: to }))).toBe('CONFLICT')
    }
    expect((await world.root.query(`select to_regnamespace('c_unknown') as s`)).rows).toEqual([{ s: null }])
  })

  const changes = [
    ['a table', 'create table extra (a int)'],
    ['a column', 'alter table notes add extra int'],
    ['a type', 'alter table notes alter body type varchar(99)'],
    ['a sequence', 'create sequence extra'],
  ] as const
  it.each(inTurn(changes, 4))(
    'carries %s the migrations do not make, at level role and from there to level schema',
    async (_, change) => {
      const name = `drift${change.length}`
      const tenant = await provisioned(lifecycle, name)
      await world.tenancy().query(name, change)
      const to = folder.path(name)
      const { skipped } = await backupTenant(lifecycle, tenant, { to })
      expect(skipped).toEqual([])
      await restoreTenant(lifecycle, keyOf(lifecycle, `${name}-b`), { from: to })
      expect(await facts(world, `${name}-b`)).toEqual(await facts(world, name))
      const plain = { schemaPrefix: 'p_', rolePrefix: 'p_', controlSchema: 'ctl_plain' }
      const there = lifecycleOf(world, { level: 'schema', ...plain })
      await restoreTenant(there, keyOf(there, name), { from: to })
      const tenancy = world.tenancy({ isolation: 'schema', ...plain })
      await tenancy.query(name, `insert into notes (body) values ('written by the application')`)
    },
  )
})
