// @module-tag sampled
import { beforeAll, describe, expect, it } from 'vitest'
import { useSetting } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'
import { useFolder } from './support.ts'

// What a restore needs CREATE OR REPLACE for, and what an owner has said about its own objects.

const MADE = [
  // A view and a function that returns its rows; both of them, and what hangs on them.
  'create view whole as select 1 as x, \'a\'::text collate "C" as y',
  "create function rows_of_whole() returns setof whole language sql stable as $f$ select 2, 'b'::text $f$",
  'create or replace view whole with (security_barrier) as select x, y from rows_of_whole()',
  'create view counted as select count(*) as n from whole',
  // A view over a function whose body reads the view.
  'create function latest() returns bigint language sql stable as $f$ select 1::bigint $f$',
  'create view newest as select latest() as id',
  'create or replace function latest() returns bigint language sql stable begin atomic select max(id) + 0 * (select count(*) from newest) from notes; end',
  // What names itself: such a view can be read no more, and is there all the same.
  'create function down(n int) returns int language sql return n',
  'create or replace function down(n int) returns int language sql return case when n > 0 then down(n - 1) else n end',
  'create view endless as select id, body from notes',
  'create or replace view endless as select id, body from endless',
  "comment on view endless is 'read by nobody'",
  // Three in a circle, one of them a view over a key.
  'create table item (id bigint primary key, body text)',
  'create view items as select id, body, count(*) as n from item group by id',
  'create function first_item() returns items language sql stable as $f$ select 1::bigint, null::text, 1::bigint $f$',
  'create view firsts as select (first_item()).id',
  'create or replace view items as select id, body, count(*) + (select count(*) from firsts) * 0 as n from item group by id',
  // What calls a function that got a sister which could be meant as well.
  'create function meant() returns int language sql immutable as $f$ select 1 $f$',
  'create view meaning as select meant() as n, 2 as m',
  'create table meant_by (n int default meant(), check (n >= meant()))',
  'insert into meant_by default values',
  'create function meant(other int default 5) returns int language sql immutable as $f$ select other $f$',
  'create function meant(variadic others text[]) returns int language sql immutable as $f$ select 7 $f$',
  // The same the other way round: the one with a default is meant, or the one for any type.
  'create function either(x int default 5) returns int language sql immutable as $f$ select x $f$',
  'create function either_of(x anyelement) returns int language sql immutable as $f$ select 50 $f$',
  'create view eithers as select either() as n, either_of(1) as m, either(7) as o',
  'create table either_by (id int, n int default either(), o int generated always as (either_of(id)) stored, check (n > either() - 1))',
  'insert into either_by (id) values (1)',
  'create index on either_by ((either() + either_of(id)))',
  'create function either_too() returns int language sql immutable return either() + either_of(2)',
  'create function either() returns int language sql immutable as $f$ select 1 $f$',
  'create function either_of(x int) returns int language sql immutable as $f$ select 2 $f$',
  // One that takes rows of what calls its sister.
  'create function either(x eithers) returns int language sql immutable as $f$ select 3 $f$',
  // Marks of a cycle, of any type.
  `create view walked as with recursive r(n) as (values (1) union all select n + 1 from r where n < 3)
    search depth first by n set o cycle n set again to 'it''s' default 'N' using p select n, again from r`,
  `create function walks() returns setof date language sql begin atomic with recursive r(n) as (values (1) union all select n from r)
    cycle n set "to" to date '2024-01-01' default date '2023-01-01' using "default" select "to" from r; end`,
  `create view walked_on as with recursive r(n) as (values (1) union all select n from r) cycle n set c using p select c,
    ' cycle x set c to ''Y''::text default' as words from r`,
  // Views without a column.
  'create view bare as select from item',
  'create materialized view barer with (fillfactor = 50) as select from bare',
  // A call of a function that is made before a type of its name is no cast to that type.
  'create function cast_like(x anyelement) returns boolean language sql immutable as $f$ select true $f$',
  'create function enum_like(x anyelement) returns text language sql immutable as $f$ select $t$called$t$ $f$',
  'create table called_by (n int check (cast_like(n)), b boolean not null default true check (cast_like(b)), t text)',
  `insert into called_by values (1, true, 'x')`,
  'create index on called_by (enum_like(t))',
  'create view calls as select enum_like(t) as called, cast_like(b) as well from called_by',
  'create domain cast_like as int check (value > 100)',
  `create type enum_like as enum ('x')`,
  `create table cast_by (e enum_like default 'x', c enum_like generated always as ('x'::enum_like) stored, d cast_like)`,
  // What names the type as well as the function.
  'create domain base64 as bytea',
  `create function base64(text) returns base64 language sql immutable as $f$ select decode($1, 'base64')::base64 $f$`,
  `create function base64(json) returns base64 language sql immutable as $f$ select base64($1 #>> '{}') $f$`,
  'create function base64(base64) returns int language sql immutable as $f$ select length($1) $f$',
  'create cast (json as base64) with function base64(json) as implicit',
  'create cast (text as base64) with function base64(text) as assignment',
  `create table based (t text, b base64 default base64('AA=='::text), n int generated always as (base64(base64(t))) stored)`,
  `create view bases as select base64(t) as b, '\\x00'::base64 as c from based`,
  // A cast by a function of the type's name, and a call of one whose result has that type.
  `create type temper as enum ('calm')`,
  `create function temper(int) returns temper language sql immutable as $f$ select 'calm'::temper $f$`,
  'create cast (int as temper) with function temper(int)',
  'create view tempers as select (n::temper)::text as t from based',
  'create domain tag as text',
  'create function tagged(anyelement) returns tag language sql immutable as $f$ select $1::text::tag $f$',
  'create view tags_of as select tagged(t) as t from based',
  'alter function tagged(anyelement) rename to tag',
  `create view tags_read as select (tag(n))::text as c, x.a from based, json_to_record('{"a":"b"}') x(a tag)`,
  // Objects made with others.
  'create table numbered (id int generated always as identity (sequence name numbers) constraint numbered_key primary key, body text)',
  "comment on sequence numbers is 'of the identity'",
  "comment on index numbered_key is 'of the key'",
  "comment on constraint numbered_key on numbered is 'the key'",
  "comment on table numbered is 'the table'",
  'create materialized view summed as select id, body from numbered',
  'alter materialized view summed alter column body set storage external',
  'alter materialized view summed alter column id set statistics 7',
  // Triggers of partitions, each in a state of its own.
  'create table parted (id int, k int) partition by list (id)',
  'create table part_one partition of parted for values in (1) partition by list (k)',
  'create table part_deep partition of part_one for values in (1)',
  'create table part_two partition of parted default',
  'create function nothing() returns trigger language plpgsql as $f$ begin return new; end $f$',
  'create trigger switched before insert on parted for each row execute function nothing()',
  'alter table parted disable trigger switched',
  'alter table only part_one enable always trigger switched',
  'alter table only part_deep enable trigger switched',
  'create trigger off before insert on parted for each row execute function nothing()',
  'alter table parted disable trigger off',
  // Text under a collation that knows no regular expressions.
  "create collation loose (provider = icu, locale = 'und', deterministic = false)",
  'create table loosely (a text collate loose, b text[] collate loose)',
  "insert into loosely values ('=enc:v1:abc', '{x}')",
  // Rights that the owner took from itself.
  "insert into numbered (body) values ('a'), ('b')",
  'create sequence counter start 41',
  "select nextval('counter')",
  // Types that were given the names of sequences.
  'create sequence twin increment 3',
  'create domain twin as int',
  "create table twins (id int generated by default as identity (sequence name pair start 7), n int default nextval('twin'), t twin)",
  "create type pair as enum ('a')",
  'insert into twins (t) values (1)',
  'create aggregate summed_in_order(order by x int) (sfunc = int4pl, stype = int)',
  'revoke all on function summed_in_order(int) from public',
  'revoke all on sequence counter, numbers from current_user',
  'revoke all on numbered from current_user',
]

