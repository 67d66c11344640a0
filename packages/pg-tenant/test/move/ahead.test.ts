// @module-tag sampled
import { isTenancyError } from '@org/core'
import { eventually } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'
import { createFleet, type MoveOptions, type TenancyOptions, type TenantDb } from '../../src/index.ts'
import { notesAt, SUBJECTS } from '../levels/setting.ts'
import { hasTurn, SLOW, stepOf } from '../support/sample.ts'
import {
  bodies,
  fresh,
  insert,
  nothingLeft as nothingLeftOf,
  useServers,
  whileAhead,
  writers,
} from './servers.ts'

const servers = useServers('from eu')
const ahead = { copy: 'replication' } as const

const nothingLeft = () => nothingLeftOf(servers.worlds.eu)

describe.each(SUBJECTS)('level $level', ({ level }) => {
  it.runIf(hasTurn(level, ['role']))(
    'moves under traffic with a copy that was sent ahead: 0 lost, 0 twice',
    async () => {
      const { eu, us, fleet } = servers.open(level)
      const key = fresh('ahead')
      await fleet.provision(key, { placement: 'eu', plan: 'pro' })
      await insert(fleet, level, key, 'first')
      const { acknowledged, told, stop } = writers(fleet, level, key, SLOW ? 3 : 1)
      await expect.poll(() => acknowledged.size).toBeGreaterThan(20)
      const steps: string[] = []
      let result: unknown
      // On a busy machine writers may be faster than the copy: it is left where it was then, and goes the next time.
      await eventually(async () => {
        steps.length = 0
        result = await fleet
          .move(key, 'us', { ...ahead, onProgress: (step) => steps.push(step) })
          .catch((error: unknown) => error)
        return !isTenancyError(result, 'TIMEOUT')
      }, 120_000).catch(async (error: unknown) => {
        await stop()
        throw error
      })
      if (result instanceof Error) await stop()
      expect(result).toMatchObject({ moved: true, from: 'eu', to: 'us' })
      expect(steps).toEqual(['checked', 'ahead', 'closed', 'copied', 'switched', 'opened', 'left'])
      const before = acknowledged.size
      await expect.poll(() => acknowledged.size).toBeGreaterThan(before + 20)
      await stop()
      const there = await bodies(us, key)
      expect([...acknowledged].filter((body) => !there.includes(body))).toEqual([])
      expect(new Set(there).size).toBe(there.length)
      expect([...told.values()].filter((code) => code !== 'SERVICE_UNAVAILABLE')).toEqual([])
      expect(await us.find(key)).toMatchObject({ status: 'active', plan: 'pro', placement: 'us' })
      expect(await eu.find(key)).toMatchObject({ status: 'deleted', placement: 'us' })
      await nothingLeft()
    },
  )

  it.runIf(level === 'role' || (SLOW && level === 'database'))(
    'is finished by the same call wherever it was cut off, and is undone until it changes hands',
    async () => {
      const { eu, us, fleet } = servers.open(level)
      const filled = async (key: string) => {
        await fleet.provision(key, { placement: 'eu' })
        for (const body of ['a', 'b']) await insert(fleet, level, key, body)
      }
      const counted = async () => {
        const whole = fresh('whole')
        await filled(whole)
        const { error, messages } = await servers.movedThrough(level, whole, Number.POSITIVE_INFINITY, ahead)
        expect(error).toBeUndefined()
        return messages
      }
      // From end to end, and in the default set in the middle.
      const all = SLOW || process.env.TEST_FAULTS === 'all'
      const [first, last] = all ? [3, await counted()] : [101, 101]
      for (let at = first; at <= last; at += stepOf(61, 211)) {
        const key = fresh('cut')
        await filled(key)
        const { messages } = await servers.movedThrough(level, key, at, ahead)
        // Towards its end a move may have fewer of them than the one that was counted.
        if (at <= 101) expect(messages, 'it was cut off').toBeGreaterThanOrEqual(at)
        const goesOn = async (how: MoveOptions) => {
          let again: unknown
          await eventually(async () => {
            again = await fleet.move(key, 'us', how).catch((reason: unknown) => reason)
            return !isTenancyError(again, 'TIMEOUT')
          })
          return again
        }
        const undone = await goesOn({ undo: true })
        if (isTenancyError(undone, 'CONFLICT')) expect(undone.details.reason).toBe('switched')
        else {
          // Unless it had all its answers, and was through.
          if ((await eu.find(key))?.status !== 'deleted')
            expect(await eu.find(key), `message ${at}`).toMatchObject({ status: 'active' })
          await insert(fleet, level, key, 'meanwhile')
        }
        const again = await goesOn(ahead)
        if (again instanceof Error) throw again
        const expected = isTenancyError(undone, 'CONFLICT') ? ['a', 'b'] : ['a', 'b', 'meanwhile']
        expect(await bodies(us, key), `message ${at}`).toEqual(expected)
        expect(await eu.find(key)).toMatchObject({ status: 'deleted', placement: 'us' })
        await insert(fleet, level, key, 'behind')
      }
      await nothingLeft()
    },
    480_000,
  )
})

