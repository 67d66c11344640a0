// @module-tag sampled
import { existsSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { useFolder } from '../archive/support.ts'
import { useSetting } from '../levels/setting.ts'
import { hasTurn, inTurn, SLOW } from '../support/sample.ts'
import { codeOf } from '../support/world.ts'

const setting = useSetting()
const { world } = setting
const folder = useFolder()

describe('an off-boarding', () => {
  it.skipIf(SLOW)('refuses to lose what no archive holds, until it is named', async () => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('lo')
    await tenancy.query('lo', `select lo_from_bytea(0, 'the contract')`)
    const backup = { to: folder.path('lo') }
    await expect(tenancy.offboard('lo', { confirm: 'lo', backup })).rejects.toMatchObject({
      code: 'CONFLICT',
      details: { reason: 'not_archived', lost: 'large objects 1' },
    })
    expect((await tenancy.find('lo'))?.status).toBe('active')
    const named = await tenancy.offboard('lo', { confirm: 'lo', backup, lose: ['large objects'] })
    expect(named.status).toBe('deleted')
    const odd = tenancy.offboard('lo', { confirm: 'lo', backup, lose: 'all' as never })
    expect(await codeOf(odd)).toBe('INVALID_OPTION')
  })

  it.each((['schema', 'row'] as const).filter((level) => hasTurn(level, ['row'])))(
    'level %s, where they are the application’s: refuses while its own rows name some, not those of others',
    async (level) => {
      const key =
        level === 'row' ? `tenant_id text not null, primary key (tenant_id, id)` : 'primary key (id)'
      const tenancy = setting.tenancy(level, {
        migrations: [
          {
            id: '1',
            sql: `create domain lo as oid; create domain file as lo; create type named as (name text, content oid);
              create function untold(named) returns text immutable language sql as $$ select ($1).name $$;
              create cast (named as text) with function untold(named);
              create table files (id int, content oid, other file, more oid[], row named, ${key})`,
          },
        ],
      })
      await tenancy.provision('lo')
      await tenancy.query(
        'lo',
        `insert into files (id, content, other, more, row)
          select 1, lo, lo, array[1, lo], row('a', lo)::named from lo_from_bytea(0, 'the contract') lo`,
      )
      await tenancy.provision('none')
      // A number that is none of a large object's, and none at all.
      await tenancy.query(
        'none',
        'insert into files (id, content, other, more) values (1, 1, 1, array[1]), (2, null, null, null)',
      )
      const lose = ['files.content', 'files.more', 'files.other', 'files.row']
      const skipped = lose.map((name) => ({ name, kind: 'large objects' }))
      expect(await tenancy.export('lo', { to: folder.path(`${level}-people`) })).toMatchObject({ skipped })
      const backup = { to: folder.path(`${level}-lo`) }
      await expect(tenancy.offboard('lo', { confirm: 'lo', backup })).rejects.toMatchObject({
        details: { reason: 'not_archived', lost: lose.map((name) => `large objects ${name}`).join(', ') },
      })
      expect(await tenancy.backup('lo', backup)).toMatchObject({ skipped })
      const own = { to: folder.path(`${level}-none`) }
      expect(await tenancy.offboard('none', { confirm: 'none', backup: own })).toMatchObject({ rows: 2 })
      const gone = await tenancy.offboard('lo', { confirm: 'lo', backup: { to: `${backup.to}-2` }, lose })
      expect(gone.status).toBe('deleted')
    },
  )

  it.runIf(SLOW)(
    'loses with them whatever hangs on them, and all that is said of it; the rest comes back',
    async () => {
      const tenancy = setting.tenancy('role')
      await tenancy.provision('lost')
      const [h, role] = ['role_lost', `"${setting.roleOf('role', 'lost')}"`]
      await world.root.query(`create foreign data wrapper nobody; create server nowhere foreign data wrapper nobody;
      create foreign table ${h}.away (a int) server nowhere; create view ${h}.over as select a from ${h}.away;
      create function ${h}.native(int) returns int language internal immutable as 'int4um';
      create function ${h}.calls(int) returns int language sql begin atomic select ${h}.native(1); end;
      create operator family ${h}.family using btree;
      create table ${h}.kept (id int primary key check (${h}.native(id) < 0));
      create type ${h}.base; create function ${h}.reads(cstring) returns ${h}.base language internal immutable strict as 'int4in';
      create function ${h}.writes(${h}.base) returns cstring language internal immutable strict as 'int4out';
      create type ${h}.base (input = ${h}.reads, output = ${h}.writes, like = int4);
      create table ${h}.based (id int generated always as identity primary key, b ${h}.base); create sequence ${h}.beside`)
      for (const what of ['view over', 'function calls', 'table kept', 'table based', 'sequence beside'])
        await world.root.query(`alter ${what.replace(' ', ` ${h}.`)} owner to ${role}`)
      await world.root.query(`insert into ${h}.based (b) values ('1'); insert into ${h}.kept values (1);
      alter sequence ${h}.beside owned by ${h}.based.id; alter table ${h}.based enable row level security;
      create policy p on ${h}.based using (true); alter table ${h}.based replica identity full;
      create trigger g before insert on ${h}.based for each row execute function suppress_redundant_updates_trigger();
      alter table ${h}.based alter id set statistics 9; comment on table ${h}.based is 'b'; comment on column ${h}.over.a is 'a';
      grant select on ${h}.based, ${h}.over to public; grant select (id) on ${h}.based to public; comment on view ${h}.over is 'v';
      revoke execute on function ${h}.calls(int) from public; comment on function ${h}.calls(int) is 'f';
      comment on function ${h}.native(int) is 'n'`)
      const { skipped } = await tenancy.backup('lost', { to: folder.path('lost') })
      const depending = skipped
        .filter(({ kind }) => kind === 'depends on one of them')
        .map(({ name }) => name)
      expect(skipped.map(({ name }) => name)).toEqual([
        'base',
        'away',
        'native',
        'reads',
        'writes',
        'family',
        ...depending,
      ])
      expect(depending.sort()).toEqual([
        `constraint based_pkey on ${h}.based`,
        `constraint kept_id_check on ${h}.kept`,
        `function ${h}.calls(integer)`,
        `policy p on ${h}.based`,
        `table ${h}.based`,
        `trigger g on ${h}.based`,
        `view ${h}.over`,
      ])
      expect(await tenancy.restore('found', { from: folder.path('lost') })).toMatchObject({ rows: 1 })
      const there = `select string_agg(relname, ' ' order by relname) as names from pg_class
      where relnamespace = 'role_found'::regnamespace and relkind <> 'i' and relname !~ '^_tenant'`
      expect((await world.root.query(there)).rows).toEqual([{ names: 'beside kept notes notes_id_seq' }])
      const lose = [...new Set(skipped.map(({ kind }) => kind))]
      const done = await tenancy.offboard('lost', {
        confirm: 'lost',
        backup: { to: folder.path('last') },
        lose,
      })
      expect(done.status).toBe('deleted')
    },
  )

  it.each(inTurn(['file', 'stream'], 2))(
    'drops nothing whose archive, in a %s, does not restore',
    async (kind) => {
      // What the column was computed from is not there any more: nobody can compute it again.
      const tenancy = setting.tenancy('role')
      const key = `stale-${kind}`
      await tenancy.provision(key)
      for (const sql of [
        'create table rates (code text primary key, pct numeric)',
        `create function pct(c text) returns numeric language sql immutable as 'select pct from rates where code = c'`,
        'create table items (id int primary key, code text, tax numeric generated always as (100 * pct(code)) stored)',
        `insert into rates values ('n', 0.2)`,
        `insert into items values (1, 'n')`,
        'update rates set pct = 0.3',
      ])
        await tenancy.query(key, sql)
      const to = kind === 'file' ? folder.path(key) : new PassThrough().resume()
      await expect(tenancy.offboard(key, { confirm: key, backup: { to } })).rejects.toMatchObject({
        code: 'INTERNAL_ERROR',
        details: { table: 'items' },
      })
      expect((await tenancy.find(key))?.status).toBe('active')
      // It would be in the way of the next call, and is no backup of what is written from now on.
      if (typeof to === 'string') expect(existsSync(to)).toBe(false)
      expect((await tenancy.query(key, 'select tax from items')).rows).toEqual([{ tax: '20.0' }])
    },
  )

  it.runIf(SLOW)('of a sound tenant into a stream is rehearsed as well, and goes through', async () => {
    const tenancy = setting.tenancy('role')
    await tenancy.provision('piped')
    await tenancy.query('piped', `insert into notes (body) values ('kept')`)
    const to = new PassThrough().resume()
    expect(await tenancy.offboard('piped', { confirm: 'piped', backup: { to } })).toMatchObject({
      status: 'deleted',
      rows: 1,
    })
  })
})

