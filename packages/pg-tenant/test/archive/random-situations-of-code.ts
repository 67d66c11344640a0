import type { Random } from './random-schema.ts'
import { literal, type Situation } from './situation.ts'

// Objects that need each other through code, and what code can be attached to.

/** Row types of tables as types of columns, arguments and results; typed tables. */
const rowTypes: Situation = ({ once }, name) => {
  const [a, b, of, typed] = [name(), name(), name(), name()]
  return [
    `create table ${a} (id int primary key, body text)`,
    `insert into ${a} values (1, 'x'), (2, null)`,
    `create table ${b} (id int, one ${a}, many ${a}[])`,
    `insert into ${b} select 1, row(1, 'y'), array[row(2, 'z'), null]::${a}[]`,
    `create type ${of} as (id int, note text)`,
    `create table ${typed} of ${of} (id with options primary key, note with options default 'typed' not null)`,
    `insert into ${typed} values (1, 'n')`,
    `create function ${name()}(x ${a}, variadic rest ${b}[] default '{}') returns setof ${typed} language sql stable as $f$ select 1, 'x' $f$`,
    `create function ${name()}(${once(2) ? 'x ' : ''}${a}) returns text language sql immutable as $f$ select ($1).body $f$`,
    `create domain ${name()} as ${of} check ((value).id > 0)`,
    `create view ${name()} as select b, (b.one).body, b.many[1] as first from ${b} b`,
    `alter type ${of} add attribute extra int cascade`,
    `comment on column ${of}.note is 'attribute'`,
  ]
}

/** Defaults, generated columns, checks, indexes and policies that call functions, which read tables by their OIDs. */
const atomic: Situation = ({ once }, name) => {
  const [t, f, g, h, v] = [name(), name(), name(), name(), name()]
  return [
    `create function ${f}(x int) returns int language sql immutable return x * 2`,
    `create table ${t} (id int default ${f}(1), twice int generated always as (${f}(id)) stored, body text, check (${f}(id) > -9))`,
    `create index ${name()} on ${t} ((${f}(id))) where ${f}(id) > 0`,
    `create statistics ${name()} on (${f}(id)), (lower(body)) from ${t}`,
    `insert into ${t} (id, body) values (4, 'a'), (5, 'b')`,
    `create function ${g}() returns setof ${t} language sql stable begin atomic select * from ${t}; end`,
    `create function ${h}() returns bigint language sql stable begin atomic select count(*) from ${t}; end`,
    `alter table ${t} alter column id set default ${f}(2)`,
    `alter table ${t} add column n bigint default ${h}()`,
    `create view ${v} as select *, ${h}() as all_of_them from ${g}()`,
    `alter table ${t} add constraint ${name()} check (${h}() >= 0)${once(2) ? ' not valid' : ''}`,
    `alter table ${t} enable row level security`,
    `create policy ${name()} on ${t} using (${h}() >= 0 and exists (select from ${v}))`,
    `create function ${name()}(x int default ${f}(3), y ${t} default null) returns int language sql as 'select 1'`,
    `create domain ${name()} as int default ${f}(1) check (${f}(value) < 99)`,
    `create procedure ${name()}(in a int, inout b int default ${f}(7)) language sql begin atomic insert into ${t} (id) values (a); select b; end`,
  ]
}

/** A view and a function that need each other; views that need a key, and rules a constraint. */
const circles: Situation = ({ once }, name) => {
  const [v, f, t, key, w] = [name(), name(), name(), name(), name()]
  return [
    `create view ${v} as select 1 as x, 'a'::text as y`,
    `create function ${f}() returns setof ${v} language sql stable as $f$ select 2, 'b'::text $f$`,
    `create or replace view ${v} as select x, y from ${f}()`,
    `comment on view ${v} is 'a circle'`,
    `create view ${name()} as select count(*) as n from ${v}`,
    `create table ${t} (id int, body text, at date default '2024-01-01', constraint ${key} primary key (id))`,
    `insert into ${t} values (1, 'a'), (2, 'b')`,
    `create view ${w} as select id, body, count(*) as n from ${t} group by id`,
    `create materialized view ${name()} as select id, at, max(body) as m from ${t} group by id`,
    `create rule ${name()} as on insert to ${w} do instead insert into ${t} (id, body) values (new.id, new.body) on conflict on constraint ${key} do nothing`,
    `create function ${name()}(x int) returns void language sql begin atomic insert into ${t} (id) values (x) on conflict (id) do update set body = 'c'; end`,
    `create function ${name()}() returns setof ${w} language sql begin atomic select * from ${w}; end`,
    ...(once(2)
      ? [
          `create or replace view ${w} as select id, body, count(*) as n from ${t} where at > '2000-01-01' group by id`,
        ]
      : []),
  ]
}