const FACTS = `select pg_get_viewdef(c.oid) as view, c.reloptions, c.relacl::text is null as usual_rights, c.relname,
    obj_description(c.oid, 'pg_class') as said, (select array_agg((attname, attstorage, attstattarget)::text order by attnum) from pg_attribute
      where attrelid = c.oid and attnum > 0 and c.relkind = 'm') as columns
  from pg_class c where relnamespace = $1::regnamespace and relname !~ '^_tenant_' order by relname`
const TRIGGERS = `select tgrelid::regclass::text as on, tgname, tgenabled from pg_trigger join pg_class c on c.oid = tgrelid
  where relnamespace = $1::regnamespace and not tgisinternal order by relname, tgname`
const FUNCTIONS = `select proname, pg_get_function_result(oid) as result, pg_get_function_sqlbody(oid) as body, proacl is null as usual
  from pg_proc where pronamespace = $1::regnamespace order by proname, oidvectortypes(proargtypes)`

const MEANT = `select (select n from {}.meaning) as meaning, (select (n, m, o)::text from {}.eithers) as eithers, {}.either_too() as too,
  (select (id, n, o)::text from {}.either_by where n = 5 and o = 50) as by, (select (called, well)::text from {}.calls) as calls`

const setting = useSetting()
const folder = useFolder()