describe('what others hung on a tenant', () => {
  const CHANGES = [
    ['view', 'create view reporting.v as select id from role_$key.notes'],
    ['column', 'create table reporting.c (n role_$key.notes)'],
    [
      'function',
      `create function reporting.f() returns role_$key.notes language plpgsql as 'begin return null; end'`,
    ],
    ['foreign key', 'create table reporting.k (id bigint references role_$key.notes)'],
    ['publication', 'create publication feed for table role_$key.notes'],
    [
      'table of its own elsewhere',
      'create table reporting.own (a int); alter table reporting.own owner to $role',
    ],
  ] as const

  it.each(inTurn(CHANGES, 3))(
    '(a %s) is named, and neither drop, offboard nor a replacing restore takes it',
    async (name, sql) => {
      const tenancy = setting.tenancy('role')
      const key = `hung-${CHANGES.findIndex(([one]) => one === name)}`
      await tenancy.provision(key)
      const role = setting.roleOf('role', key)
      const quoted = sql.replaceAll('role_$key', `"role_${key}"`).replaceAll('$role', `"${role}"`)
      await world.root.query(`drop schema if exists reporting cascade; create schema reporting; ${quoted}`)
      const refused = { code: 'CONFLICT', details: { reason: 'dependents' } }
      const to = folder.path(key)
      await expect(tenancy.drop(key)).rejects.toMatchObject(refused)
      if (name !== 'publication') {
        await expect(tenancy.offboard(key, { confirm: key, backup: { to } })).rejects.toMatchObject(refused)
        expect((await tenancy.find(key))?.status).toBe('active')
      }
      if (name !== 'table of its own elsewhere') {
        await tenancy.backup(key, { to })
        const replaced = tenancy.restore(key, { from: to, force: 'replace' })
        await expect(replaced).rejects.toMatchObject(refused)
      }
      await world.root.query('drop schema reporting cascade; drop publication if exists feed')
      expect(await tenancy.drop(key)).toBe(true)
    },
  )
})
