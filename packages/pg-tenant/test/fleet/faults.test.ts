import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { migrateFleet } from '../../src/fleet/migrate.ts'
import type { Migration } from '../../src/index.ts'
import { codeOf, eventually, NOTES, useWorld } from '../support/world.ts'
import { keysOf, ledgersOf, lifecycleOf, provisionMany } from './fleet-world.ts'

const world = useWorld([])
const keys = keysOf(40)
const SCRIPT = fileURLToPath(new URL('fixtures/migrator.ts', import.meta.url))
const one = async (sql: string, values: unknown[] = []) => (await world.root.query(sql, values)).rows[0]

/** Every test adds one migration to those before it. */
const history: Migration[] = [NOTES]
const add = (sql: string): { id: string; sql: string } => {
  const migration = { id: `${String(history.length + 1).padStart(4, '0')}`, sql }
  history.push(migration)
  return migration
}
const fleet = () => lifecycleOf(world, history)
const having = async (id: string): Promise<number> =>
  (await one('select count(*)::int as n from tenancy.tenant_migration where id = $1', [id])).n
const columns = async (name: string): Promise<number> =>
  (
    await one(
      `select count(*)::int as n from information_schema.columns where table_schema like 'c\\_t%' and column_name = $1`,
      [name],
    )
  ).n

beforeAll(() => provisionMany(world, keys))

/** The tables of the second half are in use, so that nobody is through with all of them, until it is called. */
async function hold(): Promise<() => Promise<void>> {
  const reader = new pg.Client(world.url)
  await reader.connect()
  await reader.query(`begin; select ${keys.slice(20).map((key) => `(select count(*) from c_${key}.notes)`)}`)
  return () => reader.end()
}

function startMigrator(): ChildProcess {
  const flags = [
    '--conditions=@org/source',
    '--disable-warning=ExperimentalWarning',
    '--experimental-strip-types',
  ]
  return spawn(
    process.execPath,
    [...flags, SCRIPT, world.adminUrl, world.rolePrefix, JSON.stringify(history)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
}

describe('a migrator that dies', () => {
  it('by kill -9 in the middle leaves nobody half migrated, and the next one goes on', async () => {
    const { id } = add(`alter table notes add column killed int; select pg_sleep(0.02)`)
    const { ours } = await one('select array_agg(pid) as ours from pg_stat_activity where usename = $1', [
      world.adminRole,
    ])
    const release = await hold()
    const child = startMigrator()
    await eventually(async () => (await having(id)) >= 5)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await release()
    await eventually(
      async () =>
        (
          await one(
            // What the kernel still holds of its messages is run, too.
            `select count(*)::int as n from pg_stat_activity where usename = $1 and pid <> all ($2::int[])`,
            [world.adminRole, ours ?? []],
          )
        ).n === 0,
    )
    const done = await having(id)
    expect(done).toBeLessThan(keys.length)
    expect(await columns('killed')).toBe(done)
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true, migrated: keys.length - done })
    expect(await columns('killed')).toBe(keys.length)
    for (const key of keys) expect(await ledgersOf(world, key)).toContain(id)
  })

  it('loses a connection: that tenant is tried again on another, and each gets it once', async () => {
    const { id } = add(`create table lost (a int); alter table notes add column lost int`)
    const release = await hold()
    const running = migrateFleet(fleet(), { connections: 3, backoff: 10 })
    await eventually(async () => (await having(id)) >= 3)
    const victim = `select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
      where usename = $1 and wait_event_type = 'Lock'`
    await eventually(async () => (await one(victim, [world.adminRole])).n > 0)
    await release()
    const report = await running
    expect(report).toMatchObject({ ok: true, migrated: keys.length })
    expect(report.tenants.some(({ attempts }) => attempts > 1)).toBe(true)
    for (const key of keys) expect(await ledgersOf(world, key)).toContain(id)
  })
})

describe('two migrators at once', () => {
  it('do each tenant once', async () => {
    const { id } = add('create table twice (a int); select pg_sleep(0.005)')
    const other = lifecycleOf(world, history, { adminPool: world.root })
    const options = { connections: 2, backoff: 20 }
    const reports = await Promise.all([migrateFleet(fleet(), options), migrateFleet(other, options)])
    expect(reports.map(({ ok }) => ok)).toEqual([true, true])
    const applied = reports.flatMap(({ tenants }) => tenants.filter(({ state }) => state === 'migrated'))
    expect(applied.map(({ tenant }) => tenant).sort()).toEqual(keys)
    expect(await having(id)).toBe(keys.length)
  })
})

