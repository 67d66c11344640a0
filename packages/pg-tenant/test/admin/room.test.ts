import type { TenantKey } from '@org/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { readInRoom, runInRoom } from '../../src/admin/in-room.ts'
import type { Room } from '../../src/admin/tenant-room.ts'
import { type Admin, inAdminTransaction, MOST_ROOMS, roomsOf } from '../../src/admin/transaction.ts'
import { watchPool } from '../../src/driver/memory.ts'
import type { Tenancy } from '../../src/index.ts'
import { NOTES, useWorld } from '../support/world.ts'

const world = useWorld(['evil'])
const room = (): Room => ({
  schema: 'c_evil',
  owner: `${world.rolePrefix}evil` as TenantKey,
  searchPath: '"c_evil", public, pg_temp',
})
const inRoom = (...statements: string[]) =>
  inAdminTransaction(world.admin, (admin) => runInRoom(admin, room(), [statements]))
/** What the obvious way does: SET LOCAL ROLE around the statements. */
const underSetRole = (...statements: string[]) =>
  inAdminTransaction(world.admin, async (admin) => {
    await admin.run(`set local role "${world.rolePrefix}evil"; set local search_path to c_evil`)
    for (const one of [...statements, 'set constraints all immediate']) await admin.run(one)
    await admin.run('set local role none; set local search_path to pg_catalog')
  })
let tenancy: Tenancy
const evil = (sql: string) => tenancy.query('evil', sql)
const seen = async () => {
  const { rows } = await evil('select who from seen order by id')
  await evil('truncate seen')
  return rows.map(({ who }) => String(who))
}
const version = async () =>
  Number((await world.root.query('show server_version_num')).rows[0].server_version_num)

beforeAll(async () => {
  watchPool(world.admin)
  tenancy = world.tenancy()
  await evil(`do $do$ begin
    create table seen (id serial, who text);
    grant all on seen, seen_id_seq to public;
    grant usage on schema c_evil to public;
    create table bait (id int, body text);
    create function look() returns text language plpgsql as $f$ declare who text; begin
      begin
        perform set_config('role', 'none', true);
        who := 'became ' || current_user;
        perform set_config('role', '${world.rolePrefix}evil', true);
      exception when others then who := 'stayed ' || current_user; end;
      return who;
    end $f$;
    create function trap() returns trigger language plpgsql as $f$ begin
      insert into c_evil.seen (who) values (c_evil.look());
      return new;
    end $f$;
    create trigger trap before insert on bait for each row execute function trap();
  end $do$`)
})

