import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { migrateFleet } from '../../src/fleet/migrate.ts'
import { migrationStatus } from '../../src/fleet/status.ts'
import { codeOf, eventually, NOTES, useWorld } from '../support/world.ts'
import { keysOf, ledgersOf, lifecycleOf, provisionMany } from './fleet-world.ts'

const world = useWorld([])
const keys = keysOf(6)
const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]
const INDEX = {
  id: '0002_index',
  sql: `-- pg-tenant: no-transaction
create unique index concurrently idx_body on notes (lower(body));
alter table notes add column after int`,
}
const fleet = () => lifecycleOf(world, [NOTES, INDEX])
const indexes = async () =>
  (
    await world.root.query<{ key: string; valid: boolean }>(
      `select substr(nspname, 3) as key, indisvalid as valid from pg_index join pg_class c on c.oid = indexrelid
       join pg_namespace n on n.oid = relnamespace where relname = 'idx_body' order by 1`,
    )
  ).rows

beforeAll(async () => {
  await provisionMany(world, keys)
  await world.root.query(`insert into c_t0002.notes (body) values ('same'), ('Same')`)
  await world.tenancy().suspend('t0004')
  // The control schema as a release before left it, which had no table for this: the first test brings it up to date.
  await world.root.query(`drop table tenancy.tenant_migration_run, tenancy.tenant_offboarding;
    drop index tenancy.idx_tenant_ready;
    alter table tenancy.tenant drop column schema_name, drop column role_name, drop column database_name;
    delete from tenancy.control_version where version > 2`)
})

describe('a migration without a transaction', () => {
  it('that fails in the middle leaves a note of how far it came', async () => {
    const report = await migrateFleet(fleet(), { maxFailures: 9, connections: 3 })
    expect(report).toMatchObject({ migrated: 5, failed: 1 })
    expect(report.tenants.find(({ state }) => state === 'failed')).toMatchObject({
      tenant: 't0002',
      error: {
        code: 'DUPLICATE_RESOURCE',
        details: { migration: '0002_index', line: 2, statement: 1, sqlState: '23505' },
      },
    })
    expect((await indexes()).filter(({ valid }) => !valid)).toEqual([{ key: 't0002', valid: false }])
    expect(await one('select key, started, done from tenancy.tenant_migration_run')).toEqual({
      key: 't0002',
      started: 1,
      done: 0,
    })
    expect(await ledgersOf(world, 't0001')).toEqual(['0001_notes', '0002_index'])
    expect(
      await one(`select tableowner as owner from pg_tables join pg_indexes using (schemaname, tablename)
      where schemaname = 'c_t0001' and indexname = 'idx_body'`),
    ).toEqual({ owner: `${world.rolePrefix}t0001` })
  })

  it('goes on there when it is run again: the invalid index is dropped first', async () => {
    await world.root.query('delete from c_t0002.notes')
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true, migrated: 1 })
    expect((await indexes()).map(({ valid }) => valid)).toEqual(keys.map(() => true))
    expect(await one('select count(*)::int as n from tenancy.tenant_migration_run')).toEqual({ n: 0 })
    expect(await ledgersOf(world, 't0002')).toEqual(['0001_notes', '0002_index'])
    expect(
      await one(`select duration_ms > 0 as timed, schema_version as version from tenancy.tenant_migration m
      join tenancy.tenant t using (prefix, key) where m.id = '0002_index' and key = 't0002'`),
    ).toEqual({
      timed: true,
      version: '0002_index',
    })
  })

  it('does not do again what was done when the process died before it could say so', async () => {
    const drop = { id: '0003', sql: '-- pg-tenant: no-transaction\ndrop index concurrently idx_body' }
    const both = {
      id: '0004',
      sql: '-- pg-tenant: no-transaction\ncreate index concurrently idx_again on notes (body);\ncreate table after_it (a int)',
    }
    await world.root.query(
      `insert into tenancy.tenant_migration_run (prefix, key, id, checksum, started, done)
      select 'c_', key, id, encode(sha256(convert_to(sql, 'UTF8')), 'hex'), 1, 0
      from (values ('t0000'), ('t0001')) k (key), (values ('0003', $1), ('0004', $2)) m (id, sql)`,
      [drop.sql, both.sql],
    )
    await world.root.query('drop index c_t0000.idx_body; create index idx_again on c_t0000.notes (body)')
    const before = await one(`select 'c_t0000.idx_again'::regclass::oid as oid`)
    const lifecycle = lifecycleOf(world, [NOTES, INDEX, drop, both])
    expect(await migrateFleet(lifecycle)).toMatchObject({ ok: true, migrated: keys.length })
    expect(await indexes()).toEqual([])
    expect(await one(`select 'c_t0000.idx_again'::regclass::oid as oid`)).toEqual(before)
  })

  it('lets no scope of a suspended tenant in meanwhile, nor afterwards', async () => {
    const tenancy = world.tenancy()
    const more = {
      id: '0005',
      sql: '-- pg-tenant: no-transaction\ncreate index concurrently idx_wait on notes (body)',
    }
    const earlier = [
      NOTES,
      INDEX,
      { id: '0003', sql: '-- pg-tenant: no-transaction\ndrop index concurrently idx_body' },
    ]
    const both = {
      id: '0004',
      sql: '-- pg-tenant: no-transaction\ncreate index concurrently idx_again on notes (body);\ncreate table after_it (a int)',
    }
    const reader = new pg.Client(world.url)
    await reader.connect()
    await reader.query('begin; insert into c_t0004.notes (body) values ($$open$$)')
    const running = migrateFleet(lifecycleOf(world, [...earlier, both, more]), { only: ['t0004'] })
    const waits = `select count(*)::int as n from pg_stat_activity where query like 'create index concurrently idx_wait%' and wait_event_type = 'Lock'`
    await eventually(async () => (await one(waits)).n === 1)
    expect(await codeOf(tenancy.query('t0004', 'select * from notes'))).toBe('TENANT_SUSPENDED')
    await reader.query('rollback')
    await reader.end()
    expect(await running).toMatchObject({ ok: true, migrated: 1 })
    expect(await codeOf(tenancy.query('t0004', 'select 1'))).toBe('TENANT_SUSPENDED')
    await tenancy.resume('t0004')
    expect((await tenancy.query('t0004', 'select count(*)::int as n from notes')).rows).toEqual([{ n: 0 }])
    await tenancy.suspend('t0004')
  })
})

