import type { Migration } from '@org/core'
import type { World } from '../support/world.ts'

/** What the application's own tool had made in each schema. */
export const BASELINE: Migration = {
  id: '0001_init',
  sql: `create table notes (id serial primary key, body text not null);
    create table tags (note_id int references notes, tag text);
    create view recent as select * from notes order by id desc limit 10;
    create type state as enum ('open', 'done');
    create type span as range (subtype = int);
    create domain short as text check (length(value) < 100);
    create table items (id bigint generated always as identity primary key, what short, at state) partition by range (id);
    create table items_low partition of items for values from (1) to (1000);
    create table states (state varchar(9) constraint known check (state in ('open', 'done')));
    create index on notes (body)`,
}
/** What a schema is like that came from a dump: the server words its own words otherwise. */
const FROM_A_DUMP = `do $$ begin execute format('alter table states drop constraint known, add constraint known %s',
    (select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'states'::regclass)); end $$`
export const LATER: Migration = {
  id: '0002_done',
  sql: 'alter table notes add column done boolean not null default false',
}

/** A role that made tenants' schemas before there was this library; the administrator has its rights. */
export async function makeOwner(world: World, name: string): Promise<string> {
  const role = `${world.rolePrefix}${name}`
  await world.root.query(`create role ${role} login password 'legacy'; grant ${role} to ${world.adminRole}`)
  await world.root.query(
    `do $$ begin execute format('grant create on database %I to ${role}', current_database()); end $$`,
  )
  return role
}

/** One of its schemas, with rows. */
export async function makeSchema(world: World, owner: string, schema: string, rows = 3): Promise<void> {
  const name = `"${schema.replaceAll('"', '""')}"`
  await world.root.query(`set role ${owner}; create schema ${name}; set search_path to ${name}; ${BASELINE.sql}; ${FROM_A_DUMP};
    insert into notes (body) select 'note of ' || current_schema() || ' ' || g from generate_series(1, ${rows}) g;
    insert into tags select id, 'x' from notes; insert into items (what, at) values ('pen', 'open');
    reset role; reset search_path`)
}

// Everything in the catalogue that names a schema, its owner or what may be done with it. A privilege list that is not written out
// says the same as the owner's default that is.
const CATALOGUE = `select jsonb_build_object(
  'schema', (select jsonb_agg(jsonb_build_array(n.oid, pg_get_userbyid(n.nspowner), acl.list))
    from pg_namespace n cross join lateral (select array_agg(a::text order by a::text) as list
      from unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) a) acl where n.nspname = $1),
  'relations', (select jsonb_agg(jsonb_build_array(c.oid, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.reltuples >= -1, c.reloptions,
      (select array_agg(a::text order by a::text) from unnest(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) a),
      (select jsonb_agg(jsonb_build_array(t.attname, t.attacl::text) order by t.attnum) from pg_attribute t where t.attrelid = c.oid)) order by c.oid)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1),
  'routines', (select jsonb_agg(jsonb_build_array(p.oid, p.proname, pg_get_userbyid(p.proowner), p.prosrc, p.proconfig,
      (select array_agg(a::text order by a::text) from unnest(coalesce(p.proacl, acldefault('f', p.proowner))) a)) order by p.oid)
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = $1),
  'types', (select jsonb_agg(jsonb_build_array(t.oid, t.typname, pg_get_userbyid(t.typowner),
      (select array_agg(a::text order by a::text) from unnest(coalesce(t.typacl, acldefault('T', t.typowner))) a)) order by t.oid)
    from pg_type t join pg_namespace n on n.oid = t.typnamespace where n.nspname = $1),
  'others', (select jsonb_agg(what order by what::text) from (
      select jsonb_build_array('operator', o.oid, pg_get_userbyid(o.oprowner)) from pg_operator o join pg_namespace n on n.oid = o.oprnamespace where n.nspname = $1
      union all select jsonb_build_array('collation', o.oid, pg_get_userbyid(o.collowner)) from pg_collation o join pg_namespace n on n.oid = o.collnamespace where n.nspname = $1
      union all select jsonb_build_array('statistics', o.oid, pg_get_userbyid(o.stxowner)) from pg_statistic_ext o join pg_namespace n on n.oid = o.stxnamespace where n.nspname = $1
      union all select jsonb_build_array('default', d.defaclrole::regrole, d.defaclobjtype, d.defaclacl::text) from pg_default_acl d join pg_namespace n on n.oid = d.defaclnamespace where n.nspname = $1) o (what)),
  'roles', (select jsonb_agg(rolname order by rolname) from pg_roles where rolname like $2),
  'members', (select jsonb_agg(m::text order by m::text) from pg_auth_members m join pg_roles r on r.oid = m.roleid where r.rolname like $2)
) as state`

/** What the catalogue says of a schema and of the roles of a test. */
export async function catalogueOf(world: World, schema: string): Promise<unknown> {
  const values = [schema, `${world.rolePrefix.replaceAll('_', '\\_')}%`]
  return (await world.root.query(CATALOGUE, values)).rows[0]?.state
}

/** Every row of a schema's tables. */
export async function rowsOf(world: World, schema: string): Promise<unknown> {
  const name = `"${schema.replaceAll('"', '""')}"`
  const { rows } =
    await world.root.query(`select (select jsonb_agg(to_jsonb(n) order by id) from ${name}.notes n) as notes,
    (select jsonb_agg(to_jsonb(t) order by note_id) from ${name}.tags t) as tags, (select jsonb_agg(to_jsonb(i) order by id) from ${name}.items i) as items`)
  return rows[0]
}
