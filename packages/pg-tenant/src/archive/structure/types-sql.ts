// Types, domains, ranges and collations of a schema, as statements. $3 the oids of those that are its own (inventory-sql.ts), `path`
// and `home` as below.

/**
 * $1 schema, $2 the tenant's search path. A query is parsed and planned under a pinned path; `path` sets the tenant's while it
 * runs, so that names are written as they read there, and no operator is ever looked for in it.
 */
export const PATH = `path as materialized (select set_config('search_path', $2, true)),
  home as not materialized (select $1::text as nspname)`

// $4 the tenant's role, $5 the one that scopes run as where it is another.
/** The queries in one message. */
export const together = (queries: readonly string[]) =>
  `with ${PATH}, roles as not materialized (select $4::text, $5::text)
  select * from (${queries.map((sql) => `(${sql})`).join(' union all ')}) found`

/** A type with its array, the types of its ranges, and the relation of a composite. */
const ALSO = `array_remove(array['1247:' || nullif(t.typarray, 0), '1259:' || nullif(t.typrelid, 0)], null)`

export const ENUMS = `select '1247:' || t.oid as key, ${ALSO} as also, 10 as phase,
    format('type %I.%I', h.nspname, t.typname) as what,
    format('create type %I.%I as enum (%s)', h.nspname, t.typname,
      (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid)) as sql
  from path, home h join pg_type t on t.oid = any ($3::oid[]) and t.typtype = 'e'`

export const COMPOSITES = `select '1247:' || t.oid as key, ${ALSO} as also, 10 as phase,
    format('type %I.%I', h.nspname, t.typname) as what,
    format('create type %I.%I as (%s)', h.nspname, t.typname,
      (select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
          (select format(' collate %I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
           join pg_type b on b.oid = a.atttypid where co.oid = a.attcollation and a.attcollation <> b.typcollation)), ', ' order by a.attnum)
       from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped)) as sql
  from path, home h join pg_type t on t.oid = any ($3::oid[]) and t.typtype = 'c'
    join pg_class c on c.oid = t.typrelid and c.relkind = 'c'`

// Constraints of a domain that no composite, array, range or row of a table that is a column's contains can be added behind the data; the
// others cannot.
const CONTAINED = `exists (select from pg_depend d join pg_type b on d.classid = 'pg_type'::regclass and b.oid = d.objid
      where d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid and b.typtype <> 'd' and b.oid <> t.typarray)
    or exists (select from pg_depend d join pg_class b on d.classid = 'pg_class'::regclass and b.oid = d.objid and b.relkind = 'c'
      where d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid)
    or exists (select from pg_attribute a where a.atttypid = t.typarray and a.attnum > 0 and not a.attisdropped)
    or exists (select from pg_type b where b.typbasetype = t.oid)
    or exists (select from pg_depend o join pg_class b on b.oid = o.objid and b.relkind <> 'c' join pg_type y on y.oid = b.reltype
      join pg_depend d on d.refclassid = 'pg_type'::regclass and d.refobjid in (y.oid, y.typarray)
      left join pg_class k on d.classid = 'pg_class'::regclass and k.oid = d.objid and k.relkind in ('r', 'p', 'm', 'c') and d.objsubid > 0
      where o.refclassid = 'pg_type'::regclass and o.refobjid = t.oid and o.classid = 'pg_class'::regclass and o.objsubid > 0
        and (k.oid is not null or d.classid = 'pg_type'::regclass and d.objid not in (y.oid, y.typarray)))`
const CHECKS = `from pg_constraint k where k.contypid = t.oid and k.contype = 'c'`