describe('a suspended tenant', () => {
  it('is migrated like the others and stays suspended', async () => {
    const level = { level: 'schema', schemaPrefix: 's_' } as const
    const tenancy = world.tenancy({ isolation: 'schema', schemaPrefix: 's_' })
    await provisionMany(world, ['plain', 'shut'], { isolation: 'schema', schemaPrefix: 's_' })
    await tenancy.suspend('shut')
    const migrations = [NOTES, { id: '0002', sql: 'create table more (a int)' }]
    expect(await migrateFleet(lifecycleOf(world, migrations, level))).toMatchObject({ ok: true, migrated: 2 })
    expect(await codeOf(tenancy.query('shut', 'select 1'))).toBe('TENANT_SUSPENDED')
    expect((await tenancy.query('plain', 'select count(*)::int as n from more')).rows).toEqual([{ n: 0 }])
    const usage = await one(`select has_schema_privilege($1, 's_shut', 'usage') as app`, [world.appRole])
    expect(usage).toEqual({ app: false })
  })

  it('at level role too, in one transaction with its right to use the schema', async () => {
    const level = { level: 'role', schemaPrefix: 'r_' } as const
    const tenancy = world.tenancy({ schemaPrefix: 'r_' })
    await provisionMany(world, ['rshut'], { schemaPrefix: 'r_' })
    await tenancy.suspend('rshut')
    const migrations = [NOTES, { id: '0002', sql: 'create table more (a int)' }]
    expect(await migrateFleet(lifecycleOf(world, migrations, level))).toMatchObject({ ok: true, migrated: 1 })
    expect(await codeOf(tenancy.query('rshut', 'select 1'))).toBe('TENANT_SUSPENDED')
    await tenancy.resume('rshut')
    expect((await tenancy.query('rshut', 'select count(*)::int as n from more')).rows).toEqual([{ n: 0 }])
  })
})

describe('a migration that was cut off', () => {
  it('is finished more than 25 days later, which its milliseconds cannot count', async () => {
    const prefix = { level: 'schema', schemaPrefix: 'o_' } as const
    await provisionMany(world, ['old'], { isolation: 'schema', schemaPrefix: 'o_' })
    await world.root.query(`insert into o_old.notes (body) values ('same'), ('Same')`)
    const lifecycle = lifecycleOf(world, [NOTES, INDEX], prefix)
    expect(await migrateFleet(lifecycle)).toMatchObject({ failed: 1 })
    await world.root.query(`delete from o_old.notes;
      update tenancy.tenant_migration_run set started_at = now() - interval '60 days'`)
    expect(await migrateFleet(lifecycle)).toMatchObject({ ok: true, migrated: 1 })
    expect((await migrationStatus(lifecycle))[1]?.slowestMs).toBe(2_147_483_647)
  })
})

