// @module-tag sampled
import { describe, expect, it } from 'vitest'
import type { IsolationLevel, Tenancy } from '../../src/index.ts'
import { useFolder } from '../archive/support.ts'
import { useSetting } from '../levels/setting.ts'
import { sampled } from '../support/sample.ts'

// Whatever others have hung on a tenant's objects, of every kind that PostgreSQL has dependencies for: named, refused, and there
// afterwards as it was.
const setting = useSetting()
const { world } = setting
const folder = useFolder()

/** What a tenant made: something of each kind that others can use. */
const OWN = `
  create type mood as enum ('calm');
  create type pair as (a int, b int);
  create domain digits as text check (value ~ '^[0-9]+$');
  create function twice(int) returns int language sql immutable as 'select $1 * 2';
  create function is_odd(int) returns boolean language sql immutable as 'select $1 % 2 = 1';
  create function fires() returns trigger language plpgsql as 'begin return new; end';
  create sequence counter;
  create table things (id int primary key, m mood);
  create view seen as select id from things;
  create table parted (k int) partition by list (k);
  create operator === (leftarg = int, rightarg = int, function = int4eq);
  create collation plain from "C"`

const CHANGES: Readonly<Record<string, string>> = {
  'a view on a view': 'create view reporting.v as select id from $home.seen',
  'a materialized view': 'create materialized view reporting.m as select count(*) from $home.things',
  'a rule': 'create rule r as on insert to reporting.t do also insert into $home.things values (new.a)',
  'a publication of a table': 'create publication feed for table $home.things',
  'a publication of the schema': 'create publication feed for tables in schema $home',
  'a default with a function': 'alter table reporting.t alter a set default $home.twice(1)',
  'a default with a sequence': `alter table reporting.t alter a set default nextval('$home.counter')`,
  'a check': 'alter table reporting.t add check ($home.is_odd(a))',
  'a generated column': 'alter table reporting.t add g int generated always as ($home.twice(a)) stored',
  'an index over a function': 'create index on reporting.t ($home.twice(a))',
  'a partial index': 'create index on reporting.t (a) where $home.is_odd(a)',
  'a trigger': 'create trigger g before insert on reporting.t for each row execute function $home.fires()',
  'a policy': 'create policy p on reporting.t using ($home.is_odd(a))',
  'a policy over a table': 'create policy p on reporting.t using (a in (select id from $home.things))',
  'a column of an enum': 'alter table reporting.t add m $home.mood',
  'a column of an array of it': 'alter table reporting.t add m $home.mood[]',
  'a column of a composite': 'alter table reporting.t add p $home.pair',
  'a column of a domain': 'alter table reporting.t add d $home.digits',
  'a column of a row type': 'alter table reporting.t add w $home.things',
  'a column under a collation': 'alter table reporting.t add c text collate $home.plain',
  'a domain over a type': 'create domain reporting.d as $home.mood',
  'a domain’s check': 'create domain reporting.d as int check ($home.is_odd(value))',
  'a composite type': 'create type reporting.c as (m $home.mood)',
  'a range type': 'create type reporting.r as range (subtype = $home.mood)',
  'a function’s argument': `create function reporting.f($home.mood) returns int language sql as 'select 1'`,
  'a function’s body':
    'create function reporting.f() returns int language sql begin atomic select $home.twice(1); end',
  'a procedure': `create procedure reporting.p(x $home.mood) language sql as 'select 1'`,
  'a set-returning function': `create function reporting.f() returns setof $home.things language sql as 'select null::int, null::$home.mood'`,
  'an aggregate': 'create aggregate reporting.g(int) (sfunc = int4pl, stype = int, finalfunc = $home.twice)',
  'an operator': 'create operator reporting.# (rightarg = int, function = $home.twice)',
  'a cast between types of others': `create type reporting.box as (a int);
    create function $home.unbox(reporting.box) returns int language sql immutable as 'select ($1).a';
    create cast (reporting.box as int) with function $home.unbox(reporting.box)`,
  statistics: 'create statistics reporting.s on ($home.twice(a)), a from reporting.t',
  'a foreign key': 'alter table reporting.t add foreign key (a) references $home.things',
  'a table that inherits': 'create table reporting.i () inherits ($home.things)',
  'a partition': 'create table reporting.one partition of $home.parted for values in (1)',
  'an event trigger': `create function $home.on_ddl() returns event_trigger language plpgsql as 'begin end';
    create event trigger watch on ddl_command_end when tag in ('CREATE CONVERSION') execute function $home.on_ddl()`,
  'an index of its operator class': `create operator class $home.ints for type int using btree as operator 1 <, operator 2 <=, operator 3 =,
    operator 4 >=, operator 5 >, function 1 btint4cmp(int, int); create index on reporting.t (a $home.ints)`,
  'a dictionary of its template': `create text search template $home.words (lexize = dsimple_lexize);
    create text search dictionary reporting.d (template = $home.words)`,
  'a configuration of its parser': `create text search parser $home.reads (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end,
    lextypes = prsd_lextype); create text search configuration reporting.c (parser = $home.reads)`,
  'a configuration over its dictionary': `create text search dictionary $home.stems (template = simple);
    create text search configuration reporting.c (copy = simple);
    alter text search configuration reporting.c alter mapping for word with $home.stems`,
  'a transform': `create type reporting.box as (a int); create function $home.into(internal) returns internal language internal immutable as 'int4in';
    create transform for reporting.box language plpgsql (from sql with function $home.into(internal))`,
  'a foreign-data wrapper': `create function $home.handles() returns fdw_handler language internal as 'int4in';
    create foreign data wrapper watch handler $home.handles`,
  'an extension': 'create extension if not exists citext schema $home',
  'a subscription': `create subscription feed connection '' publication feed with (connect = false, slot_name = none, enabled = false);
    insert into pg_subscription_rel values ((select oid from pg_subscription where subname = 'feed'), '$home.things'::regclass, 'r', null)`,
  'a policy of the tenant’s role': 'create policy p on reporting.t to $role using (true)',
  'a table of the tenant’s role': 'alter table reporting.t owner to $role',
  'statistics of the tenant’s role':
    'create statistics reporting.s on a, b from reporting.t; alter statistics reporting.s owner to $role',
  'a collation of the tenant’s role':
    'create collation reporting.c from "C"; alter collation reporting.c owner to $role',
  'an operator of the tenant’s role':
    'create operator reporting.# (rightarg = int, function = int4um); alter operator reporting.# (none, int) owner to $role',
}
/** What belongs to the tenant’s role stays through a replacing restore, which keeps the role. */
const OWNED = / of the tenant’s role$/

