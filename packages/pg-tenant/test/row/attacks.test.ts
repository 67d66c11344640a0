import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TenantDb } from '../../src/index.ts'
import { codeOf, POOLED, useWorld } from '../support/world.ts'
import { type RowTenancy, rowTenancy } from './row-world.ts'

// Attacks on row-level security. Where there is an obvious way that fails, it stands beside ours as the control: table
// `app.obvious`, owned by the application, policy not forced and without nullif, setting left on the session.

const world = useWorld([])
let tenancy: RowTenancy
beforeAll(async () => {
  tenancy = rowTenancy(world, { pool: world.pool({ max: 1 }) })
  for (const key of ['acme', 'globex']) await tenancy.provision(key)
  await world.root.query(`
    create schema obvious;
    create table obvious.notes (tenant_id text, body text);
    alter table obvious.notes enable row level security;
    create policy p on obvious.notes using (tenant_id = current_setting('app.tenant_id', true));
    grant usage on schema obvious to ${world.appRole};
    alter table obvious.notes owner to ${world.appRole};
    insert into obvious.notes values ('acme', 'a'), ('globex', 'g');
    create schema evil;
    create function evil.yes(text, text) returns boolean language sql as 'select true';
    create operator evil.= (leftarg = text, rightarg = text, function = evil.yes);
    create function evil.current_setting(text, boolean) returns text language sql as $$select 'globex'$$;
    grant usage on schema evil to ${world.appRole}`)
})
beforeEach(async () => {
  await world.root.query(`delete from app.notes;
    insert into app.notes (tenant_id, body) values ('acme', 'a'), ('globex', 'g')`)
})
/** All rows, as nobody but a superuser sees them. */
const rows = async () =>
  (await world.root.query(`select tenant_id || ':' || body as row from app.notes order by 1`)).rows.map(
    ({ row }) => row,
  )
const UNTOUCHED = ['acme:a', 'globex:g']
const seen = async (db: Pick<TenantDb, 'query'>, from = 'notes') =>
  (await db.query<{ body: string }>(`select body from ${from} order by 1`)).rows.map(({ body }) => body)
const stateOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: { details?: { sqlState?: string } }) => error.details?.sqlState ?? error,
  )

describe('a statement that forgets the tenant', () => {
  it.each([
    ['select', 'select * from notes', 1],
    ['select for update', 'select * from notes for update', 1],
    [
      'select by ctid',
      `select * from notes where ctid = any (array(select format('(0,%s)', n)::tid from generate_series(1, 100) n))`,
      1,
    ],
    ['copy of a query', `select count(*) from notes having count(*) = 1`, 1],
    ['update', `update notes set body = body`, 1],
    [
      'update … from itself',
      `update notes set body = o.body from notes o where o.tenant_id <> notes.tenant_id`,
      0,
    ],
    ['delete where it is named', `delete from notes where tenant_id = 'globex'`, 0],
    ['join over all', 'select * from notes a, notes b', 1],
    [
      'merge',
      `merge into notes n using (values ('globex', 'g')) v (t, b) on n.body = v.b when matched then delete`,
      0,
    ],
  ])('%s', async (_, sql, expected) => {
    expect((await tenancy.query('acme', sql)).rowCount).toBe(expected)
    expect(await rows()).toEqual(UNTOUCHED)
  })

  it('delete', async () => {
    await tenancy.query('acme', 'delete from notes')
    expect(await rows()).toEqual(['globex:g'])
  })

  it('control: the owner of a table whose policy is not forced sees all', async () => {
    expect(await tenancy.withTenant('acme', (db) => seen(db, 'obvious.notes'))).toEqual(['a', 'g'])
  })
})