it.runIf(SLOW)(
  'follows a tenant to another level of the same database, where its schema has another name',
  async () => {
    const { root, adminRole } = servers.worlds.eu
    await root.query(`grant set on parameter session_replication_role to ${adminRole}`)
    const placements = { here: servers.open('schema').eu, there: servers.open('role').eu }
    const fleet = createFleet({ placements, defaultPlacement: 'here', waitForMove: 20_000 })
    const key = fresh('level')
    await fleet.provision(key)
    await insert(fleet, 'schema', key, 'before')
    let meanwhile: Promise<unknown> | undefined
    const onProgress = (step: string) => {
      if (step === 'ahead') meanwhile = insert(fleet, 'schema', key, 'meanwhile')
    }
    expect(await fleet.move(key, 'there', { ...ahead, onProgress })).toMatchObject({ moved: true })
    await meanwhile
    expect(await bodies(placements.there, key)).toEqual(['before', 'meanwhile'])
    await root.query(`revoke set on parameter session_replication_role from ${adminRole}`)
  },
)

const NOTES_AND_MORE = [notesAt('role'), { id: '0002_more', sql: 'create table more (id int primary key)' }]

const KINDS = {
  id: '0001_kinds',
  sql: `create type mood as enum ('glad', 'sad');
    create type pair as (a int, b text);
    create domain short as text check (length(value) < 100);
    create table kinds (id bigint generated always as identity primary key, t text, j json, jb jsonb, b bytea, n numeric(10, 3), f float8,
      i int[], ts timestamptz, d date, iv interval, ok boolean, c char(5), m mood, p pair, s short, r int4range, big text,
      twice int generated always as (length(t) * 2) stored, check (t is null or t <> 'never'));
    alter table kinds alter column big set storage external;
    create table by_name (name text primary key, parent text references by_name on delete cascade deferrable initially deferred);
    create table pairs (a int not null, b text not null, note text);
    create unique index u_pairs on pairs (b, a);
    alter table pairs replica identity using index u_pairs;
    create table days (day date not null, n int not null, primary key (day, n)) partition by range (day);
    create table days_old partition of days for values from ('2000-01-01') to ('2020-01-01');
    create table days_new partition of days for values from ('2020-01-01') to ('2040-01-01');
    create table emptied (id int primary key);
    create table whole (id int primary key, big text, note text);
    alter table whole replica identity full, alter column big set storage external;
    create table base (id int primary key, v text);
    create table heir (more text) inherits (base);
    alter table heir add primary key (id);
    create table top (id int primary key);
    create table below (id serial primary key, top int references top);
    create table told (id bigserial primary key, what text not null);
    create function tell() returns trigger language plpgsql as $$ begin insert into told (what) values (tg_op); return null; end $$;
    create trigger tell after insert or update or delete on kinds for each row execute function tell();
    create materialized view counted as select count(*) as n from kinds`,
}

const TABLES = 'kinds by_name pairs days emptied whole base heir top below told counted'.split(' ')

const contents = async (db: Pick<TenantDb, 'query'>) => {
  const found: Record<string, unknown[]> = {}
  for (const table of TABLES)
    found[table] = (await db.query(`select t::text as row from ${table} t order by 1`)).rows
  found.sequences = (
    await db.query('select t.last_value as told, b.last_value as below from told_id_seq t, below_id_seq b')
  ).rows
  return found
}