/** Constants that name objects: they depend on them. */
const named: Situation = (_, name) => {
  const [s, t, e, f, c] = [name(), name(), name(), name(), name()]
  return [
    `create sequence ${s} cache 3`,
    `create type ${e} as enum ('x', 'y')`,
    `create function ${f}(a int, b text) returns int language sql immutable as 'select 1'`,
    `create text search configuration ${c} (copy = english)`,
    `create table ${t} (id bigint default nextval(${literal(s)}::regclass), kind regtype default ${literal(e)}::regtype, fn regprocedure,
      class regclass, body text, v tsvector generated always as (to_tsvector(${literal(c)}::regconfig, body)) stored)`,
    `insert into ${t} (class, body) values (${literal(t)}, 'the quick foxes'), ('pg_class', null)`,
    `alter table ${t} alter column fn set default ${literal(`${f}(int,text)`)}::regprocedure`,
    `create index ${name()} on ${t} using gin (to_tsvector(${literal(c)}::regconfig, body))`,
    `create view ${name()} as select ${literal(t)}::regclass as c, ${literal(e)}::regtype as t, 'public'::regnamespace as n, to_tsvector(${literal(c)}, 'x') as v`,
    `alter table ${t} add check (kind <> ${literal(e)}::regtype or class is null or true)`,
  ]
}

/** Functions with settings: the path among them, from where they are made. */
const settings: Situation = (_, name) => {
  const f = name()
  return [
    `create function ${f}() returns text language sql set search_path from current as 'select current_schema'`,
    `create function ${name()}(x int default 1, out y int, inout z text default 'it''s') language plpgsql strict parallel restricted cost 9
      set work_mem = '3MB' set datestyle = 'iso, dmy' set "my.own" = 'a, ''b''' as $f$ begin y := x; end $f$`,
    `do $d$ begin execute format('create function %I() returns int language sql set search_path to %I, public, pg_temp as ''select 1''',
      ${literal(f.slice(1, -1).slice(0, 50))} || '_path', current_schema); end $d$`,
    `do $d$ begin execute format('create function %I() returns text language sql as %L', 'names_' || length(${literal(f)}),
      format('select %L || (select count(*) from %I.notes)', current_schema, current_schema)); end $d$`,
    `do $d$ begin execute format('comment on function %I() is %L', 'names_' || length(${literal(f)}), current_schema || '.notes'); end $d$`,
    `create function ${name()}(anyelement, anyarray, out anyrange) language sql as 'select null'`,
    `create function ${name()}(x anycompatible, y anycompatiblearray default null) returns setof record language sql rows 7 as 'select 1, 2'`,
  ]
}

/** Every kind of aggregate, operator and cast that needs no superuser. */
const calculus: Situation = (_, name) => {
  const [step, inverse, final, agg, c, d, toD] = [name(), name(), name(), name(), name(), name(), name()]
  return [
    `create function ${step}(s int, x int) returns int language sql immutable as 'select coalesce(s, 0) + coalesce(x, 0)'`,
    `create function ${inverse}(s int, x int) returns int language sql immutable as 'select s - x'`,
    `create function ${final}(s int) returns text language sql immutable as 'select s::text'`,
    `create aggregate ${agg}(x int) (sfunc = ${step}, stype = int, sspace = 8, finalfunc = ${final}, finalfunc_modify = shareable, initcond = '0',
      msfunc = ${step}, minvfunc = ${inverse}, mstype = int, mfinalfunc = ${final}, minitcond = '5')`,
    `create aggregate ${name()}(order by x int) (sfunc = ${step}, stype = int, finalfunc = ${final})`,
    `create function ${name()}(s int, variadic x int[]) returns int language sql as 'select s'`,
    `create aggregate ${name()}(*) (sfunc = int4inc, stype = int, initcond = '0')`,
    `create table ${name()} (a int, b int)`,
    `create view ${name()} as select ${agg}(x) over (order by x rows 2 preceding), ${agg}(distinct x) filter (where x > 1) over () from generate_series(1, 3) x`,
    `comment on aggregate ${agg}(int) is 'moves'`,
    `create type ${c} as (x int)`,
    `create type ${d} as (y text)`,
    `create function ${toD}(${c}) returns ${d} language sql immutable as $f$ select row(($1).x::text) $f$`,
    `create cast (${c} as ${d}) with function ${toD}(${c}) as implicit`,
    `create cast (${d} as ${c}) with inout`,
    `comment on cast (${c} as ${d}) is 'cast'`,
    `create function ${inverse}(${c}, ${c}) returns boolean language sql immutable as 'select true'`,
    `create operator <-< (leftarg = ${c}, rightarg = ${c}, function = ${inverse}, commutator = >->, negator = <!<, hashes, merges)`,
    `create operator <!< (leftarg = ${c}, rightarg = ${c}, function = ${inverse}, negator = <-<)`,
    `create operator >-> (leftarg = ${c}, rightarg = ${c}, function = ${inverse}, commutator = <-<)`,
    `create view ${name()} as select row(1)::${c} operator(<-<) row(2)::${c} as less`,
  ]
}