describe('phases', () => {
  it('expand now, contract later', async () => {
    const prefix = { level: 'schema', schemaPrefix: 'p_' } as const
    await provisionMany(world, ['one'], { isolation: 'schema', schemaPrefix: 'p_' })
    const lifecycle = lifecycleOf(
      world,
      [
        NOTES,
        { id: '0002', sql: '-- pg-tenant: phase=contract\nalter table notes drop column body' },
        { id: '0003', sql: 'alter table notes add column text text' },
      ],
      prefix,
    )
    expect((await migrateFleet(lifecycle, { phase: 'expand' })).tenants[0]?.applied).toEqual(['0003'])
    expect(await migrateFleet(lifecycle, { phase: 'expand' })).toMatchObject({ behind: 0 })
    expect((await migrationStatus(lifecycle)).map(({ phase, have }) => [phase, have])).toEqual([
      ['expand', 1],
      ['contract', 0],
      ['expand', 1],
    ])
    expect((await migrateFleet(lifecycle, { phase: 'contract' })).tenants[0]?.applied).toEqual(['0002'])
    expect(await migrateFleet(lifecycle)).toMatchObject({ ok: true, behind: 0 })
  })
})

describe('a contract migration', () => {
  const COPY = { id: '0002', sql: 'alter table notes add column text text; update notes set text = body' }
  const DROP = { id: '0003', sql: '-- pg-tenant: phase=contract\nalter table notes drop column body' }
  const prefix = { level: 'schema', schemaPrefix: 'k_' } as const
  const lifecycle = () => lifecycleOf(world, [NOTES, COPY, DROP], prefix)

  it('never goes before the expand migration that copies what it takes away', async () => {
    await provisionMany(world, ['first', 'second'], { isolation: 'schema', schemaPrefix: 'k_' })
    await world.root.query(`insert into k_first.notes (body) values ('kept')`)
    await migrateFleet(lifecycle(), { phase: 'expand', only: ['second'] })
    await expect(migrateFleet(lifecycle(), { phase: 'contract' })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { tenant: 'first', migration: '0003', lacks: '0002' },
    })
    for (const key of ['first', 'second']) expect(await ledgersOf(world, key, 'k_')).not.toContain('0003')
    expect(await migrateFleet(lifecycle(), { phase: 'contract', only: ['second'] })).toMatchObject({
      ok: true,
    })
  })

  it('nor where only the ledger in the schema says that it is lacking', async () => {
    await migrateFleet(lifecycle(), { phase: 'expand' })
    await world.root.query(`alter table k_first.notes drop column text;
      delete from k_first._tenant_migration where id = '0002'`)
    const report = await migrateFleet(lifecycle(), { phase: 'contract', recheck: true, only: ['first'] })
    expect(report.tenants).toMatchObject([
      {
        tenant: 'first',
        state: 'failed',
        applied: [],
        error: { code: 'CONFLICT', details: { lacks: '0002' } },
      },
    ])
    expect(await migrateFleet(lifecycle())).toMatchObject({ ok: true })
    expect(await one('select text from k_first.notes')).toEqual({ text: 'kept' })
  })
})

describe('a ledger that does not agree', () => {
  it('with the schema, after a restore say, is put right, and the schema is believed', async () => {
    const prefix = { level: 'schema', schemaPrefix: 'l_' } as const
    await provisionMany(world, ['back', 'ahead'], { isolation: 'schema', schemaPrefix: 'l_' })
    const lifecycle = lifecycleOf(world, [NOTES, { id: '0002', sql: 'create table more (a int)' }], prefix)
    await migrateFleet(lifecycle)
    // `back`: an older backup was restored. `ahead`: the registry was.
    await world.root.query(`drop table l_back.more; delete from l_back._tenant_migration where id = '0002';
      delete from tenancy.tenant_migration where prefix = 'l_' and key = 'ahead' and id = '0002'`)
    const report = await migrateFleet(lifecycle, { recheck: true })
    expect(report.tenants.map(({ tenant, state }) => `${tenant} ${state}`).sort()).toEqual([
      'ahead current',
      'back migrated',
    ])
    for (const key of ['back', 'ahead'])
      expect(await ledgersOf(world, key, 'l_')).toEqual(['0001_notes', '0002'])
  })

  it('because the schema is gone is said', async () => {
    await provisionMany(world, ['lost'], { isolation: 'schema', schemaPrefix: 'm_' })
    await world.root.query('drop schema m_lost cascade')
    const lifecycle = lifecycleOf(world, [NOTES, { id: '0002', sql: 'create table more (a int)' }], {
      level: 'schema',
      schemaPrefix: 'm_',
    })
    const report = await migrateFleet(lifecycle)
    expect(report.tenants).toMatchObject([
      { state: 'failed', attempts: 1, error: { code: 'SCHEMA_MISSING' } },
    ])
  })
})