describe('every kind of change', () => {
  const options: Partial<TenancyOptions> = { migrations: [KINDS] }
  const insertKind = `insert into kinds (t, j, jb, b, n, f, i, ts, d, iv, ok, c, m, p, s, r, big)
    values ($1, '{"a":  1}', '{"b": [1, null]}', '\\x005c27', 1.5, 'NaN', '{1,null,3}', now(), '2024-02-29', '1 mon 2 days', true, 'ab', 'sad',
      row (1, 'x"y\\z'), 'short', '[1,5)', repeat($1, ${SLOW ? 200_000 : 5_000}))`

  it('is in the copy: types, keys, cascades, partitions, large values, TRUNCATE, sequences', async () => {
    const { us, fleet } = servers.open('role', options)
    const key = fresh('kinds')
    await fleet.provision(key, { placement: 'eu' })
    await fleet.withTenant(key, async (db) => {
      for (const text of ['plain', 'to go', 'to change', "it's \\ \n\t"]) await db.query(insertKind, [text])
      await db.query(
        `insert into by_name values ('root', null), ('child', 'root'), ('leaf', 'child'), ('other', null)`,
      )
      await db.query(`insert into pairs values (1, 'x', 'old'), (2, 'x', 'goes')`)
      await db.query(`insert into days values ('2010-01-01', 1), ('2030-01-01', 1)`)
      await db.query('insert into emptied values (1), (2)')
      await db.query(`insert into whole values (1, repeat('x', 20000), 'a'), (2, repeat('y', 20000), null)`)
      await db.query(`insert into base values (1, 'a'), (2, 'b')`)
      await db.query(`insert into heir values (3, 'c', 'more'), (4, 'd', null)`)
      await db.query('insert into top values (1), (2)')
      await db.query('insert into below (top) values (1), (2), (null)')
    })
    let expected: unknown
    const result = await whileAhead({ fleet, key }, async (db) => {
      await db.query(insertKind, ["new \\ '' \\\\ é 😀"])
      await db.query('insert into kinds (t, m) values (null, null)')
      // What lies apart and is not changed is not told.
      await db.query(`update kinds set t = 'changed', twice = default where t = 'to change'`)
      await db.query(
        `update kinds set big = repeat('\\', ${SLOW ? 3_000_000 : 50_000}), p = null where t = 'plain'`,
      )
      await db.query(`delete from kinds where t = 'to go'`)
      await db.query(`delete from by_name where name = 'root'`)
      await db.query(`insert into by_name values ('first', 'later'), ('later', null)`)
      await db.query(`update by_name set name = 'renamed' where name = 'other'`)
      await db.query(`update pairs set a = 10, note = 'new' where a = 1`)
      await db.query('delete from pairs where a = 2')
      await db.query(`update days set day = '2031-05-05' where day = '2010-01-01'`)
      await db.query(`update whole set note = 'changed' where id = 1`)
      await db.query('update whole set id = 3 where id = 2')
      await db.query(`update base set v = 'changed' where id in (1, 3)`)
      await db.query('delete from base where id in (2, 4)')
      await db.query('truncate top restart identity cascade')
      await db.query('insert into top values (5)')
      await db.query('insert into below (top) values (5)')
      await db.query('truncate emptied')
      await db.query('insert into emptied values (7)')
      await db
        .savepoint(async (inner) => {
          await inner.query('insert into emptied values (8)')
          throw new Error('taken back')
        })
        .catch(() => {})
      await db.query('refresh materialized view counted')
      expected = await contents(db)
    })
    expect(result).toMatchObject({ moved: true })
    expect(await us.withTenant(key, contents)).toEqual(expected)
    await us.query(key, `insert into kinds (t) values ('triggers work')`)
    expect((await us.query(key, 'select count(*)::int as n from told where id > 0')).rows).not.toEqual([])
    await nothingLeft()
  })
})

