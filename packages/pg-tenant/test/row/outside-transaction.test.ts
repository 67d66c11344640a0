import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { codeOf, eventually, useWorld } from '../support/world.ts'
import { NOTES, rowTenancy } from './row-world.ts'

const world = useWorld([])
const NO_TRANSACTION = '-- pg-tenant: no-transaction\n'
const history = [
  NOTES,
  { id: '0002_mood', sql: `create type mood as enum ('low'); ${'create index idx_old on notes (id)'}` },
]
const add = (sql: string) => void history.push({ id: `000${history.length + 1}`, sql: NO_TRANSACTION + sql })
const take = () => void history.pop()
const at = () => rowTenancy(world, { migrations: [...history] })
const one = async (sql: string) => (await world.root.query(sql)).rows[0]
const index = (name: string) =>
  one(`select indisvalid as valid from pg_index where indexrelid = to_regclass('app.${name}')`)

beforeAll(async () => {
  for (const key of ['acme', 'bravo']) {
    await at().provision(key)
    await at().query(key, `insert into notes (body) values ('same')`)
  }
})

describe('a file without a transaction over shared tables', () => {
  it('runs statement by statement, and what it makes is under its policy', async () => {
    add(`create index concurrently idx_body on notes (body);
      drop index concurrently idx_old;
      alter type mood add value 'high';
      create table moods (tenant_id text, mood mood default 'high', primary key (tenant_id, mood));
      reindex table concurrently notes;
      vacuum (analyze) notes`)
    expect(await at().migrate()).toEqual(['0003'])
    expect([await index('idx_body'), await index('idx_old')]).toEqual([{ valid: true }, undefined])
    await at().query('acme', 'insert into moods default values')
    expect((await at().query('bravo', 'select * from moods')).rows).toEqual([])
    expect(await one('select count(*)::int as runs from tenancy.row_migration_run')).toEqual({ runs: 0 })
    expect(await at().migrate()).toEqual([])
  })

  it('goes on where it failed: no statement is done twice, and an invalid index is built again', async () => {
    add(`create table counted (tenant_id text, n int, primary key (tenant_id, n));
      create unique index concurrently idx_same on notes (lower(body))`)
    await expect(at().migrate()).rejects.toMatchObject({
      code: 'DUPLICATE_RESOURCE',
      message: expect.stringContaining('Migration 0004, line 3'),
      details: { migration: '0004', statement: 2, sqlState: '23505' },
    })
    expect(await index('idx_same')).toEqual({ valid: false })
    expect(await codeOf(at().provision('late'))).toBe('DUPLICATE_RESOURCE')
    await at().query('bravo', `update notes set body = 'other'`)
    expect((await at().provision('late')).migrations).toEqual(['0004'])
    expect(await index('idx_same')).toEqual({ valid: true })
  })

  it('is taken up by another who waits, when the first is cut off in the middle', async () => {
    add('create index concurrently idx_cut on notes (tenant_id, body)')
    const reader = new pg.Client(world.url)
    await reader.connect()
    await reader.query(`begin; insert into app.notes (tenant_id, body) values ('acme', 'open')`)
    const building = async () =>
      (await one(`select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
        and query like 'create index concurrently idx_cut%'`)) as { pid: number } | undefined
    const first = codeOf(at().migrate())
    await eventually(async () => (await building()) !== undefined)
    const second = at().migrate()
    await world.root.query('select pg_terminate_backend($1)', [(await building())?.pid])
    expect(await first).toBe('CONNECTION_LOST')
    await reader.query('commit')
    await reader.end()
    expect(await second).toEqual(['0005'])
    expect(await index('idx_cut')).toEqual({ valid: true })
  })

  it('is run once by two at a time', async () => {
    add(`create index concurrently idx_ahead on notes (body);
      insert into moods (tenant_id, mood) values ('acme', 'low')`)
    await expect(at().migrate()).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      message: expect.stringContaining('without the annotation'),
    })
    take()
    add('create index concurrently idx_two on notes (body); comment on table notes is $$two$$')
    const [a, b] = await Promise.all([at().migrate(), at().migrate()])
    expect([...a, ...b]).toEqual(['0006'])
  })

  it('is refused before anything runs where it would run somebody’s code', async () => {
    add('create table never (tenant_id text); alter table notes detach partition old concurrently')
    expect(await codeOf(at().migrate())).toBe('STATEMENT_REFUSED')
    take()
    add('create index concurrently on notes (body)')
    await expect(at().migrate()).rejects.toMatchObject({ details: { rule: 'index-name' } })
    take()
    expect(await one(`select to_regclass('app.never') as never`)).toEqual({ never: null })
    const role = `${world.rolePrefix}planter`
    await world.root.query(`create role ${role}; grant create, usage on schema app to ${role};
      set role ${role}; create function app.planted() returns int language sql as 'select 1'; reset role`)
    add('create index concurrently idx_planted on notes (body)')
    expect(await codeOf(at().migrate())).toBe('STATEMENT_REFUSED')
    expect(await index('idx_planted')).toBeUndefined()
    await world.root.query(`drop owned by ${role}; drop role ${role}`)
    expect(await at().migrate()).toEqual(['0007'])
  })

  it('waits for no snapshot of its own where the database begins transactions otherwise, and quotes every name', async () => {
    const { database } = await one('select current_database() as database')
    const begins = (sql: string) => world.root.query(`alter database "${database}" ${sql}`)
    await begins('set default_transaction_isolation to serializable')
    await begins('set quote_all_identifiers to on')
    add(
      'create index concurrently idx_strict on notes (body); create table strict (tenant_id text primary key)',
    )
    const adminPool = new pg.Pool({ connectionString: world.adminUrl })
    try {
      expect(await rowTenancy(world, { migrations: [...history], adminPool }).migrate()).toEqual(['0008'])
    } finally {
      await adminPool.end()
      await begins('reset all')
    }
  })

  it('is part of one transaction where there are no tables yet', async () => {
    const row = { schema: 'fresh' }
    const fresh = rowTenancy(world, { migrations: [...history], schemaPrefix: 'f_', row })
    expect((await fresh.provision('acme')).migrations).toEqual(history.map(({ id }) => id))
    expect((await fresh.query('acme', 'select * from notes')).rows).toEqual([])
  })
})
