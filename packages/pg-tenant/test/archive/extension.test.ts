import { expect, it } from 'vitest'
import { useWorld } from '../support/world.ts'
import { useFolder } from './support.ts'

// ALTER … DEPENDS ON EXTENSION: the object goes when the extension does.
const NAMED = `select pg_describe_object(d.classid, d.objid, 0) as what, e.extname from pg_depend d join pg_extension e on e.oid = d.refobjid
  where d.deptype = 'x' and pg_describe_object(d.classid, d.objid, 0) like '%' || $1 || '.%' order by 1, 2`

const world = useWorld([])
const folder = useFolder()

it('what goes with an extension does so in a copy as well', async () => {
  await world.root.query(
    'create schema extensions; create extension citext schema extensions; create extension hstore schema extensions',
  )
  const tables = `create table t (a int); create table p (a int) partition by list (a); create table p1 partition of p for values in (1);
    create index "I x" on p (a); create materialized view m as select 1 as a; create index mi on m (a);
    create function f(int, variadic text[]) returns int language sql as 'select 1'; create procedure pr() language sql as 'select 1';
    create function g() returns trigger language plpgsql as 'begin return new; end';
    create trigger "T r" before insert on t for each row execute function g();
    alter index "I x" depends on extension citext; alter index mi depends on extension hstore;
    alter materialized view m depends on extension citext; alter procedure pr() depends on extension hstore;
    alter function f(int, text[]) depends on extension citext; alter function f(int, text[]) depends on extension hstore;
    alter trigger "T r" on t depends on extension citext`
  const tenancy = world.tenancy({ migrations: [{ id: '0001', sql: tables }] })
  await tenancy.provision('from')
  const from = folder.path('extension')
  await tenancy.backup('from', { to: from })
  await tenancy.restore('to', { from })
  const named = async (key: string) =>
    (await world.root.query(NAMED, [`c_${key}`])).rows.map(
      ({ what, extname }) => `${what.replaceAll(`c_${key}.`, '')} ${extname}`,
    )
  expect(await named('from')).toHaveLength(7)
  expect(await named('to')).toEqual(await named('from'))
})
