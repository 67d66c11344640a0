import { SITUATIONS_OF_CODE } from './random-situations-of-code.ts'
import { SITUATIONS_OF_DATA } from './random-situations-of-data.ts'
import { worded } from './random-worded.ts'
import { literal, type Situation } from './situation.ts'

/** Tables whose checks read each other through functions, by the name alone. */
const circle: Situation = (_, name) => {
  const [a, b, ofA, ofB] = [name(), name(), name(), name()]
  return [
    `create table ${a} (id int primary key, other int)`,
    `create table ${b} (id int primary key, other int)`,
    `create function ${ofA}(x int) returns boolean language sql stable as $f$ select x is null or exists (select from ${a} where id = x) $f$`,
    `create function ${ofB}(x int) returns boolean language plpgsql stable as $f$ begin return x is null or exists (select from ${b} where id = x); end $f$`,
    `insert into ${a} values (1, null), (2, null)`,
    `insert into ${b} values (1, 1), (2, 2)`,
    `update ${a} set other = id`,
    `alter table ${a} add constraint ${name()} check (${ofB}(other))`,
    `alter table ${b} add constraint ${name()} check (${ofA}(other))`,
    `alter table ${a} add foreign key (other) references ${b} deferrable initially deferred`,
    `alter table ${b} add foreign key (other) references ${a} on delete set null`,
  ]
}

/** A domain whose check reads a table that has a column of the domain. */
const domainOverTable: Situation = (_, name) => {
  const [domain, table, fn, check] = [name(), name(), name(), name()]
  return [
    `create table ${table} (code text primary key)`,
    `create function ${fn}(x text) returns boolean language plpgsql stable as $f$ begin return exists (select from ${table} where code = x); end $f$`,
    `insert into ${table} values ('a'), ('b')`,
    `create domain ${domain} as text constraint ${check} check (${fn}(value))`,
    `alter table ${table} add column parent ${domain}`,
    `update ${table} set parent = 'a'`,
    `comment on constraint ${check} on domain ${domain} is 'reads a table'`,
    `create domain ${name()} as ${domain} default 'b'`,
  ]
}

const family: Situation = ({ int, once, pick }, name) => {
  const [p, c, d] = [name(), name(), name()]
  const tables = [p, c, d]
  const changes = [
    () =>
      `alter table ${pick(tables)} add column ${name()} ${pick(['int', 'text default $$x$$', 'numeric(5,1) not null default 3', 'date'])}`,
    () => `alter table ${pick(tables)} drop column if exists own`,
    () =>
      `alter table ${pick(tables)} add constraint ${name()} check (id > 0)${once(2) ? ' no inherit' : ''}`,
    () => `alter table ${d} no inherit ${c}`,
    () => `alter table ${d} inherit ${c}`,
    () => `insert into ${pick(tables)} (id) values (${int(99)})`,
    () => `alter table only ${p} alter column a set default 'only'`,
    () => `alter table ${c} alter column a set not null`,
  ]
  return [
    `create table ${p} (id int ${once(2) ? 'primary key' : 'not null'}, a text default 'p')`,
    `create table ${c} (own int default 1${once(2) ? ', a text' : ''}) inherits (${p})`,
    `create table ${d} (deep int) inherits (${c})`,
    ...Array.from({ length: 2 + int(5) }, () => pick(changes)()),
  ]
}

const partitions: Situation = ({ once, pick }, name) => {
  const [p, one, two, three, sub] = [name(), name(), name(), name(), name()]
  return [
    `create table ${p} (id int, k text, v int default 3, primary key (id, k)) partition by hash (id)`,
    `create table ${one} partition of ${p} for values with (modulus 2, remainder 0)`,
    `create table ${two} (v int, k text not null, id int not null, gone int)`,
    `alter table ${two} drop column gone`,
    `alter table ${p} attach partition ${two} for values with (modulus 2, remainder 1)`,
    `insert into ${p} select i, 'k' || i from generate_series(1, 5) i`,
    `create table ${three} (id int, at timestamptz not null, p point) partition by range (at, id)`,
    `create table ${sub} partition of ${three} for values from ('2024-01-01', minvalue) to ('2025-01-01', 5) partition by list (id)`,
    `create table ${name()} partition of ${sub} for values in (1, 2)`,
    `create table ${name()} partition of ${sub} default`,
    `insert into ${three} values (1, '2024-05-05', '(1,2)'), (9, '2024-06-06', null)`,
    `create unique index ${name()} on ${three} (at, id)`,
    `create index ${name()} on only ${three} (id)`,
    `alter table ${pick([one, two])} alter column v set default 9`,
    `create table ${name()} (id int, k text, foreign key (id, k) references ${p})`,
    ...(once(2) ? [`alter table ${p} detach partition ${pick([one, two])}`] : []),
    ...(once(2) ? [`alter table ${three} detach partition ${sub}`] : []),
    ...(once(3) ? [`alter table ${three} add column ${name()} int default 5`] : []),
  ]
}