/** Text search and collations of one's own, used by columns, types, indexes and partitions. */
const languages: Situation = ({ pick }, name) => {
  const [c, dict, config, t, p] = [name(), name(), name(), name(), name()]
  return [
    `create collation ${c} (provider = icu, locale = '${pick(['de', 'en-u-kn', 'sv'])}', deterministic = ${pick(['true', 'false'])})`,
    `create collation ${name()} from "C"`,
    `create collation ${name()} (provider = icu, locale = 'und', rules = '& a < b <<< c')`,
    `comment on collation ${c} is 'collation'`,
    `create table ${t} (a text collate ${c} default 'x', b text collate "POSIX", primary key (a))`,
    `insert into ${t} values ('a', 'b'), ('Ä', null)`,
    `create index ${name()} on ${t} (b collate ${c} desc, lower(a) collate "C")`,
    `create type ${name()} as (x text collate ${c})`,
    `create type ${name()} as range (subtype = text, collation = ${c})`,
    `create domain ${name()} as text collate ${c} check (value > 'a' collate ${c})`,
    `create view ${name()} as select a collate ${c} as a, max(b collate "C") from ${t} group by 1 order by 1`,
    `create table ${p} (k text collate "C") partition by range (k collate "C")`,
    `create table ${name()} partition of ${p} for values from ('a') to (E'\\'z')`,
    `create text search dictionary ${dict} (template = snowball, language = 'english', stopwords = 'english')`,
    `create text search configuration ${config} (parser = default)`,
    `alter text search configuration ${config} add mapping for asciiword, word with ${dict}, simple`,
    `comment on text search dictionary ${dict} is 'dictionary'`,
    `comment on text search configuration ${config} is 'configuration'`,
  ]
}

/** Triggers and rules in every state, on tables, partitions and views. */
const states: Situation = ({ pick }: Random, name) => {
  const [t, one, two, f, trigger, rule, other] = [name(), name(), name(), name(), name(), name(), name()]
  const state = () => pick(['disable', 'enable', 'enable replica', 'enable always'])
  return [
    `create function ${f}() returns trigger language plpgsql as $t$ begin return new; end $t$`,
    `create table ${t} (id int not null, body text) partition by list (id)`,
    `create table ${one} partition of ${t} for values in (1)`,
    `create table ${two} partition of ${t} default`,
    `create trigger ${trigger} before insert or update of body on ${t} for each row when (new.id > 0) execute function ${f}('it''s', '\\x')`,
    `create trigger ${other} after truncate on ${one} execute function ${f}()`,
    `create constraint trigger ${name()} after update on ${two} deferrable for each row when (old.id is distinct from new.id) execute function ${f}()`,
    `alter table ${t} ${state()} trigger ${trigger}`,
    `alter table ${one} ${state()} trigger ${trigger}`,
    `alter table ${one} ${state()} trigger ${other}`,
    `alter trigger ${other} on ${one} rename to ${name()}`,
    `create rule ${rule} as on update to ${two} where new.id <> old.id do instead (insert into ${one} values (1, new.body); delete from ${t} where id = old.id)`,
    `create rule ${name()} as on insert to ${two} do also nothing`,
    `alter table ${two} ${state()} rule ${rule}`,
    `create policy ${name()} on ${one} for delete to current_user, public using (body = 'x' or current_user <> 'y')`,
    `alter table ${one} enable row level security, force row level security`,
  ]
}

export const SITUATIONS_OF_CODE: readonly Situation[] = [
  rowTypes,
  atomic,
  circles,
  named,
  settings,
  calculus,
  languages,
  states,
]