describe('a row for another tenant', () => {
  it.each([
    ['insert', `insert into notes (tenant_id, body) values ('globex', 'x')`],
    ['insert … returning', `insert into notes (tenant_id, body) values ('globex', 'x') returning *`],
    ['insert without a tenant', `insert into notes (tenant_id, body) values ('', 'x')`],
    ['update', `update notes set tenant_id = 'globex'`],
    [
      'on conflict do nothing',
      `insert into notes (tenant_id, body) values ('globex', 'g') on conflict do nothing`,
    ],
    [
      'upsert',
      `insert into notes (tenant_id, body) values ('globex', 'g') on conflict (tenant_id, body) do update set body = 'x'`,
    ],
    [
      'upsert that moves',
      `insert into notes (body) values ('a') on conflict (tenant_id, body) do update set tenant_id = 'globex'`,
    ],
    [
      'merge',
      `merge into notes n using (values (1)) v on false when not matched then insert (tenant_id, body) values ('globex', 'x')`,
    ],
  ])('is refused by %s', async (_, sql) => {
    expect(await stateOf(tenancy.query('acme', sql))).toBe('42501')
    expect(await rows()).toEqual(UNTOUCHED)
  })

  it('is not in the way of one of ours: uniqueness holds for each tenant', async () => {
    await tenancy.query('acme', `insert into notes (body) values ('g')`)
    expect(await rows()).toEqual(['acme:a', 'acme:g', 'globex:g'])
  })
})

describe('without a tenant', () => {
  it('a bare query sees no rows and writes none, before a scope and behind one', async () => {
    const pool = world.pool({ max: 1 })
    const mine = rowTenancy(world, { pool })
    const insert = `insert into app.notes (body) values ('x')`
    for (const setting of [null, '']) {
      const { rows } = await pool.query(`select current_setting('app.tenant_id', true) as now`)
      if (!POOLED) expect(rows).toEqual([{ now: setting }])
      expect((await pool.query('select * from app.notes')).rows).toEqual([])
      expect((await pool.query('update app.notes set body = body')).rowCount).toBe(0)
      await expect(pool.query(insert)).rejects.toMatchObject({ code: '42501' })
      await expect(
        pool.query(`insert into app.notes (tenant_id, body) values ('', 'x')`),
      ).rejects.toMatchObject({ code: '42501' })
      await mine.query('acme', 'select 1')
    }
    // Row of nobody, made past the policies: the empty setting does not find it.
    await world.root.query(`insert into app.notes (tenant_id, body) values ('', 'nobody')`)
    expect((await pool.query('select * from app.notes')).rows).toEqual([])
  })

  it('control: with a setting of the session the next user reads the last tenant, and the empty one matches', async () => {
    const pool = world.pool({ max: 1 })
    await world.root.query('alter table obvious.notes force row level security')
    await pool.query(`set app.tenant_id = 'acme'`)
    expect((await pool.query('select body from obvious.notes')).rows).toEqual([{ body: 'a' }])
    await pool.query(`set app.tenant_id = ''; insert into obvious.notes values ('', 'nobody')`)
    expect((await pool.query('select body from obvious.notes')).rows).toEqual([{ body: 'nobody' }])
    await pool.query('delete from obvious.notes')
    await world.root.query('alter table obvious.notes no force row level security')
  })

  it('forgets a setting that somebody left on the session', async () => {
    const pool = world.pool({ max: 1 })
    const mine = rowTenancy(world, { pool })
    await pool.query(`set app.tenant_id = 'globex'`)
    expect(await mine.withTenant('acme', seen)).toEqual(['a'])
  })
})