describe.each([SLOW ? 'database' : 'role'] as const)('at level %s', (level) => {
  const tenancy = () => setting.tenancy(level)
  const facts = async (key: string) => {
    const schema = `"${setting.schemaOf(level, key)}"`
    const found: unknown[] = []
    for (const sql of [FACTS, FUNCTIONS, TRIGGERS])
      found.push((await setting.rootAt(level, key, sql, [schema])).rows)
    const text = JSON.stringify(found)
    return JSON.parse(text.replaceAll(setting.schemaOf(level, key), 'here')) as unknown
  }
  const sequences = async (key: string) => {
    const schema = `"${setting.schemaOf(level, key)}"`
    const sql = `select last_value, is_called from ${schema}.counter union all select last_value, is_called from ${schema}.numbers`
    return (await setting.rootAt(level, key, sql)).rows
  }

  beforeAll(async () => {
    await tenancy().provision('acme')
    for (const sql of MADE) await tenancy().query('acme', sql)
  })

  it('objects that need each other, rights taken back and comments come back as they were', async () => {
    const to = folder.path(`circles-${level}`)
    expect((await tenancy().backup('acme', { to })).skipped).toEqual([])
    await tenancy().restore('copy', { from: to })
    expect(await facts('copy')).toEqual(await facts('acme'))
    expect(await sequences('copy')).toEqual(await sequences('acme'))
    const rows = `select body from "${setting.schemaOf(level, 'copy')}".numbered order by 1`
    expect((await setting.rootAt(level, 'copy', rows)).rows).toEqual([{ body: 'a' }, { body: 'b' }])
    expect((await tenancy().query('copy', 'select n from counted')).rows).toEqual([{ n: '1' }])
    for (const key of ['acme', 'copy']) {
      const meant = MEANT.replaceAll('{}', `"${setting.schemaOf(level, key)}"`)
      const found = (await setting.rootAt(level, key, meant)).rows
      expect(found).toEqual([
        { meaning: 1, eithers: '(5,50,7)', too: 55, by: '(1,5,50)', calls: '(called,t)' },
      ])
    }
  })

  it('tables with the name of a schema', async () => {
    const [own, other] = [setting.schemaOf(level, 'same'), setting.schemaOf(level, 'other')]
    const named = setting.tenancy(level)
    await named.provision('same')
    for (const table of [own, other]) {
      await named.query('same', `create table ${table} (id int, body text)`)
      await named.query(
        'same',
        `create view v_${table} as select ${table}.id, x.body from ${table} join ${table} x using (id)`,
      )
      await named.query(
        'same',
        `create function f_${table}() returns bigint language sql begin atomic select count(${table}.id) from ${table}; end`,
      )
    }
    const to = folder.path(`same-${level}`)
    await named.backup('same', { to })
    await named.restore('other', { from: to })
    await named.restore('same', { from: to, force: 'replace' })
    const sql = `select count(*)::int as views from pg_views where schemaname = $1`
    expect((await setting.rootAt(level, 'other', sql, [other])).rows).toEqual([{ views: 2 }])
    expect((await setting.rootAt(level, 'same', sql, [own])).rows).toEqual([{ views: 2 }])
  })

  it('they are exported and off-boarded all the same', async () => {
    const exported = await tenancy().export('acme', { to: folder.path(`circles-export-${level}`) })
    expect(exported.tables).toContainEqual(expect.objectContaining({ table: 'numbered', rows: 2 }))
    const backup = { to: folder.path(`circles-last-${level}`) }
    const receipt = await tenancy().offboard('acme', { confirm: 'acme', backup })
    expect(receipt).toMatchObject({ status: 'deleted', rows: 7 })
  })
})