const CLEAR = `drop schema if exists reporting cascade; drop publication if exists feed; drop event trigger if exists watch;
  drop foreign data wrapper if exists watch; drop extension if exists citext; drop subscription if exists feed;
  create schema reporting; create table reporting.t (a int, b int)`

/** Everything there is of others, as the catalogue describes it. */
const OUTSIDE = `select string_agg(pg_describe_object(classid, objid, objsubid) || ' <- ' || refs, '; ' order by 1)::text as text
  from (select classid, objid, objsubid, string_agg(pg_describe_object(refclassid, refobjid, refobjsubid), ', ' order by 1) as refs
    from (select classid, objid, objsubid, refclassid, refobjid, refobjsubid, pg_describe_object(refclassid, refobjid, refobjsubid) as d
      from pg_depend where deptype <> 'p') d
    where pg_describe_object(classid, objid, objsubid) ~ 'reporting|feed|watch' group by 1, 2, 3) x`
const outside = async () => (await world.root.query<{ text: string }>(OUTSIDE)).rows[0]?.text

describe.each<IsolationLevel>(['role', 'schema'])('level %s', (level) => {
  const [home, key] = [`${level}_hung`, 'hung']
  let tenancy: Tenancy | undefined
  const provisioned = async () => {
    if (tenancy) return tenancy
    tenancy = setting.tenancy(level)
    await tenancy.provision(key)
    for (const sql of OWN.split(';\n')) await tenancy.query(key, sql)
    return tenancy
  }

  const changes = Object.entries(CHANGES)
  it.each(sampled(changes, level === 'role' ? 7 : 28))(
    '%s is named, and nobody takes it along',
    async (name, sql) => {
      const one = await provisioned()
      await world.root.query(CLEAR)
      const owner = await world.root.query(
        `select pg_get_userbyid(relowner) as name from pg_class where oid = '${home}.notes'::regclass`,
      )
      const quoted = sql.replaceAll('$home', home).replaceAll('$role', `"${owner.rows[0].name}"`)
      await world.root.query(quoted)
      const before = await outside()
      const refused = { code: 'CONFLICT', details: { reason: 'dependents', count: expect.any(Number) } }
      await expect(one.drop(key)).rejects.toMatchObject(refused)
      const to = folder.path(`${level}-${Object.keys(CHANGES).indexOf(name)}`)
      await one.backup(key, { to })
      if (!OWNED.test(name))
        await expect(one.restore(key, { from: to, force: 'replace' })).rejects.toMatchObject(refused)
      else await one.restore(key, { from: to, force: 'replace' })
      expect(await outside()).toBe(before)
    },
  )

  it('with none of them it is dropped', async () => {
    await world.root.query(CLEAR)
    expect(await (await provisioned()).drop(key)).toBe(true)
  })
})
