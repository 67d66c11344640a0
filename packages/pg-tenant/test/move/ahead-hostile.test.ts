// @module-tag sampled
import { describe, expect, it } from 'vitest'
import type { TenantDb } from '../../src/index.ts'
import { readMessage } from '../../src/move/ahead/pgoutput.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { fresh, useServers, whileAhead } from './servers.ts'

const servers = useServers('from eu')

const sql = async (db: Pick<TenantDb, 'query'>, text: string) => {
  for (const statement of text.split(';\n')) await db.query(statement)
}

interface Case {
  readonly made: string
  readonly done: string
  readonly told?: 'CONFLICT' | 'INTERNAL_ERROR'
}

/** What the tenant is made of, what it does while a copy is on its way, and which tables it has. */
const CASES: Readonly<Record<string, Case>> = {
  'a column is computed anew': {
    made: `create table t (id int primary key, v text); insert into t values (1, 'a'), (2, 'b')`,
    done: `alter table t alter column v type text using v || '!'`,
  },
  'a column goes and comes back with other values': {
    made: `create table t (id int primary key, v text default 'x'); insert into t values (1, 'a'), (2, 'b')`,
    done: `alter table t drop column v;\nalter table t add column v text default 'x'`,
  },
  'two tables change names': {
    made: `create table t (id int constraint one primary key, v text); create table u (id int constraint two primary key, v text);
      insert into t values (1, 'a'); insert into u values (2, 'b')`,
    done: `alter table t rename to w;\nalter table u rename to t;\nalter table w rename to u;
      alter table t rename constraint two to three;\nalter table u rename constraint one to two;\nalter table t rename constraint three to one`,
  },
  'a table is built anew': {
    made: `create table t (id int primary key, v text); insert into t values (1, 'a')`,
    done: `create table w (id int primary key, v text);\ninsert into w select * from t;\ndrop table t;\nalter table w rename to t;
      alter table t rename constraint w_pkey to t_pkey;\ninsert into t values (2, 'acknowledged')`,
  },
  'an identity that is always generated is generated once more': {
    made: `create table t (id int primary key, n int generated always as identity); insert into t values (1), (2)`,
    done: `update t set n = default where id = 1`,
  },
  'a key that is always generated is generated once more': {
    made: `create table t (n int generated always as identity primary key, v text); insert into t values (default, 'a')`,
    done: `update t set n = default`,
  },
  'a generated column looks at another table': {
    made: `create table s (id int primary key, v int); insert into s values (1, 1);
      create function f(int) returns int language plpgsql immutable as 'begin return (select v + $1 from s); end';
      create table t (id int primary key, g int generated always as (f(id)) stored); insert into t values (1)`,
    done: `update s set v = 2;\nupdate t set id = 3 where id = 1;\nalter table s rename to s2;\nalter table s2 rename to s;
      create or replace function f(int) returns int language plpgsql immutable as 'begin return 7; end';\ninsert into t values (9);
      create or replace function f(int) returns int language plpgsql immutable as 'begin return (select v + $1 from s); end'`,
    told: 'INTERNAL_ERROR',
  },
  'the tenant has an operator of its own that finds every row': {
    made: `create type e as enum ('a', 'b'); create table t (id e primary key, v text);
      create function f(e, e) returns boolean language sql immutable as 'select true';
      create operator = (leftarg = e, rightarg = e, function = f);
      insert into t values ('a', '1'), ('b', '2')`,
    done: `update t set v = '3' where id::text = 'a'`,
  },
  'the replica identity is another for a while': {
    made: `create table t (id int primary key, c text not null unique); insert into t values (1, 'a'), (2, 'b')`,
    done: `alter table t replica identity using index t_c_key;\nupdate t set id = 3 where c = 'b';\nalter table t replica identity default`,
  },
}