describe('inside the room', () => {
  it('nobody becomes the administrator; under SET ROLE anybody does', async () => {
    await underSetRole(`insert into bait values (1, 'x')`)
    expect(await seen()).toEqual([`became ${world.adminRole}`])
    await inRoom(`insert into bait values (1, 'x')`)
    expect(await seen()).toEqual([`stayed ${world.rolePrefix}evil`])
  })

  it('a query runs there too, and only its rows come out', async () => {
    const rows = await inAdminTransaction(world.admin, (admin) =>
      readInRoom(admin, room(), 'select look() as who', 'who text'),
    )
    expect(rows).toEqual([{ who: `stayed ${world.rolePrefix}evil` }])
  })

  it('code that replaces the function it runs in changes nothing', async () => {
    await evil(`do $do$ begin create or replace function replacing() returns trigger language plpgsql as $f$
      declare one text; begin
        select format('%I.%I', pronamespace::regnamespace, proname) into one from pg_proc where proname like '\\_room\\_%';
        execute format('alter function %s security invoker', one);
        execute format('create or replace function %s(texts text[]) returns void language plpgsql as $x$
          begin insert into c_evil.seen (who) values (''called again''); end $x$', one);
        return new;
      end $f$;
      create trigger b_replacing before insert on bait for each row execute function replacing(); end $do$`)
    await inRoom(`insert into bait values (1, 'x')`, `insert into bait values (2, 'x')`)
    expect(await seen()).toEqual(Array.from({ length: 2 }, () => `stayed ${world.rolePrefix}evil`))
    await evil('drop function replacing cascade')
    expect((await world.root.query(`select from pg_proc where proname like '\\_room\\_%'`)).rows).toEqual([])
  })

  it('a deferred trigger does not leave it, also when it is deferred again', async () => {
    await evil(`do $do$ begin create function again() returns trigger language plpgsql as $f$ begin
        insert into c_evil.seen (who) values (c_evil.look());
        if new.id < 3 then set constraints all deferred; insert into c_evil.later values (new.id + 1); end if;
        return null;
      end $f$;
      create table later (id int);
      create constraint trigger again after insert on later deferrable initially deferred
        for each row execute function again(); end $do$`)
    await underSetRole('insert into later values (2)')
    const obvious = await seen()
    await inRoom('insert into later values (3)')
    expect(await seen()).toEqual([`stayed ${world.rolePrefix}evil`])
    if ((await version()) < 180_000) expect(obvious.at(-1)).toBe(`became ${world.adminRole}`)
    await expect(inRoom('insert into later values (2)')).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      message: expect.stringContaining('deferred triggers of c_evil.later were still waiting'),
      details: { sqlState: '55006', table: 'c_evil.later' },
    })
    expect(await seen()).toEqual([])
    await evil('drop table later')
  })

  it('nor does a foreign key’s check that is deferred again, whose cast would have COMMIT for itself', async () => {
    await evil(`do $do$ begin
      create table parent (id int primary key);
      insert into parent values (1);
      create type reference as (id int, again bool);
      create function as_int(reference) returns int language plpgsql as $f$ begin
        if ($1).again then set constraints all deferred; insert into c_evil.child values (row(1, false));
        elsif current_setting('c_evil.quiet', true) is null then execute 'prepare pg_tenant_begin as select 1'; end if;
        return ($1).id;
      end $f$;
      create cast (reference as int) with function as_int(reference) as implicit;
      create table child (r reference references parent deferrable initially deferred); end $do$`)
    await expect(inRoom('insert into child values (row(1, true))')).rejects.toMatchObject({
      code: 'STATEMENT_REFUSED',
      details: { sqlState: '55006', table: 'c_evil.child' },
    })
    await inRoom(`set c_evil.quiet to ''`, 'insert into child values (row(1, false))')
    for (let turn = 0; turn < 3; turn++)
      expect(
        await inAdminTransaction(world.admin, (admin) =>
          admin.run('select name from pg_prepared_statements where from_sql'),
        ),
      ).toEqual([])
    await evil('drop table child, parent')
    await evil('drop type reference cascade')
  })

  it('one that sleeps is ended by a limit, and said', async () => {
    const sleep = inAdminTransaction(world.admin, (admin) =>
      runInRoom(admin, room(), [['select pg_sleep(600)']], (error) => error, 50),
    )
    await expect(sleep).rejects.toMatchObject({ code: 'TIMEOUT', details: { timeoutMs: 50 } })
    // Behind a call there is no limit again.
    const after = await inAdminTransaction(world.admin, async (admin) => {
      await runInRoom(admin, room(), [['select 1']], (error) => error, 60_000)
      return await admin.run('show statement_timeout')
    })
    expect(after).toEqual([{ statement_timeout: '0' }])
  })

  it('the path of the caller stays its own, and one that changes it is refused', async () => {
    await inAdminTransaction(world.admin, async (admin) => {
      await runInRoom(admin, room(), [['select 1']])
      expect((await admin.run('show search_path'))[0]?.search_path).toBe('pg_catalog, pg_temp')
    })
    await expect(
      inRoom(`select set_config(concat('search_', 'path'), 'public', true)`),
    ).rejects.toMatchObject({
      details: { sqlState: '22P02' },
    })
  })

  it('says which statement failed, whatever the code inside wrote', async () => {
    const failing = `do $f$ begin raise exception 'x' using hint = 'PL/pgSQL function _room_(text[]) line 3 at EXECUTE'; end $f$`
    for (const at of [0, 1, 3]) {
      const statements = ['select 1', 'select 2', 'select 3', 'select 4'].map((one, n) =>
        n === at ? failing : one,
      )
      const told: number[] = []
      const run = inAdminTransaction(world.admin, (admin) =>
        runInRoom(admin, room(), [statements.slice(0, 2), statements.slice(2)], (error, statement) => {
          told.push(statement)
          return error
        }),
      )
      await expect(run).rejects.toMatchObject({ details: { sqlState: 'P0001' } })
      expect(told).toEqual([at])
    }
  })
})