describe('SQL that changes the tenant', () => {
  const TO_GLOBEX = `select set_config('app.tenant_id', 'globex', true)`

  it('is refused at its first words, or found before COMMIT', async () => {
    for (const sql of [
      `set app.tenant_id = 'globex'`,
      `set local app.tenant_id = 'globex'`,
      'reset app.tenant_id',
      'reset all',
    ]) {
      expect(await codeOf(tenancy.query('acme', sql))).toBe('STATEMENT_REFUSED')
    }
    for (const sql of [
      TO_GLOBEX,
      `select set_config('app.tenant_id', '', true)`,
      `select set_config('app.tenant_id', 'globex', false)`,
      `do $$ begin execute 'reset app.tenant_id'; end $$`,
      `do $$ begin execute 'set app.tenant_id = globex'; end $$`,
      `select set_config('search_path', 'evil', true)`,
      `select set_config('search_path', 'app', true)`,
      `select set_config('synchronous_commit', 'off', true)`,
    ]) {
      expect(await codeOf(tenancy.query('acme', sql)), sql).toBe('SCOPE_ESCAPED')
      const scope = tenancy.withTenant('acme', async (db) => {
        await db.query(`insert into notes (body) values ('mine')`)
        await db.query(sql)
        await db.query('update app.notes set body = $1', ['taken']).catch(() => undefined)
      })
      expect(await codeOf(scope), sql).toMatch(/SCOPE_ESCAPED|SILENT_ROLLBACK/)
      expect(await rows()).toEqual(UNTOUCHED)
    }
    expect(await tenancy.withTenant('acme', seen)).toEqual(['a'])
  })

  it('finds another role, and does not mind one that was left on the session', async () => {
    const other = `${world.rolePrefix}other`
    await world.root.query(`create role ${other}; grant ${other} to ${world.appRole}`)
    const pool = world.pool({ max: 1 })
    const mine = rowTenancy(world, { pool })
    const rights = `grant usage on schema app to ${other}; grant execute on function app._tenant_c_ to ${other}`
    for (const given of ['select', rights]) {
      await world.root.query(given)
      await pool.query(`set role ${other}`)
      expect((await mine.query('acme', 'select current_user as role')).rows).toEqual([
        { role: world.appRole },
      ])
    }
    expect(await codeOf(mine.query('acme', `select set_config('role', '${other}', true)`))).toBe(
      'SCOPE_ESCAPED',
    )
    await world.root.query(`drop owned by ${other}; drop role ${other}`)
  })

  it('gives nothing back when it is one statement', async () => {
    const sql = `with t as materialized (${TO_GLOBEX}) select (select count(*) from t), n.* from notes n`
    expect(await codeOf(tenancy.query('acme', sql))).toBe('SCOPE_ESCAPED')
  })

  it('is undone with its savepoint', async () => {
    const bodies = await tenancy.withTenant('acme', async (db) => {
      await db
        .savepoint(async (inner) => {
          await inner.query(TO_GLOBEX)
          throw new Error('back')
        })
        .catch(() => undefined)
      return await seen(db)
    })
    expect(bodies).toEqual(['a'])
  })

  it('is OPEN: a statement that changes it and puts it back reads and writes as the other tenant', async () => {
    await tenancy.query(
      'acme',
      `do $$ declare stolen text; begin
         perform set_config('app.tenant_id', 'globex', true);
         select body into stolen from notes;
         update notes set body = 'defaced';
         perform set_config('app.tenant_id', 'acme', true);
         insert into notes (body) values ('stolen ' || stolen);
       end $$`,
    )
    expect(await rows()).toEqual(['acme:a', 'acme:stolen g', 'globex:defaced'])
  })

  it('is OPEN: a scope reads as the other tenant until its end, which then fails', async () => {
    let stolen: string[] = []
    const scope = tenancy.withTenant('acme', async (db) => {
      await db.query(TO_GLOBEX)
      stolen = await seen(db)
    })
    expect(await codeOf(scope)).toBe('SCOPE_ESCAPED')
    expect(stolen).toEqual(['g'])
  })
})