describe('a tenant restored from an older backup', () => {
  it('without telling the registry gets what it lost again, and only then what is new', async () => {
    const { id: lost } = add('create table lost_again (a int)')
    await migrateFleet(fleet())
    await world.root.query(
      `drop table c_t0004.lost_again; delete from c_t0004._tenant_migration where id = '${lost}'`,
    )
    const { id } = add('create table new_to_all (a int)')
    const report = await migrateFleet(fleet())
    expect(report).toMatchObject({ ok: true, migrated: keys.length })
    expect(report.tenants.find(({ tenant }) => tenant === 't0004')?.applied).toEqual([lost, id])
    expect(await ledgersOf(world, 't0004')).toEqual(history.map((migration) => migration.id))
    expect(await one(`select to_regclass('c_t0004.lost_again') is not null as there`)).toEqual({
      there: true,
    })
  })
})

describe('a tenant that is in use', () => {
  it('does not hold up the others, and is tried again until it is free', async () => {
    const { id } = add('alter table notes add column busy int')
    const reader = new pg.Client(world.url)
    await reader.connect()
    await reader.query('begin; select * from c_t0003.notes')
    const seen: string[] = []
    const running = migrateFleet(fleet(), {
      lockTimeout: 100,
      backoff: 20,
      attempts: 50,
      onTenant: ({ tenant }) => seen.push(tenant),
    })
    // Until it has waited in vain: the others may be through before its first try is over.
    const tries = new Set<unknown>()
    await eventually(async () => {
      const waiting = `select query_start::text as since from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      for (const { since } of (await world.root.query(waiting)).rows) tries.add(since)
      return tries.size > 1 && (await having(id)) === keys.length - 1
    })
    await reader.query('commit')
    await reader.end()
    const report = await running
    expect(report.ok).toBe(true)
    expect(seen.at(-1)).toBe('t0003')
    expect(report.tenants.at(-1)).toMatchObject({ tenant: 't0003', state: 'migrated' })
    expect(report.tenants.at(-1)?.attempts).toBeGreaterThan(1)
  })

  it('for too long is reported, and nothing of it is there', async () => {
    add('create table long (a int); alter table notes add column long int')
    const reader = new pg.Client(world.url)
    await reader.connect()
    await reader.query('begin; select * from c_t0003.notes')
    const report = await migrateFleet(fleet(), { lockTimeout: 300, backoff: 5, attempts: 3 })
    await reader.query('commit')
    await reader.end()
    expect(report).toMatchObject({ ok: false, migrated: keys.length - 1, failed: 1 })
    expect(report.tenants.find(({ state }) => state === 'failed')).toMatchObject({
      tenant: 't0003',
      attempts: 3,
      applied: [],
      error: { code: 'TIMEOUT', details: { migration: history.at(-1)?.id, line: 1, sqlState: '55P03' } },
    })
    expect(await one(`select to_regclass('c_t0003.long') as made`)).toEqual({ made: null })
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true, migrated: 1 })
  })

  it('by provision or drop is left alone until that is over', async () => {
    add('create table locked (a int)')
    const holder = new pg.Client(world.url)
    await holder.connect()
    await holder.query(
      `begin; select from tenancy.tenant where prefix = 'c_' and key = 't0005' for no key update`,
    )
    const report = await migrateFleet(fleet(), { backoff: 5, attempts: 2 })
    expect(report.tenants.find(({ state }) => state === 'failed')).toMatchObject({
      tenant: 't0005',
      error: { code: 'CONFLICT' },
    })
    await holder.end()
    await eventually(async () => (await migrateFleet(fleet(), { backoff: 5 })).ok)
  })
})

describe('a migration that fails for some', () => {
  it('is undone for those, said with migration and line and without values, and the others have it', async () => {
    await world.root.query(`insert into c_t0007.notes (body) values ('secret-7')`)
    const { id } = add(
      'create table made (a int);\nalter table notes alter column body type int using body::int',
    )
    const report = await migrateFleet(fleet(), { maxFailures: 5 })
    expect(report).toMatchObject({
      ok: false,
      migrated: keys.length - 1,
      failed: 1,
      untouched: 0,
      stopped: null,
    })
    const failed = report.tenants.find(({ state }) => state === 'failed')
    expect(failed).toMatchObject({
      tenant: 't0007',
      attempts: 1,
      error: {
        code: 'DATABASE_ERROR',
        details: {
          migration: id,
          line: 2,
          statement: expect.any(Number),
          sqlState: '22P02',
          tenant: 't0007',
        },
      },
    })
    expect(JSON.stringify([failed?.error, failed?.error?.message])).not.toContain('secret')
    expect(await one(`select to_regclass('c_t0007.made') as made`)).toEqual({ made: null })
    expect(await ledgersOf(world, 't0007')).not.toContain(id)
    await world.root.query('delete from c_t0007.notes')
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true, migrated: 1 })
  })

  it('stops after so many failures, and goes on when it is run again', async () => {
    const { id } = add(`do $$ begin if current_schema() > 'c_t0009' then raise 'no'; end if; end $$`)
    const report = await migrateFleet(fleet(), { connections: 1, maxFailures: 3 })
    expect(report).toMatchObject({
      migrated: 10,
      failed: 3,
      untouched: keys.length - 13,
      stopped: 'failures',
    })
    expect(await having(id)).toBe(10)
    history.pop()
    await world.root.query('delete from tenancy.tenant_migration where id = $1', [id])
    for (const key of keys)
      await world.root.query(`delete from c_${key}._tenant_migration where id = '${id}'`)
  })

  it.each([
    [2, 2],
    [['t0011'], 1],
  ])('in the canaries %j stops everything else', async (canary, tried) => {
    add('select 1/0')
    const report = await migrateFleet(fleet(), { canary, maxFailures: 100 })
    expect(report).toMatchObject({
      failed: tried,
      migrated: 0,
      untouched: keys.length - tried,
      stopped: 'canary',
    })
    history.pop()
  })

  it('after canaries that are well goes to everybody', async () => {
    add('create table canary (a int)')
    const order: string[] = []
    await migrateFleet(fleet(), { canary: ['t0020', 't0021'], onTenant: ({ tenant }) => order.push(tenant) })
    expect(order.slice(0, 2).sort()).toEqual(['t0020', 't0021'])
    expect(order).toHaveLength(keys.length)
  })

  it('for lack of a privilege is said as that', async () => {
    await world.root.query(`revoke create on schema c_t0013 from ${world.rolePrefix}t0013`)
    const { id } = add('create table denied (a int)')
    const report = await migrateFleet(fleet())
    expect(report.tenants.filter(({ state }) => state === 'failed')).toMatchObject([
      { tenant: 't0013', error: { code: 'DATABASE_ERROR', details: { migration: id, sqlState: '42501' } } },
    ])
    await world.root.query(`grant create on schema c_t0013 to ${world.rolePrefix}t0013`)
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true })
  })
})

describe('a migration that would escape', () => {
  it.each([
    [
      'its role',
      `create function leave() returns text language sql as $$ select set_config('role', 'none', true) $$;
       select leave()`,
    ],
    [
      'its role for the session',
      `create function leave() returns text language sql as $$ select set_config('role', 'none', false) $$;
       select leave()`,
    ],
  ])('from %s is refused and undone', async (_, sql) => {
    add(`create table escaped (a int); ${sql}`)
    const report = await migrateFleet(fleet())
    expect(report.tenants[0]).toMatchObject({
      state: 'failed',
      error: { code: 'DATABASE_ERROR', details: { sqlState: '42501' } },
    })
    expect(await one(`select to_regclass('c_t0000.escaped') as made`)).toEqual({ made: null })
    history.pop()
  })

  it('runs deferred triggers as the tenant, not as the administrator', async () => {
    const { id } = add(`create table who (a int, name text);
      create function f() returns trigger language plpgsql as $$ begin
        update who set name = current_user; return null; end $$;
      create constraint trigger t after insert on who deferrable initially deferred for each row execute function f();
      insert into who values (1)`)
    await migrateFleet(fleet())
    expect(await having(id)).toBe(keys.length)
    expect(await one('select name from c_t0001.who')).toEqual({ name: `${world.rolePrefix}t0001` })
  })

  it('is found by lint before anybody is touched', async () => {
    add('create table public.leak (a int)')
    expect(await codeOf(migrateFleet(fleet()))).toBe('STATEMENT_REFUSED')
    expect(await migrateFleet(fleet(), { dryRun: true }).catch(({ details }) => details)).toMatchObject({
      line: 1,
      rule: 'qualified-name',
    })
    history.pop()
  })
})

describe('stopping', () => {
  it('by signal starts nobody else and says how many are left', async () => {
    add('create table stopped (a int)')
    const abort = new AbortController()
    const report = await migrateFleet(fleet(), {
      connections: 1,
      signal: abort.signal,
      onTenant: (_, { done }) => done === 4 && abort.abort(),
    })
    expect(report).toMatchObject({ ok: false, migrated: 4, untouched: keys.length - 4, stopped: 'aborted' })
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true, migrated: keys.length - 4 })
  })

  it('by a callback that throws rejects with what it threw', async () => {
    add('create table thrown (a int)')
    const boom = () => {
      throw new RangeError('mine')
    }
    await expect(migrateFleet(fleet(), { connections: 2, onTenant: boom })).rejects.toThrowError(RangeError)
    expect(await migrateFleet(fleet())).toMatchObject({ ok: true })
  })
})