describe('where scopes run as the application (level schema)', () => {
  const at = (...more: { id: string; sql: string }[]) =>
    world.tenancy({
      isolation: 'schema',
      schemaPrefix: 's_',
      rolePrefix: 'room_',
      migrations: [NOTES, ...more],
    })

  it('a function the application left beside the tables has no right of the administrator’s', async () => {
    await at().provision('acme')
    await at().query('acme', `insert into notes (body) values ('x')`)
    await at().query(
      'acme',
      `create function length(varchar) returns int language plpgsql as $$ begin
         perform set_config('role', 'none', true); return 1;
       end $$`,
    )
    const more = { id: '0002', sql: 'update notes set body = body || length(body::varchar)' }
    await expect(at(more).provision('acme')).rejects.toMatchObject({ details: { sqlState: '42501' } })
    await at().query(
      'acme',
      `create or replace function length(varchar) returns int language sql as 'select 7'`,
    )
    expect(await at(more).migrate()).toMatchObject({ ok: true, migrated: 1 })
    expect((await at().query('acme', 'select body from notes')).rows).toEqual([{ body: 'x7' }])
  })

  it('nor has a trigger of a table of its own, which would run inside COMMIT', async () => {
    await at().provision('later')
    await at().query('later', 'create table later (id int)')
    await at().query('later', 'grant all on later to public')
    await at().query('later', 'create table said (who text)')
    await at().query('later', 'grant all on said to public')
    await at().query(
      'later',
      `create function again() returns trigger language plpgsql as $$ begin
         insert into s_later.said values (current_user);
         if new.id < 3 then set constraints all deferred; insert into s_later.later values (new.id + 1); end if;
         return null;
       end $$`,
    )
    await at().query(
      'later',
      'create constraint trigger again after insert on later deferrable initially deferred for each row execute function again()',
    )
    await at().query(
      'later',
      `create function length(varchar) returns int language sql as 'insert into later values (2) returning 1'`,
    )
    await at().query('later', `insert into notes (body) values ('x')`)
    const more = { id: '0002', sql: 'update notes set body = body || length(body::varchar)' }
    await expect(at(more).provision('later')).rejects.toMatchObject({ code: 'STATEMENT_REFUSED' })
    const { rows } = await world.root.query('select who from s_later.said')
    expect(rows.map(({ who }) => who)).not.toContain(world.adminRole)
    await at().query(
      'later',
      `create or replace function length(varchar) returns int language sql as 'select 7'`,
    )
    expect(await at(more).migrate({ only: ['later'] })).toMatchObject({ ok: true, migrated: 1 })
  })
})

describe('behind the room', () => {
  const LEFT = `select
    (select count(*)::int from pg_cursors where name <> '') as cursors,
    (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_class where relnamespace = pg_my_temp_schema()) as temporary,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    current_setting('standard_conforming_strings') as strings, current_setting('timezone') <> 'Pacific/Kiritimati' as zone,
    current_setting('lock_timeout') as "lock", current_setting('statement_timeout') as statement`

  it('nothing of it is left in the session', async () => {
    await world.root.query(`grant temp on database ${new URL(world.url).pathname.slice(1)} to public`)
    const left = await inAdminTransaction(world.admin, async (admin) => {
      await runInRoom(admin, room(), [
        [
          'declare c cursor with hold for select look()',
          'listen c_evil_channel',
          'create temp table mine (id int)',
          'select pg_advisory_lock(4711)',
          `select set_config('standard_conforming_strings', 'off', false), set_config('timezone', 'Pacific/Kiritimati', true),
            set_config('lock_timeout', '1', true), set_config('statement_timeout', '86400000', false)`,
        ],
      ])
      return (await admin.run(LEFT))[0]
    })
    expect(left).toEqual({
      cursors: 0,
      channels: 0,
      temporary: 0,
      locks: 0,
      strings: 'on',
      zone: true,
      lock: '10s',
      statement: '0',
    })
  })

  it('a statement prepared inside is found, and that session is given up', async () => {
    const pid = (admin: Admin) => admin.run('select pg_backend_pid() as pid').then(([row]) => row?.pid)
    let used: unknown
    const replacing = inAdminTransaction(world.admin, async (admin) => {
      used = await pid(admin)
      await runInRoom(admin, room(), [
        [`do $do$ begin execute 'prepare pg_tenant_begin as select 1'; end $do$`],
      ])
    })
    await expect(replacing).rejects.toMatchObject({ details: { sqlState: '22P02' } })
    for (let turn = 0; turn < 3; turn++) expect(await inAdminTransaction(world.admin, pid)).not.toBe(used)
  })

  it('a session keeps as little of a thousand statements as of one', async () => {
    const kept = (statements: number) =>
      inAdminTransaction(world.root, async (admin) => {
        await runInRoom(admin, room(), [Array.from({ length: statements }, () => 'select 1')])
        const [row] = await admin.run('select count(*)::int as n from pg_backend_memory_contexts')
        return Number(row?.n)
      })
    await kept(1)
    const before = await kept(1)
    const one = (await kept(1)) - before
    expect(await kept(1000)).toBeLessThanOrEqual(before + 2 * one + 10)
  })

  it('and ends when it has seen many', async () => {
    const pids = new Set<unknown>()
    for (let turn = 0; turn <= MOST_ROOMS / roomsOf(2); turn++)
      await inAdminTransaction(world.admin, async (admin) => {
        await runInRoom(admin, room(), [['select 1'], ['select 2']])
        pids.add((await admin.run('select pg_backend_pid() as pid'))[0]?.pid)
      })
    expect(pids.size).toBe(2)
  })
})