describe('a copy that cannot be sent ahead', () => {
  const table = (sql: string): Partial<TenancyOptions> => ({ migrations: [{ id: '0001_odd', sql }] })
  const good = 'create table good (id int primary key);'
  const refused: readonly (readonly [name: string, options: Partial<TenancyOptions>, told: RegExp])[] = [
    [
      'a HASH of an enum, which is another in each database',
      table(`${good} create type mood as enum ('calm'); create table odd (m mood primary key) partition by hash (m);
        create table odd_0 partition of odd for values with (modulus 2, remainder 0);
        create table odd_1 partition of odd for values with (modulus 2, remainder 1)`),
      /odd_0 is partitioned by HASH of .*; odd_1 is/,
    ],
    ['a table without a key', table(`${good} create table odd (n int)`), /odd has no primary key/],
    [
      'a key that is deferrable',
      table(`${good} create table odd (n int primary key deferrable)`),
      /odd has no primary key/,
    ],
    [
      'no replica identity',
      table(`${good} create table odd (n int primary key); alter table odd replica identity nothing`),
      /odd has no primary/,
    ],
    [
      'a key of a row type',
      table(`${good} create type pair as (a int, b text); create domain two as pair; create domain pairs as two;
        create table odd (n pairs primary key)`),
      /odd has a column of a row type in its key/,
    ],
    ['an unlogged table', table(`${good} create unlogged table odd (n int primary key)`), /odd is unlogged/],
    [
      'forced row-level security',
      table(
        `${good} create table odd (n int primary key); alter table odd enable row level security, force row level security`,
      ),
      /odd forces/,
    ],
    [
      'a trigger that runs on replicas',
      table(`${good} create table odd (n int primary key);
       create function f() returns trigger language plpgsql as 'begin return new; end';
       create trigger g before insert on odd for each row execute function f(); alter table odd enable always trigger g`),
      /odd has a trigger/,
    ],
  ]
  it.each(refused)('%s: is refused before anything is closed', { tags: 'slow' }, async (_, options, told) => {
    const key = fresh('refused')
    const { eu, us, fleet } = servers.open('role', options)
    await fleet.provision(key, { placement: 'eu' })
    for (const dryRun of [true, false])
      await expect(fleet.move(key, 'us', { ...ahead, dryRun })).rejects.toMatchObject({
        code: 'CONFLICT',
        details: { reason: 'replication' },
        message: expect.stringMatching(told),
      })
    expect(await eu.find(key)).toMatchObject({ status: 'active' })
    expect(await us.find(key)).toBeUndefined()
    await nothingLeft()
    // As a stream it goes.
    expect(await fleet.move(key, 'us')).toMatchObject({ moved: true })
    // That server keeps no log to follow.
    await expect(fleet.move(key, 'eu', ahead)).rejects.toThrow(/wal_level = logical/)
    await us.drop(key)
    await eu.drop(key)
  })

  it('lacks a right: which, and of whom, is said', { tags: 'slow' }, async () => {
    const { eu, fleet } = servers.open('role')
    const { worlds } = servers
    const key = fresh('rights')
    await fleet.provision(key, { placement: 'eu' })
    const refused = async (take: () => Promise<unknown>, give: () => Promise<unknown>, told: RegExp) => {
      await take()
      await expect(fleet.move(key, 'us', ahead))
        .rejects.toThrow(told)
        .finally(give)
      expect(await eu.find(key)).toMatchObject({ status: 'active' })
    }
    const { eu: here, us: there } = worlds
    await refused(
      () => here.root.query(`alter role ${here.adminRole} noreplication`),
      () => here.root.query(`alter role ${here.adminRole} replication`),
      /in eu: ALTER ROLE .* REPLICATION/,
    )
    await refused(
      () => there.root.query(`revoke set on parameter session_replication_role from ${there.adminRole}`),
      () => there.root.query(`grant set on parameter session_replication_role to ${there.adminRole}`),
      /in us: GRANT SET ON PARAMETER/,
    )
    const newer = servers.open('role', { migrations: NOTES_AND_MORE })
    await expect(newer.fleet.move(key, 'us', ahead)).rejects.toThrow(/run migrate first/)
    const writing = await here.root.connect()
    await writing.query('begin; select pg_current_xact_id()')
    const outcome = await fleet.move(key, 'us', { ...ahead, drain: 500 }).catch((error: unknown) => error)
    await writing.query('rollback')
    writing.release()
    expect(outcome).toMatchObject({ code: 'TIMEOUT' })
    await nothingLeft()
    expect(await fleet.move(key, 'us', ahead)).toMatchObject({ moved: true })
  })
})