export const DOMAINS = `select '1247:' || t.oid as key, ${ALSO} ||
      case when ${CONTAINED} then array(select '2606:' || k.oid ${CHECKS}) else '{}' end as also, 10 as phase,
    format('domain %I.%I', h.nspname, t.typname) as what,
    format('create domain %I.%I as %s', h.nspname, t.typname, format_type(t.typbasetype, t.typtypmod)) ||
      coalesce((select format(' collate %I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
        join pg_type b on b.oid = t.typbasetype where co.oid = t.typcollation and t.typcollation <> b.typcollation), '') ||
      coalesce(' default ' || case when t.typdefaultbin is null then quote_literal(t.typdefault) else pg_get_expr(t.typdefaultbin, 0) end, '') ||
      case when t.typnotnull then coalesce((select format(' constraint %I', k.conname) from pg_constraint k where k.contypid = t.oid
        and k.contype = 'n'), '') || ' not null' else '' end ||
      case when ${CONTAINED} then coalesce((select string_agg(format(' constraint %I %s', k.conname, pg_get_constraintdef(k.oid)), '' order by k.conname)
        ${CHECKS} and k.convalidated), '') else '' end as sql
  from path, home h join pg_type t on t.oid = any ($3::oid[]) and t.typtype = 'd'`

export const DOMAIN_CHECKS = `select '2606:' || k.oid as key, '{}'::text[] as also, 45 as phase,
    format('constraint %I on domain %I.%I', k.conname, h.nspname, t.typname) as what,
    format('alter domain %I.%I add constraint %I %s', h.nspname, t.typname, k.conname, pg_get_constraintdef(k.oid)) as sql
  from path, home h join pg_type t on t.oid = any ($3::oid[]) and t.typtype = 'd'
    join pg_constraint k on k.contypid = t.oid and k.contype = 'c'
 
  where not (k.convalidated and (${CONTAINED}))`

// A function that makes values canonical needs the type's name before the type is made.
export const RANGE_SHELLS = `select 'shell:' || t.oid as key, '{}'::text[] as also, 10 as phase,
    format('shell %I.%I', h.nspname, t.typname) as what, format('create type %I.%I', h.nspname, t.typname) as sql
  from path, home h join pg_type t on t.oid = any ($3::oid[]) and t.typtype = 'r' join pg_range r on r.rngtypid = t.oid
  where r.rngcanonical <> 0`

export const RANGES = `select '1247:' || t.oid as key, ${ALSO} || array['1247:' || m.oid, '1247:' || m.typarray] as also, 10 as phase,
    format('type %I.%I', h.nspname, t.typname) as what,
    format('create type %I.%I as range (subtype = %s, subtype_opclass = %I.%I, multirange_type_name = %I.%I%s%s%s)', h.nspname, t.typname,
      format_type(r.rngsubtype, null), ocn.nspname, oc.opcname, mn.nspname, m.typname,
      (select format(', collation = %I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
       where co.oid = r.rngcollation),
      (select format(', canonical = %I.%I', pn.nspname, p.proname) from pg_proc p join pg_namespace pn on pn.oid = p.pronamespace
       where p.oid = r.rngcanonical::oid),
      (select format(', subtype_diff = %I.%I', pn.nspname, p.proname) from pg_proc p join pg_namespace pn on pn.oid = p.pronamespace
       where p.oid = r.rngsubdiff::oid)) as sql
  from path, home h join pg_type t on t.oid = any ($3::oid[]) and t.typtype = 'r' join pg_range r on r.rngtypid = t.oid
    join pg_opclass oc on oc.oid = r.rngsubopc join pg_namespace ocn on ocn.oid = oc.opcnamespace
    join pg_type m on m.oid = r.rngmultitypid join pg_namespace mn on mn.oid = m.typnamespace
 `

// Columns of pg_collation were renamed in 17; a row as JSON has whichever there are.
export const COLLATIONS = `select '3456:' || c.oid as key, '{}'::text[] as also, 10 as phase,
    format('collation %I.%I', h.nspname, c.collname) as what,
    format('create collation %I.%I (%s)', h.nspname, c.collname, concat_ws(', ',
      'provider = ' || case c.collprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end,
      'deterministic = ' || c.collisdeterministic,
      'lc_collate = ' || quote_literal(c.collcollate), 'lc_ctype = ' || quote_literal(c.collctype),
      'locale = ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')),
      'rules = ' || quote_literal(to_jsonb(c) ->> 'collicurules'))) as sql
  from path, home h join pg_collation c on c.oid = any ($3::oid[])`