const types: Situation = ({ pick }, name) => {
  const [e, comp, dom, rng] = [name(), name(), name(), name()]
  return [
    `create type ${e} as enum ('one', 'two', '')`,
    `alter type ${e} rename value 'two' to 'deux'`,
    `alter type ${e} add value 'zero' before 'one'`,
    `create domain ${dom} as ${e}[] not null check (cardinality(value) < 9)`,
    `create type ${comp} as (e ${e}, d ${dom}, t text collate "C")`,
    `alter type ${comp} add attribute ${name()} int`,
    `create type ${rng} as range (subtype = ${pick(['text', e, 'timestamptz'])}, multirange_type_name = ${name()})`,
    `create table ${name()} (c ${comp}, cs ${comp}[], d ${dom} default '{one}', e ${e} default 'one', r ${rng})`,
    `comment on type ${e} is 'enum'`,
    `comment on column ${comp}.t is 'attribute'`,
    `revoke usage on type ${e} from public`,
    `create cast (text as ${comp}) with inout as assignment`,
    `create function ${name()}(x ${e} default 'one', out y ${comp}, out z int) language sql as $f$ select null, 1 $f$`,
    `create function ${name()}(x ${e}[]) returns table (a ${e}, b text) language sql stable security definer cost 7 rows 3 parallel safe as $f$ select unnest(x), 'b' $f$`,
  ]
}

const constraints: Situation = ({ once, pick }, name) => {
  const [t, u, key, foreign] = [name(), name(), name(), name()]
  return [
    `create table ${t} (id int generated by default as identity (start 5 increment 5 maxvalue 500 cycle), a int, b text, r int4range, s text,
      constraint ${name()} unique (a, b) include (s), unique nulls not distinct (s), constraint ${key} primary key (id) with (fillfactor = 80))`,
    `alter table ${t} add constraint ${name()} unique (a, s) deferrable initially deferred`,
    `alter table ${t} add constraint ${name()} exclude using gist (r with &&) where (a > 0)`,
    `alter table ${t} add constraint ${name()} exclude using gist (a public.gist_int4_ops with =, r with &&)`,
    `insert into ${t} (a, b, r) values (1, 'x', '[1,3)'), (2, 'y', '[3,5)')`,
    `create table ${u} (id int references ${t} on update cascade on delete set default, a int, b text,
      foreign key (a, b) references ${t} (a, b) match full, foreign key (a, b) references ${t} (a, b) on delete set null (b))`,
    `alter table ${u} add constraint ${foreign} foreign key (a) references ${t} (id) not valid`,
    `alter table ${t} add column self int references ${t} on delete cascade deferrable`,
    `alter table ${u} add constraint ${name()} check (a <> 3) not valid`,
    `alter table ${u} alter constraint ${foreign} deferrable`,
    `alter table ${t} replica identity using index ${key}`,
    `alter table ${u} add constraint ${name()} check (a > 0) not enforced`,
    `alter table ${u} add column ${name()} int generated always as (a + 1) virtual`,
    `create table ${name()} (id int4range, during daterange, primary key (id, during without overlaps))`,
    ...(once(2) ? [`alter table ${t} cluster on ${key}`] : []),
    `alter table ${t} alter column a set (n_distinct = ${pick(['-0.5', '7'])}, n_distinct_inherited = 3)`,
    `alter table ${t} alter column b set compression pglz`,
    `alter table ${t} set (autovacuum_enabled = off, toast.autovacuum_enabled = off)`,
    `comment on constraint ${key} on ${t} is 'the key'`,
  ]
}

const indexes: Situation = ({ pick }, name) => {
  const [t, m, s] = [name(), name(), name()]
  return [
    `create table ${t} (id int primary key, a text, b int, j jsonb, v tsvector, w text)`,
    `insert into ${t} (id, a, b, j) select i, 'a' || i, i, jsonb_build_object('i', i) from generate_series(1, 4) i`,
    `create index ${name()} on ${t} using gin (j jsonb_path_ops)`,
    `create index ${name()} on ${t} using gin (v)`,
    `create index ${name()} on ${t} using brin (b) with (pages_per_range = 7)`,
    `create index ${name()} on ${t} using hash (a)`,
    `create index ${name()} on ${t} (a collate "C" text_pattern_ops desc nulls last, (b + 1)) include (w) where b > 1`,
    `create index ${m} on ${t} ((lower(a)), (b * 2))`,
    `alter index ${m} alter column 1 set statistics 33`,
    `create index ${name()} on ${t} using gin (a public.gin_trgm_ops)`,
    `create statistics ${name()} on (b % 2), (lower(a)) from ${t}`,
    `create statistics ${s} (dependencies) on a, b from ${t}`,
    `alter statistics ${s} set statistics 44`,
    `comment on index ${m} is 'index'`,
    `comment on statistics ${s} is 'statistics'`,
    `create materialized view ${name()} (x, "Y y") with (fillfactor = 55) as select id, a from ${t} where b > 1${pick([' with no data', ''])}`,
    `cluster ${t} using ${m}`,
  ]
}

