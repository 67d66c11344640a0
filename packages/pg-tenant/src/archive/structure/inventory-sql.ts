// What a schema holds, each catalogue read once: in a database of ten thousand tenants they are long, and none has an index by
// schema. What there is none of is not asked for. $1 schema, $2 names of relations that are not the tenant's, $3 its role.

/** Relations: kind, then T with triggers, P as a partition, R under row security. */
const RELATIONS = `select 1259 as class, c.oid, c.relname::text as name, c.relkind::text || case when c.relhastriggers then 'T' else '' end
      || case when c.relispartition then 'P' else '' end || case when c.relrowsecurity or c.relforcerowsecurity then 'R' else '' end as traits
    from home h join pg_class c on c.relnamespace = h.oid and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and c.relname <> all ($2::text[])`

// A cast is in no schema: it goes with a type or function of the tenant.
const CASTS = `select 2605, k.oid, '', '' from pg_cast k where k.castsource in (select oid from types) or k.casttarget in (select oid from types)
      or k.castfunc in (select oid from functions)`

/** Functions: kind, then i when they come with something else, as the constructors of a range type. */
export const INVENTORY = `with home as (select oid from pg_namespace where nspname = $1),
  types as (select t.oid, t.typtype::text as traits from home h join pg_type t on t.typnamespace = h.oid),
  functions as (select p.oid, p.prokind::text as traits from home h join pg_proc p on p.pronamespace = h.oid),
  objects as (${RELATIONS}
    union all select 1247, oid, '', traits from types
    union all select 1255, oid, '', traits from functions
    union all ${CASTS}
    union all select 2617, o.oid, '', '' from home h join pg_operator o on o.oprnamespace = h.oid
    union all select 3456, o.oid, '', '' from home h join pg_collation o on o.collnamespace = h.oid
    union all select 3381, o.oid, '', '' from home h join pg_statistic_ext o on o.stxnamespace = h.oid
    union all select 3600, o.oid, '', '' from home h join pg_ts_dict o on o.dictnamespace = h.oid
    union all select 3602, o.oid, '', '' from home h join pg_ts_config o on o.cfgnamespace = h.oid)
  select o.class, o.oid::text, o.name, o.traits || case when d.deptype = 'i' then 'i' else '' end as traits
    from objects o left join pg_depend d on d.classid = o.class and d.objid = o.oid and (d.deptype = 'e' or d.deptype = 'i' and o.class = 1255)
    where d.deptype is distinct from 'e'
  union all select 826, x.oid::text, '', case x.defaclnamespace when 0 then 'e' else 'h' end from pg_default_acl x join pg_roles r on r.oid = x.defaclrole
    where r.rolname = $3 and (x.defaclnamespace = 0 and x.defaclobjtype <> 'L' or x.defaclnamespace = (select oid from home))`
