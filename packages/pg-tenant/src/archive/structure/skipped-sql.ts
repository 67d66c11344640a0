import { PATH } from './types-sql.ts'

// What hangs on what among a tenant's objects, and what no archive carries; parameters as in types-sql.ts.

const MEMBERS = `select 1259 as class, c.oid from home h join pg_class c on c.relnamespace = h.oid
    union all select 1247, t.oid from home h join pg_type t on t.typnamespace = h.oid
    union all select 1255, p.oid from home h join pg_proc p on p.pronamespace = h.oid
    union all select 2606, k.oid from home h join pg_constraint k on k.connamespace = h.oid
    union all select 2604, x.oid from home h join pg_class c on c.relnamespace = h.oid join pg_attrdef x on x.adrelid = c.oid
    union all select 2618, r.oid from home h join pg_class c on c.relnamespace = h.oid join pg_rewrite r on r.ev_class = c.oid
    union all select 2620, g.oid from home h join pg_class c on c.relnamespace = h.oid join pg_trigger g on g.tgrelid = c.oid
    union all select 3256, y.oid from home h join pg_class c on c.relnamespace = h.oid join pg_policy y on y.polrelid = c.oid
    union all select 2617, o.oid from home h join pg_operator o on o.oprnamespace = h.oid
    union all select 3456, o.oid from home h join pg_collation o on o.collnamespace = h.oid
    union all select 3381, s.oid from home h join pg_statistic_ext s on s.stxnamespace = h.oid
    union all select 3600, d.oid from home h join pg_ts_dict d on d.dictnamespace = h.oid
    union all select 3602, d.oid from home h join pg_ts_config d on d.cfgnamespace = h.oid
    union all select 2605, k.oid from pg_cast k`

export const NEEDS = `with ${PATH}, members as materialized (${MEMBERS})
  select distinct d.classid || ':' || d.objid as who, d.refclassid || ':' || d.refobjid as whom
  from path, pg_depend d join members m on m.class = d.classid and m.oid = d.objid
  where d.deptype in ('n', 'a', 'i', 'P', 'S') and not (d.classid = d.refclassid and d.objid = d.refobjid)
    and not (d.deptype = 'a' and d.classid = 1259 and exists (select from pg_class s where s.oid = d.objid and s.relkind = 'S'))`

// The key of what others may hang on, its name, and what PostgreSQL calls it.
export const LEFT_OUT = `with ${PATH}, own as (select oid from pg_roles where rolname = $4)
  select key, name, kind from path, (
    select '1259:' || c.oid as key, c.relname::text as name, 'foreign table' as kind from home h join pg_class c on c.relnamespace = h.oid
      and c.relkind = 'f' and c.relname <> all ($3::text[])
    union all select '1247:' || t.oid, t.typname, 'base type' from home h join pg_type t on t.typnamespace = h.oid and t.typtype in ('b', 'p')
      where t.typelem = 0 and t.typname !~ '^_' and not exists (select from pg_depend e where e.classid = 1247 and e.objid = t.oid and e.deptype = 'e')
    union all select '2616:' || o.oid, o.opcname, 'operator class' from home h join pg_opclass o on o.opcnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 2616 and e.objid = o.oid and e.deptype = 'e')
    union all select '2607:' || o.oid, o.conname, 'conversion' from home h join pg_conversion o on o.connamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 2607 and e.objid = o.oid and e.deptype = 'e')
    union all select '3601:' || o.oid, o.prsname, 'text search parser' from home h join pg_ts_parser o on o.prsnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 3601 and e.objid = o.oid and e.deptype = 'e')
    union all select '3764:' || o.oid, o.tmplname, 'text search template' from home h join pg_ts_template o on o.tmplnamespace = h.oid
      where not exists (select from pg_depend e where e.classid = 3764 and e.objid = o.oid and e.deptype = 'e')
    union all select '3079:' || x.oid, x.extname, 'extension' from home h join pg_extension x on x.extnamespace = h.oid
    union all select null, p.pubname, 'publication' from pg_publication p where exists (select from home h join pg_class c on c.relnamespace = h.oid
        join pg_publication_rel r on r.prrelid = c.oid and r.prpubid = p.oid)
      or exists (select from home h join pg_publication_namespace n on n.pnnspid = h.oid and n.pnpubid = p.oid)
    union all select null, count(*)::text, 'large objects' from pg_largeobject_metadata l join own on l.lomowner = own.oid having count(*) > 0
    union all select null, x.relname, 'invalid index' from home h join pg_class c on c.relnamespace = h.oid and c.relkind in ('r', 'm')
        join pg_index i on i.indrelid = c.oid and not i.indisvalid join pg_class x on x.oid = i.indexrelid
  ) found order by kind, name collate "C"`