describe('ways around the policy', () => {
  it('row_security = off fails instead of showing more', async () => {
    const scope = tenancy.withTenant('acme', async (db) => {
      await db.query(`select set_config('row_security', 'off', true)`)
      return await seen(db)
    })
    expect(await stateOf(scope)).toBe('42501')
  })

  it.each([
    'truncate notes',
    'alter table notes disable row level security',
    'alter table notes no force row level security',
    'drop policy tenant_isolation on notes',
    `create policy open on notes using (true)`,
    'alter table notes owner to current_user',
    'create table app.mine (id int)',
    'create view app.all_notes as select * from notes',
    `create trigger t after insert on notes for each row execute function suppress_redundant_updates_trigger()`,
    'drop function app._tenant_c_(text, text)',
    `update tenancy.tenant set status = 'active'`,
    'select * from tenancy.row_migration',
  ])('%s is not permitted', async (sql) => {
    expect(await stateOf(tenancy.query('acme', sql))).toBe('42501')
  })

  it('COPY TO gives the own rows, COPY FROM is refused by PostgreSQL', async () => {
    const copied = await tenancy.withTenant('acme', async (db) => {
      let text = ''
      for await (const chunk of await db.copyTo('copy notes (tenant_id, body) to stdout'))
        text += String(chunk)
      return text
    })
    expect(copied).toBe('acme\ta\n')
    const scope = tenancy.withTenant('acme', async (db) => {
      const stream = await db.copyFrom('copy notes (tenant_id, body) from stdin')
      stream.end('globex\tx\n')
    })
    expect(await stateOf(scope)).toBe('0A000')
  })

  it('operators, functions and tables in the way do not reach the policy', async () => {
    let bodies: string[] = []
    const scope = tenancy.withTenant('acme', async (db) => {
      await db.query(`select set_config('search_path', 'evil, app, pg_catalog', true)`)
      bodies = (await db.query<{ body: string }>('select body from app.notes')).rows.map(({ body }) => body)
    })
    expect(await codeOf(scope)).toBe('SCOPE_ESCAPED')
    expect(bodies).toEqual(['a'])
    const kept = await tenancy.withTenant('acme', async (db) => {
      await db.query('create temp table notes (tenant_id text, body text)')
      await db.query(`insert into notes (body) values ('acknowledged')`)
      return await seen(db, 'app.notes')
    })
    expect(kept).toEqual(['a', 'acknowledged'])
  })

  it('a function in the WHERE clause is not shown rows of others', async () => {
    const LEAK = `create function pg_temp.leak(text) returns boolean cost 0.0000001 language plpgsql as
      $$ begin insert into pg_temp.leaked values ($1); return true; end $$`
    const leaked = (from: string) =>
      tenancy.withTenant('acme', async (db) => {
        await db.query('create temp table leaked (body text) on commit drop')
        await db.query(LEAK)
        await db.query(`select * from ${from} where pg_temp.leak(body)`)
        const bodies = await seen(db, 'leaked')
        await db.query('drop function pg_temp.leak(text)')
        return bodies
      })
    expect(await leaked('notes')).toEqual(['a'])
    // Control: the obvious view in place of a policy.
    await world.root.query(`create table obvious.notes2 (tenant_id text, body text); insert into obvious.notes2 values ('acme', 'a'), ('globex', 'g');
      create view obvious.mine as select * from obvious.notes2 where tenant_id = current_setting('app.tenant_id');
      grant select on obvious.mine to ${world.appRole}`)
    expect(await leaked('obvious.mine')).toEqual(['a', 'g'])
  })

  it('statistics of the table are not shown', async () => {
    await world.root.query('analyze app.notes; analyze obvious.notes2')
    const stats = (table: string) =>
      tenancy.query(
        'acme',
        'select * from pg_stats where schemaname = $1 and tablename = $2',
        table.split('.'),
      )
    expect((await stats('app.notes')).rows).toEqual([])
    await world.root.query(`grant select on obvious.notes2 to ${world.appRole}`)
    expect((await stats('obvious.notes2')).rows).not.toEqual([])
  })

  it('a view, or a function, with the rights of an owner who is bound gives the own rows', async () => {
    await world.admin.query(`
      create schema bound; grant usage on schema bound to ${world.appRole};
      create view bound.notes as select * from app.notes; grant select on bound.notes to ${world.appRole};
      create function bound.bodies() returns setof text language sql security definer as 'select body from app.notes'`)
    expect(await tenancy.withTenant('acme', (db) => seen(db, 'bound.notes'))).toEqual(['a'])
    expect((await tenancy.query('acme', 'select bound.bodies() as body')).rows).toEqual([{ body: 'a' }])
    await world.admin.query('drop schema bound cascade')
  })
})