describe('what happens while a copy is on its way', () => {
  const changes = [
    ['a new table', 'create table later (id int primary key); insert into later values (1)'],
    ['a new column', `alter table notes add column more text; insert into notes (body) values ('with more')`],
    ['a table that is gone', 'drop table notes'],
    ['a new index', 'create index on notes (body)'],
  ] as const
  it.each(changes)('DDL is noticed: %s', { tags: 'slow' }, async (_, sql) => {
    const { eu, us, fleet } = servers.open('role')
    const key = fresh('changed')
    await fleet.provision(key, { placement: 'eu' })
    const outcome = await whileAhead({ fleet, key }, async (db) => {
      for (const statement of sql.split('; ')) await db.query(statement)
    })
    expect(outcome).toMatchObject({ code: 'CONFLICT', details: { reason: 'changed' } })
    expect(await eu.find(key)).toMatchObject({ status: 'active' })
    expect(await us.find(key)).toMatchObject({ status: 'deleted' })
    await nothingLeft()
    expect(await fleet.move(key, 'us', ahead)).toMatchObject({ moved: true })
  })

  it('stopped, it leaves the tenant in service and nothing behind', { tags: 'slow' }, async () => {
    const { eu, us, fleet } = servers.open('role')
    const key = fresh('stopped')
    await fleet.provision(key, { placement: 'eu' })
    await insert(fleet, 'role', key, 'kept')
    const stop = new AbortController()
    const onProgress = (step: string) => step === 'ahead' && stop.abort()
    await expect(fleet.move(key, 'us', { ...ahead, onProgress, signal: stop.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(await eu.find(key)).toMatchObject({ status: 'active' })
    expect(await us.find(key)).toMatchObject({ status: 'deleted' })
    expect(await bodies(fleet, key)).toEqual(['kept'])
    await nothingLeft()
  })

  it.skipIf(SLOW)('a copy that is not the same is found, and what it came from is kept', async () => {
    const { eu, us, fleet } = servers.open('role')
    const key = fresh('spoilt')
    await fleet.provision(key, { placement: 'eu' })
    for (const body of ['one', 'two']) await insert(fleet, 'role', key, body)
    const outcome = await whileAhead({ fleet, key }, () =>
      servers.worlds.us.root.query(`delete from role_${key}.notes where body = 'two'`),
    )
    expect(outcome).toMatchObject({
      code: 'INTERNAL_ERROR',
      details: { table: 'notes', found: 1, expected: 2 },
    })
    expect(await eu.find(key)).toMatchObject({ status: 'moved' })
    expect(await us.find(key)).toMatchObject({ status: 'active' })
    for (const how of [{}, ahead])
      await expect(fleet.move(key, 'us', how)).rejects.toMatchObject({
        details: { reason: 'difference' },
      })
    const { rows } = await servers.worlds.eu.root.query(`select body from role_${key}.notes order by id`)
    expect(rows).toEqual([{ body: 'one' }, { body: 'two' }])
    expect(await fleet.move(key, 'us', { lose: ['difference'] })).toMatchObject({ moved: true })
    expect(await eu.find(key)).toMatchObject({ status: 'deleted' })
    await nothingLeft()
  })
})

it.skipIf(SLOW)(
  'doctor names a move that was cut off, what it published, and a slot that nobody reads',
  async () => {
    const { eu, us, fleet } = servers.open('role')
    const key = fresh('cut')
    await fleet.provision(key, { placement: 'eu' })
    const { root } = servers.worlds.eu
    const found = async () => {
      const { findings } = await eu.doctor()
      const asked = [key, 'unread', 'pg_tenant_move_left']
      return findings.filter(({ subject }) => subject !== undefined && asked.includes(subject))
    }
    expect(await found()).toEqual([])
    await root.query(`insert into tenancy.tenant_move (prefix, key, started_at, state) values ('role_', '${key}', now(),
    jsonb_build_object('startedAt', 'then', 'from', 'eu', 'to', 'us', 'cameFrom', 'active', 'reached', 'ahead', 'rows', 0))`)
    await root.query(`create publication pg_tenant_move_left for table role_${key}.notes`)
    await root.query(`select pg_create_logical_replication_slot('unread', 'pgoutput')`)
    expect(await found()).toMatchObject([
      { code: 'MOVE_UNFINISHED', severity: 'warning', subject: key },
      { code: 'SLOT_UNREAD', severity: 'warning', subject: 'unread' },
      { code: 'MOVE_UNFINISHED', severity: 'notice', subject: 'pg_tenant_move_left' },
    ])
    await root.query(`select pg_drop_replication_slot('unread')`)
    await root.query('drop publication pg_tenant_move_left')
    // Neither the publication nor that state keeps the tenant from moving as a stream.
    await root.query(
      `update tenancy.tenant_move set state = state || '{"startedAt": "2026-01-01"}', started_at = '2026-01-01' where key = '${key}'`,
    )
    expect(await fleet.move(key, 'us')).toMatchObject({ moved: true })
    expect(await us.find(key)).toMatchObject({ status: 'active' })
    expect(await found()).toEqual([])
  },
)