const views: Situation = ({ once }, name) => {
  const [t, v, m, f, trigger, rule] = [name(), name(), name(), name(), name(), name()]
  return [
    `create table ${t} (id int primary key, parent int, body text)`,
    `insert into ${t} values (1, null, 'root'), (2, 1, E'x\\ty')`,
    `create recursive view ${name()} (id, depth) as select id, 0 from ${t} where parent is null union all select 1, 2 where false`,
    `create view ${v} with (security_invoker = true) as select * from ${t} where id > 0 with cascaded check option`,
    `alter view ${v} alter column body set default 'from the view'`,
    `create function ${f}() returns trigger language plpgsql as $t$ begin return null; end $t$`,
    `create view ${m} as select id + 1 as id, count(*) over () as n from ${v}`,
    `create trigger ${trigger} instead of insert or delete on ${m} for each row execute function ${f}('arg', 'it''s')`,
    `create trigger ${name()} after update of body, parent on ${t} for each row when (old.body is distinct from new.body) execute function ${f}()`,
    `create trigger ${name()} after insert on ${t} referencing new table as fresh for each statement execute function ${f}()`,
    `create rule ${rule} as on update to ${m} where new.id > 5 do instead (insert into ${t} (id) values (new.id); select 1)`,
    `create materialized view ${name()} as select * from ${m}`,
    `comment on view ${v} is 'view'`,
    `comment on column ${v}.body is 'column of a view'`,
    `comment on trigger ${trigger} on ${m} is 'trigger'`,
    `comment on rule ${rule} on ${m} is 'rule'`,
    `grant select (id), update (body) on ${v} to public`,
    ...(once(2) ? [`alter table ${t} rename column body to ${name()}`] : []),
    ...(once(3) ? [`alter table ${t} rename to ${name()}`] : []),
  ]
}

/** Types of extensions in a schema that all tenants share. */
const shared: Situation = (_, name) => {
  const t = name()
  return [
    `create table ${t} (email public.citext primary key, bag public.hstore default 'a=>1', emails public.citext[])`,
    `insert into ${t} values ('A@x', 'k=>v', '{B,c}'), ('b@x', null, null)`,
    `create index ${name()} on ${t} using gin (bag)`,
    `create domain ${name()} as public.citext check (value <> 'nobody')`,
    `create function ${name()}(x public.citext) returns public.hstore language sql as $f$ select null::public.hstore $f$`,
    `create view ${name()} as select * from ${t} where email = 'a@X'`,
  ]
}

const rights: Situation = ({ pick }, name) => {
  const [t, s, f, q, policy] = [name(), name(), name(), name(), name()]
  return [
    `create table ${t} (a int, b int)`,
    `create sequence ${s} as smallint start 7 owned by ${t}.a`,
    `alter table ${t} alter column a set default nextval(${literal(s)})`,
    `select setval(${literal(s)}, 42, ${pick(['true', 'false'])})`,
    `create function ${f}() returns int language sql as 'select 1'`,
    `create procedure ${q}(inout x int) language sql as 'select 1'`,
    `revoke all on function ${f}() from public`,
    `revoke all on procedure ${q}(int) from public`,
    `grant usage on sequence ${s} to public`,
    `grant select (a), insert (b), references (a) on ${t} to public`,
    `revoke insert, truncate on ${t} from current_user`,
    `alter default privileges grant select on tables to public`,
    `comment on sequence ${s} is 'sequence'`,
    `comment on function ${f}() is E'\\\\ ''quoted'''`,
    `alter table ${t} enable row level security`,
    `create policy ${policy} on ${t} for insert to public with check (a > 0)`,
    `create policy ${name()} on ${t} as restrictive for update using (b = 1) with check (b = 2)`,
    `comment on policy ${policy} on ${t} is 'policy'`,
    `create text search dictionary ${name()} (template = simple, stopwords = 'english')`,
  ]
}

const operators: Situation = (_, name) => {
  const f = name()
  return [
    `create function ${f}(int, text) returns boolean language sql immutable as 'select true'`,
    `create operator @@> (leftarg = int, rightarg = text, function = ${f}, commutator = <@@)`,
    `create function ${f}(text, int) returns boolean language sql immutable as 'select true'`,
    `create operator <@@ (leftarg = text, rightarg = int, function = ${f}, commutator = @@>, restrict = eqsel, join = eqjoinsel)`,
    `create operator !! (rightarg = text, function = length)`,
    `create table ${name()} (a int, b text, check (a @@> b), check ((!! b) >= 0))`,
    `create aggregate ${name()}(int) (sfunc = int4pl, stype = int, combinefunc = int4pl, parallel = safe, sortop = >)`,
    `create aggregate ${name()}(text) (sfunc = array_append, stype = text[], initcond = '{}')`,
    `comment on operator @@> (int, text) is 'operator'`,
  ]
}

/** What people have in their schemas, each with the objects it takes. */
export const SITUATIONS: readonly Situation[] = [
  circle,
  domainOverTable,
  family,
  partitions,
  types,
  constraints,
  indexes,
  views,
  shared,
  rights,
  operators,
  // Of endless variety: more often than the others.
  ...Array.from({ length: 6 }, () => worded),
  ...SITUATIONS_OF_CODE,
  ...SITUATIONS_OF_DATA,
]