describe('what a tenant does while a copy is on its way and the log does not tell calls the move off, or is found', () => {
  it.each(inTurn(Object.entries(CASES), 9))(
    '%s',
    async (_, { made, done, told = 'CONFLICT' }: Case) => {
      const key = fresh('hostile')
      const { eu, fleet } = servers.open('role', { migrations: [{ id: '0001_made', sql: made }] })
      await fleet.provision(key, { placement: 'eu' })
      const read = async (db: Pick<TenantDb, 'query'>) =>
        (await db.query('select x::text as row from t x order by 1')).rows
      let expected: unknown
      const outcome = await whileAhead({ fleet, key }, async (db) => {
        await sql(db, done)
        expected = await read(db)
      })
      expect(expected).toBeDefined()
      expect(outcome).toMatchObject({
        code: told,
        details: told === 'CONFLICT' ? { reason: 'changed' } : { table: 't' },
      })
      expect(await eu.find(key)).toMatchObject({ status: told === 'CONFLICT' ? 'active' : 'moved' })
      // Nothing of it is lost where it is now.
      const now =
        told === 'CONFLICT'
          ? fleet.withTenant(key, read)
          : servers.worlds.eu.root
              .query(`select x::text as row from role_${key}.t x order by 1`)
              .then(({ rows }) => rows)
      expect(await now).toEqual(expected)
    },
    60_000,
  )
})

it.skipIf(SLOW)('writers are not refused for a generated column in a key', async () => {
  const made = `create table t (a int not null, g int generated always as (a * 2) stored primary key); insert into t values (1)`
  const { fleet, eu } = servers.open('role', { migrations: [{ id: '0001_made', sql: made }] })
  const key = fresh('generated')
  await fleet.provision(key, { placement: 'eu' })
  const outcome = await whileAhead({ fleet, key }, (db) => db.query('update t set a = 5'))
  expect(outcome).toMatchObject({ details: { reason: 'replication' } })
  expect(await eu.find(key)).toMatchObject({ status: 'active' })
})

it.skipIf(SLOW)('triggers of others are not passed over by code of the tenant', async () => {
  const { us: there, eu: here } = servers.worlds
  for (const { root } of [here, there])
    await root.query(`create schema audit; grant usage on schema audit to public; create table audit.log (who text);
      create function audit.stamp() returns trigger language plpgsql as 'begin new.who = ''stamped''; return new; end';
      create trigger stamp before insert on audit.log for each row execute function audit.stamp();
      create function audit.note(text) returns void language sql security definer as 'insert into audit.log values ($1)'`)
  const made = `create function forge(int) returns boolean language plpgsql as
      $$ begin perform audit.note('somebody else'); return true; end $$;
    create table t (id int primary key check (forge(id)))`
  const { eu, fleet } = servers.open('role', { migrations: [{ id: '0001_made', sql: made }] })
  const key = fresh('forges')
  await fleet.provision(key, { placement: 'eu' })
  const outcome = await whileAhead({ fleet, key }, (db) => db.query('insert into t values (1)'))
  const { rows } = await there.root.query('select distinct who from audit.log')
  for (const { root } of [here, there]) await root.query('drop schema audit cascade')
  expect(rows.filter(({ who }) => who !== 'stamped')).toEqual([])
  expect(outcome).toMatchObject({ code: 'CONFLICT', details: { reason: 'changed' } })
  expect(await eu.find(key)).toMatchObject({ status: 'active' })
})

it.skipIf(SLOW)('a value that is no UTF-8 (SQL_ASCII) is not taken for another', () => {
  const row = (value: Buffer) => {
    const head = Buffer.from([
      ...Buffer.from('I'),
      0,
      0,
      0,
      1,
      ...Buffer.from('N'),
      0,
      1,
      ...Buffer.from('t'),
      0,
      0,
      0,
      value.length,
    ])
    return Buffer.concat([head, value])
  }
  expect(readMessage(row(Buffer.from('é')))).toMatchObject({ row: ['é'] })
  expect(() => readMessage(row(Buffer.from([0xe9])))).toThrow(RangeError)
})
