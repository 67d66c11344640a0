/**
 * Everything in a schema that ALTER … OWNER TO knows, but for what is made for something else (the sequence of a column, the type of a
 * table, a range's constructors and, from PostgreSQL 17 on, its multirange) or belongs to an extension. Common table expressions `home`
 * and `made (class, oid, owner, acl, follows)`; a sequence of a column `follows` its table, whatever one asks.
 *
 * $1 the schema, $2 names of relations that are left out where they are the administrator's.
 */
export const OWNED_OBJECTS = `home as (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1),
  every (class, oid, owner, acl, follows) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, c.relowner, c.relacl, c.relkind = 'S' and exists (select from pg_catalog.pg_depend d
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
          and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype in ('a', 'i'))
      from home join pg_catalog.pg_class c on c.relnamespace = home.oid
      where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not (c.relname = any ($2::pg_catalog.text[])
        and c.relowner = (select r.oid from pg_catalog.pg_roles r where r.rolname = current_user))
    union all select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, p.proowner, p.proacl, false
      from home join pg_catalog.pg_proc p on p.pronamespace = home.oid
      where not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        and d.objid = p.oid and d.deptype = 'i')
    union all select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typowner, t.typacl, false
      from home join pg_catalog.pg_type t on t.typnamespace = home.oid
      where (t.typtype in ('b', 'd', 'e', 'r')
          or t.typtype = 'm' and pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 170000
          or t.typtype = 'c' and exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
        and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)
    union all select 'pg_catalog.pg_operator'::pg_catalog.regclass, o.oid, o.oprowner, null, false
      from home join pg_catalog.pg_operator o on o.oprnamespace = home.oid
    union all select 'pg_catalog.pg_opclass'::pg_catalog.regclass, o.oid, o.opcowner, null, false
      from home join pg_catalog.pg_opclass o on o.opcnamespace = home.oid
    union all select 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.oid, o.opfowner, null, false
      from home join pg_catalog.pg_opfamily o on o.opfnamespace = home.oid
    union all select 'pg_catalog.pg_collation'::pg_catalog.regclass, o.oid, o.collowner, null, false
      from home join pg_catalog.pg_collation o on o.collnamespace = home.oid
    union all select 'pg_catalog.pg_conversion'::pg_catalog.regclass, o.oid, o.conowner, null, false
      from home join pg_catalog.pg_conversion o on o.connamespace = home.oid
    union all select 'pg_catalog.pg_ts_config'::pg_catalog.regclass, o.oid, o.cfgowner, null, false
      from home join pg_catalog.pg_ts_config o on o.cfgnamespace = home.oid
    union all select 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, o.oid, o.dictowner, null, false
      from home join pg_catalog.pg_ts_dict o on o.dictnamespace = home.oid
    union all select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, o.oid, o.stxowner, null, false
      from home join pg_catalog.pg_statistic_ext o on o.stxnamespace = home.oid
  ),
  made as (
    select e.* from every e where not exists (select from pg_catalog.pg_depend d
      where d.classid = e.class and d.objid = e.oid and d.deptype = 'e')
  )`
