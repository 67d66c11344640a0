import { MOVE_PUBLICATION } from '../../lifecycle/dependents.ts'

// What hangs on what among a tenant's objects, and what no archive carries; $1 schema, $2 the tenant's search path.

// $1 and $2 catalogues and oids of the objects. A check that is not valid finds an heir's own of its name there, and makes it no less valid; an
// heir's own does not find one that is not valid.
export const NEEDS = `select distinct d.classid || ':' || d.objid as who, d.refclassid || ':' || d.refobjid as whom
  from unnest($1::oid[], $2::oid[]) m (class, oid) join pg_depend d on d.classid = m.class and d.objid = m.oid
  where d.deptype in ('n', 'a', 'i', 'P', 'S') and not (d.classid = d.refclassid and d.objid = d.refobjid)
    and not (d.deptype = 'a' and d.classid = 1259 and exists (select from pg_class s where s.oid = d.objid and s.relkind = 'S'))
  union select d.classid || ':' || d.objid, d.classid || ':' || d.objid
  from unnest($1::oid[], $2::oid[]) m (class, oid) join pg_depend d on m.class = 1255 and d.classid = 1255 and d.objid = m.oid
    and d.refclassid = 1255 and d.refobjid = m.oid and d.deptype = 'n'
  union select '1259:' || r.ev_class, '1259:' || r.ev_class
  from unnest($1::oid[], $2::oid[]) m (class, oid) join pg_rewrite r on m.class = 2618 and r.oid = m.oid and r.rulename = '_RETURN'
    join pg_depend d on d.classid = 2618 and d.objid = r.oid and d.refclassid = 1259 and d.refobjid = r.ev_class and d.deptype = 'n'
      and (d.refobjsubid > 0 or current_setting('server_version_num')::int >= 160000)
  union select '2606:' || k.oid, '2606:' || own.oid
  from unnest($1::oid[], $2::oid[]) m (class, oid) join pg_constraint k on m.class = 2606 and k.oid = m.oid and k.contype = 'c' and not k.convalidated
    cross join lateral (with recursive heir (oid) as (select inhrelid from pg_inherits where inhparent = k.conrelid
      union select i.inhrelid from heir h join pg_inherits i on i.inhparent = h.oid) select oid from heir) h
    join pg_constraint own on own.conrelid = h.oid and own.conname = k.conname and own.contype = 'c' and own.conislocal`

// $3 names of relations that are not the tenant's, $4 its role. The key of what others may hang on, its name, and what PostgreSQL calls it.
export const LEFT_OUT = `with path as materialized (select set_config('search_path', $2, true)),
  home as (select oid from pg_namespace where nspname = $1), own as (select oid from pg_roles where rolname = $4)
  select key, name, kind from path, (
    select '1259:' || c.oid as key, c.relname::text as name, 'foreign table' as kind from home h join pg_class c on c.relnamespace = h.oid
      and c.relkind = 'f' and c.relname <> all ($3::text[])
    union all select distinct '1259:' || c.oid, c.relname, 'child of somebody else’s table' from home h
      join pg_class c on c.relnamespace = h.oid and c.relkind in ('r', 'p') join pg_inherits i on i.inhrelid = c.oid
      join pg_class p on p.oid = i.inhparent and p.relnamespace <> h.oid and p.relowner <> c.relowner
    union all select '1247:' || t.oid, t.typname, 'base type' from home h join pg_type t on t.typnamespace = h.oid and t.typtype in ('b', 'p')
      where t.typelem = 0 and t.typname !~ '^_' and not exists (select from pg_depend e where e.classid = 1247 and e.objid = t.oid and e.deptype = 'e')
    union all select '1255:' || p.oid, p.proname, 'function in an untrusted language' from home h join pg_proc p on p.pronamespace = h.oid and p.prokind <> 'a'
      join pg_language l on l.oid = p.prolang and l.lanname <> 'sql' and not l.lanpltrusted
      where not exists (select from pg_depend e where e.classid = 1255 and e.objid = p.oid and e.deptype in ('e', 'i'))
    union all select '2616:' || o.oid, o.opcname, 'operator class' from home h join pg_opclass o on o.opcnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 2616 and e.objid = o.oid and e.deptype = 'e')
    union all select '2753:' || o.oid, o.opfname, 'operator family' from home h join pg_opfamily o on o.opfnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 2753 and e.objid = o.oid and e.deptype = 'e')
        and not exists (select from pg_opclass c where c.opcfamily = o.oid and c.opcnamespace = h.oid)
    union all select '2607:' || o.oid, o.conname, 'conversion' from home h join pg_conversion o on o.connamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 2607 and e.objid = o.oid and e.deptype = 'e')
    union all select '3601:' || o.oid, o.prsname, 'text search parser' from home h join pg_ts_parser o on o.prsnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 3601 and e.objid = o.oid and e.deptype = 'e')
    union all select '3764:' || o.oid, o.tmplname, 'text search template' from home h join pg_ts_template o on o.tmplnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 3764 and e.objid = o.oid and e.deptype = 'e')
    union all select '3079:' || x.oid, x.extname, 'extension' from home h join pg_extension x on x.extnamespace = h.oid
    union all select null, p.pubname, 'publication' from pg_publication p where not starts_with(p.pubname, '${MOVE_PUBLICATION}') and (exists (select from home h join pg_class c on c.relnamespace = h.oid
        join pg_publication_rel r on r.prrelid = c.oid and r.prpubid = p.oid)
      or exists (select from home h join pg_publication_namespace n on n.pnnspid = h.oid and n.pnpubid = p.oid))
    union all select distinct null, s.subname, 'subscription' from pg_subscription s join pg_subscription_rel r on r.srsubid = s.oid
      join pg_class c on c.oid = r.srrelid join home h on h.oid = c.relnamespace
    union all select null, count(*)::text, 'large objects' from pg_largeobject_metadata l join own on l.lomowner = own.oid having count(*) > 0
    union all select null, x.relname, 'invalid index' from home h join pg_class c on c.relnamespace = h.oid and c.relkind in ('r', 'm')
        join pg_index i on i.indrelid = c.oid and not i.indisvalid join pg_class x on x.oid = i.indexrelid
  ) found order by kind, name collate "C"`
