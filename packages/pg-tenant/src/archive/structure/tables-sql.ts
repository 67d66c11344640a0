import { PATH } from './types-sql.ts'

// Relations of a schema; parameters as in types-sql.ts. Tables are made bare: what could run while rows come in (defaults,
// checks, keys, triggers, policies) follows behind the data. Generated columns and what is not null cannot follow.

export const RELATION = `path, home h join pg_class c on c.oid = any ($3::oid[])`
const NAME = `format('%I.%I', h.nspname, c.relname)`
const OPTIONS = (of: string) =>
  `(select string_agg(split_part(option, '=', 1) || ' = ' || quote_literal(substr(option, strpos(option, '=') + 1)), ', ') from unnest(${of}) as option)`

/** Options of the table behind a table that holds its large values. */
const TOAST_OPTIONS = `array(select 'toast.' || o from pg_class t, unnest(t.reloptions) as o where t.oid = c.reltoastrelid)`
const RELATION_OPTIONS = `c.reloptions || ${TOAST_OPTIONS}`

// A type may have the name of a sequence that was there before it; no sequence can be made once it is, but it can be renamed.
const TAKEN = (of: string) =>
  `exists (select from pg_type y where y.typnamespace = ${of}.relnamespace and y.typname = ${of}.relname)`
const MADE_AS = (of: string) => `case when ${TAKEN(of)} then '_' || md5(${of}.relname) else ${of}.relname end`

export const RENAMED_SEQUENCES = `select 'renamed:' || c.oid as key, '{}'::text[] as also, 27 as phase, 'name of sequence ' || ${NAME} as what,
    format('alter sequence %I.%I rename to %I', h.nspname, ${MADE_AS('c')}, c.relname) as sql
  from ${RELATION} where c.relkind = 'S' and ${TAKEN('c')}`

export const SEQUENCES = `select '1259:' || c.oid as key, '{}'::text[] as also, 20 as phase, 'sequence ' || ${NAME} as what,
    format('create %ssequence %I.%I as %s increment by %s minvalue %s maxvalue %s start with %s cache %s%s',
      case c.relpersistence when 'u' then 'unlogged ' else '' end, h.nspname, ${MADE_AS('c')}, format_type(s.seqtypid, null), s.seqincrement, s.seqmin, s.seqmax,
      s.seqstart, s.seqcache, case when s.seqcycle then ' cycle' else '' end) as sql
  from ${RELATION} join pg_sequence s on s.seqrelid = c.oid
  where not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'i')`

// The column of a serial: the sequence goes with it.
export const OWNED_BY = `select 'owned:' || t.oid || ':' || c.oid as key, '{}'::text[] as also, 70 as phase,
    'sequence ' || ${NAME} || ' owned by' as what,
    format('alter sequence %s owned by %I.%I.%I', ${NAME}, h.nspname, t.relname, a.attname) as sql
  from ${RELATION} join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'a'
      and d.refclassid = 'pg_class'::regclass
    join pg_class t on t.oid = d.refobjid and t.relnamespace = c.relnamespace
    join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
  where c.relkind = 'S'`

const RANGE = `format(' minvalue %s maxvalue %s start with %s', q.seqmin, q.seqmax, q.seqstart)`
const OF_IDENTITY = `from pg_depend d join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_namespace sn on sn.oid = s.relnamespace
    join pg_sequence q on q.seqrelid = s.oid
  where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid
    and d.refobjsubid = a.attnum and d.deptype = 'i' and a.attidentity <> ''`
// A sequence of another type than its column's (ALTER SEQUENCE … AS) has bounds that may not fit that one: it is given both behind it.
const IDENTITY = `(select format(' generated %s as identity (sequence name %I.%I increment by %s%s cache %s%s)',
    case a.attidentity when 'a' then 'always' else 'by default' end, sn.nspname, ${MADE_AS('s')}, q.seqincrement,
    case when q.seqtypid = a.atttypid then ${RANGE} end, q.seqcache, case when q.seqcycle then ' cycle' else '' end) ${OF_IDENTITY})`
const IDENTITY_TYPE = `(select format('; alter sequence %I.%I as %s%s restart', sn.nspname, ${MADE_AS('s')}, format_type(q.seqtypid, null), ${RANGE})
  ${OF_IDENTITY} and q.seqtypid <> a.atttypid)`
const COLLATE = `(select format(' collate %I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
    join pg_type b on b.oid = a.atttypid where co.oid = a.attcollation and a.attcollation <> b.typcollation)`
const GENERATED = `(select format(' generated always as (%s) %s', pg_get_expr(x.adbin, x.adrelid), case a.attgenerated when 's' then 'stored' else 'virtual' end)
    from pg_attrdef x where x.adrelid = a.attrelid and x.adnum = a.attnum and a.attgenerated <> '')`
// From 18 on NOT NULL is a constraint with a name.
const NOT_NULL = `case when a.attnotnull and a.attidentity = '' or exists (select from pg_constraint k where k.conrelid = a.attrelid
      and k.contype = 'n' and k.conkey[1] = a.attnum) then
    case when current_setting('server_version_num')::int < 180000 then ' not null' else
      (select format(' constraint %I not null%s', k.conname, case when k.connoinherit then ' no inherit' else '' end) from pg_constraint k
       where k.conrelid = a.attrelid and k.contype = 'n' and k.conkey[1] = a.attnum and k.convalidated and (k.conislocal or c.relispartition)) end end`
const COLUMNS = `(select string_agg(format('%I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), ${COLLATE}, ${GENERATED}, ${IDENTITY}, ${NOT_NULL}),
    ', ' order by a.attnum)
  from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and (a.attislocal or c.relispartition))`
// One of its own on a column that it inherits as not null already: under its own name it comes with the table, or not at all. (That
// CONSTRAINTS says it again changes nothing.)
const OWN_NOT_NULL = `(select string_agg(format('constraint %I not null %I', k.conname, a.attname), ', ' order by a.attnum)
  from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  where k.conrelid = c.oid and k.contype = 'n' and k.conislocal and k.coninhcount > 0 and k.convalidated and not a.attislocal and not c.relispartition)`
const PARENTS = `(select string_agg(format('%I.%I', pn.nspname, p.relname), ', ' order by i.inhseqno) from pg_inherits i
    join pg_class p on p.oid = i.inhparent join pg_namespace pn on pn.oid = p.relnamespace where i.inhrelid = c.oid and not c.relispartition)`

// Partitions are made by themselves and attached behind the data: their columns keep their order.
export const TABLES = `select '1259:' || c.oid as key,
    array['1247:' || c.reltype, '1247:' || (select t.typarray from pg_type t where t.oid = c.reltype)] ||
      array(select '2604:' || x.oid from pg_attrdef x join pg_attribute a on a.attrelid = x.adrelid and a.attnum = x.adnum
            where x.adrelid = c.oid and a.attgenerated <> '') ||
      array(select '1259:' || d.objid from pg_depend d where d.classid = 'pg_class'::regclass and d.deptype = 'i'
            and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid > 0) as also, 25 as phase,
    'table ' || ${NAME} as what,
    format('create %stable %s (%s)%s%s%s', case c.relpersistence when 'u' then 'unlogged ' else '' end, ${NAME},
      concat_ws(', ', ${COLUMNS}, ${OWN_NOT_NULL}),
      ' inherits (' || ${PARENTS} || ')', case c.relkind when 'p' then ' partition by ' || pg_get_partkeydef(c.oid) end,
      ' with (' || ${OPTIONS(RELATION_OPTIONS)} || ')') ||
      coalesce((select string_agg(${IDENTITY_TYPE}, '' order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attidentity <> ''), '') as sql
  from ${RELATION} where c.relkind in ('r', 'p')`

// Tables that inherit, or are inherited from, with their columns as they lie: what a parent was given later lies behind a child's own.
export const FAMILIES = `with ${PATH} select '1259:' || c.oid as key, ${NAME} as name,
    format('create %stable %s ()', case c.relpersistence when 'u' then 'unlogged ' else '' end, ${NAME}) as made,
    coalesce(' inherits (' || ${PARENTS} || ')', '') || coalesce(' with (' || ${OPTIONS('c.reloptions')} || ')', '') as behind,
    'alter table only ' || ${NAME} || ' set (' || ${OPTIONS(TOAST_OPTIONS)} || ')' as options,
    array(select '1259:' || i.inhparent from pg_inherits i where i.inhrelid = c.oid order by i.inhseqno) as parents,
    (select coalesce(jsonb_agg(jsonb_build_object('name', a.attname, 'local', a.attislocal,
        'definition', format('%I %s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod), ${COLLATE}, ${GENERATED}, coalesce(${NOT_NULL},
          case when a.attidentity <> '' then ' not null' end)),
        'identity', format('alter table only %s alter column %I add', ${NAME}, a.attname) || ${IDENTITY} || coalesce(${IDENTITY_TYPE}, '')) order by a.attnum), '[]')
      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from ${RELATION} where c.relkind = 'r' and not c.relispartition
    and exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent))`

// The server keeps a version of its own among a column's options from the minor releases of November 2026 on; pg_dump leaves it out.
const COLUMN_OPTIONS = OPTIONS(`array(select o from unnest(a.attoptions) as o where o !~ '^pg_attver=')`)

// An inherited column may be computed otherwise than its parent's, from 17 on.
const OTHER_EXPRESSION = `(select pg_get_expr(x.adbin, x.adrelid) from pg_attrdef x
    where x.adrelid = a.attrelid and x.adnum = a.attnum and a.attgenerated <> '' and not a.attislocal and not c.relispartition
      and pg_get_expr(x.adbin, x.adrelid) <> all (select pg_get_expr(px.adbin, px.adrelid) from pg_inherits i
        join pg_attribute pa on pa.attrelid = i.inhparent and pa.attname = a.attname
        join pg_attrdef px on px.adrelid = pa.attrelid and px.adnum = pa.attnum where i.inhrelid = a.attrelid))`

// What a column has beside its type.
export const COLUMN_STATE = `select 'column:' || c.oid || ':' || a.attnum as key, '{}'::text[] as also, 26 as phase,
    format('column %s.%I state', ${NAME}, a.attname) as what,
    concat_ws('; ',
      case when a.attstorage <> t.typstorage then format('alter table only %s alter column %I set storage %s', ${NAME}, a.attname,
        case a.attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end) end,
      case when a.attcompression <> '' then format('alter table only %s alter column %I set compression %s', ${NAME}, a.attname,
        case a.attcompression when 'p' then 'pglz' else 'lz4' end) end,
      case when coalesce(a.attstattarget, -1) >= 0 then format('alter table only %s alter column %I set statistics %s', ${NAME}, a.attname, a.attstattarget) end,
      format('alter table only %s alter column %I set (', ${NAME}, a.attname) || ${COLUMN_OPTIONS} || ')',
      case when not a.attislocal and not c.relispartition and a.attnotnull and current_setting('server_version_num')::int < 180000
        then format('alter table only %s alter column %I set not null', ${NAME}, a.attname) end,
      format('alter table only %s alter column %I set expression as (', ${NAME}, a.attname) || ${OTHER_EXPRESSION} || ')') as sql
  from ${RELATION} join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type t on t.oid = a.atttypid
  where c.relkind in ('r', 'p', 'm') and (a.attstorage <> t.typstorage or a.attcompression <> '' or coalesce(a.attstattarget, -1) >= 0
    or ${COLUMN_OPTIONS} is not null or ${OTHER_EXPRESSION} is not null or (not a.attislocal and not c.relispartition and a.attnotnull and current_setting('server_version_num')::int < 180000))`

export const VIEWS = `select '1259:' || c.oid as key,
    array['1247:' || c.reltype, '1247:' || (select t.typarray from pg_type t where t.oid = c.reltype)] ||
      array(select '2618:' || r.oid from pg_rewrite r where r.ev_class = c.oid and r.rulename = '_RETURN') as also, 30 as phase,
    case c.relkind when 'v' then 'view ' else 'materialized view ' end || ${NAME} as what,
    format('create %sview %s%s%s as %s%s', case c.relkind when 'm' then 'materialized ' else '' end, ${NAME},
      (select ' (' || string_agg(quote_ident(a.attname), ', ' order by a.attnum) || ')' from pg_attribute a where a.attrelid = c.oid and a.attnum > 0),
      ' with (' || ${OPTIONS(RELATION_OPTIONS)} || ')', rtrim(pg_get_viewdef(c.oid), ';'), case c.relkind when 'm' then ' with no data' end) as sql
  from ${RELATION} where c.relkind in ('v', 'm')`

export const REFRESH = `select 'refresh:' || c.oid as key, '{}'::text[] as also, 95 as phase,
    'rows of materialized view ' || ${NAME} as what, 'refresh materialized view ' || ${NAME} as sql
  from ${RELATION} where c.relkind = 'm' and c.relispopulated`

export const DEFAULTS = `select '2604:' || x.oid as key, '{}'::text[] as also, 40 as phase,
    format('default of %s.%I', ${NAME}, a.attname) as what,
    format('alter table only %s alter column %I set default %s', ${NAME}, a.attname, pg_get_expr(x.adbin, x.adrelid)) as sql
  from ${RELATION} join pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.attgenerated = ''
    join pg_attrdef x on x.adrelid = a.attrelid and x.adnum = a.attnum`

const INDEX_STATISTICS = `coalesce((select string_agg(format('; alter index %I.%I alter column %s set statistics %s', h.nspname, x.relname,
      a.attnum, a.attstattarget), '' order by a.attnum) from pg_attribute a where a.attrelid = x.oid and coalesce(a.attstattarget, -1) >= 0), '')`

// Foreign keys and checks that came from a partitioned or inherited table come with it; keys are made on each partition and attached.
export const CONSTRAINTS = `select '2606:' || k.oid as key,
    case when k.conindid <> 0 and k.contype in ('p', 'u', 'x') then array['1259:' || k.conindid] else '{}' end as also,
    case k.contype when 'c' then 45 when 'n' then 45 when 'f' then 65 else 55 end as phase,
    format('constraint %I on %s', k.conname, ${NAME}) as what,
    format('alter table %s%s add constraint %I %s', case when k.contype in ('c', 'n') or (k.contype = 'f' and c.relkind = 'p') then '' else 'only ' end,
      ${NAME}, k.conname, pg_get_constraintdef(k.oid)) ||
      case when x.reloptions is null then '' else format('; alter index %I.%I set (%s)', h.nspname, x.relname, ${OPTIONS('x.reloptions')}) end ||
      ${INDEX_STATISTICS} as sql
  from ${RELATION} join pg_constraint k on k.conrelid = c.oid
    left join pg_class x on x.oid = k.conindid and k.contype in ('p', 'u', 'x')
  where c.relkind in ('r', 'p') and k.contype in ('c', 'p', 'u', 'x', 'f', 'n')
    and (k.contype <> 'f' or k.conparentid = 0) and (k.contype <> 'c' or k.conislocal or c.relispartition)
    and (k.contype <> 'n' or not k.convalidated and (k.conislocal or c.relispartition) or k.conislocal
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum = k.conkey[1] and not a.attislocal and not c.relispartition))`

// One that is inherited comes as its parent's is: not yet valid there, it may be here.
export const VALIDATED = `select 'valid:' || c.oid || ':' || k.oid as key, array['2606:' || k.oid] as also, 68 as phase,
    format('constraint %I on %s validated', k.conname, ${NAME}) as what,
    format('alter table %s validate constraint %I', ${NAME}, k.conname) as sql
  from ${RELATION} join pg_constraint k on k.conrelid = c.oid and k.convalidated
  where c.relkind in ('r', 'p') and (k.conparentid <> 0 and k.contype = 'f'
        and exists (select from pg_constraint pk where pk.oid = k.conparentid and not pk.convalidated)
      or k.contype in ('c', 'n') and not k.conislocal and not c.relispartition
        and exists (select from pg_inherits i join pg_constraint pk on pk.conrelid = i.inhparent and pk.conname = k.conname and pk.contype = k.contype
          where i.inhrelid = c.oid and not pk.convalidated))`

export const INDEXES = `select '1259:' || x.oid as key, '{}'::text[] as also, 55 as phase,
    format('index %I.%I', h.nspname, x.relname) as what,
    pg_get_indexdef(x.oid) || ${INDEX_STATISTICS} as sql
  from ${RELATION} join pg_index i on i.indrelid = c.oid and (i.indisvalid or c.relkind = 'p') join pg_class x on x.oid = i.indexrelid
  where c.relkind in ('r', 'p', 'm')
    and not exists (select from pg_constraint k where k.conindid = x.oid and k.contype in ('p', 'u', 'x') and k.conrelid = c.oid)`

export const ATTACHED = `select 'attach:' || c.oid as key, '{}'::text[] as also, 50 as phase,
    format('partition %s of %I.%I', ${NAME}, pn.nspname, p.relname) as what,
    format('alter table only %I.%I attach partition %s %s', pn.nspname, p.relname, ${NAME}, pg_get_expr(c.relpartbound, c.oid)) as sql
  from ${RELATION} join pg_inherits i on i.inhrelid = c.oid join pg_class p on p.oid = i.inhparent
    join pg_namespace pn on pn.oid = p.relnamespace
  where c.relispartition and c.relkind in ('r', 'p')`

export const ATTACHED_INDEXES = `select 'attach:' || x.oid as key, '{}'::text[] as also, 60 as phase,
    format('partition index %I.%I of %I.%I', h.nspname, x.relname, pn.nspname, p.relname) as what,
    format('alter index %I.%I attach partition %I.%I', pn.nspname, p.relname, h.nspname, x.relname) as sql
  from ${RELATION} join pg_index xi on xi.indrelid = c.oid join pg_class x on x.oid = xi.indexrelid join pg_inherits i on i.inhrelid = x.oid
    join pg_class p on p.oid = i.inhparent join pg_namespace pn on pn.oid = p.relnamespace
  where x.relispartition`

export const TABLE_STATE = `select 'state:' || c.oid as key, '{}'::text[] as also, 70 as phase, 'state of table ' || ${NAME} as what,
    concat_ws('; ',
      case when c.reloftype <> 0 then format('alter table %s of %s', ${NAME}, format_type(c.reloftype, null)) end,
      case when c.relreplident = 'f' then format('alter table only %s replica identity full', ${NAME})
        when c.relreplident = 'n' then format('alter table only %s replica identity nothing', ${NAME})
        when c.relreplident = 'i' then (select format('alter table only %s replica identity using index %I', ${NAME}, x.relname)
          from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid and i.indisreplident) end,
      (select format('alter table %s cluster on %I', ${NAME}, x.relname) from pg_index i join pg_class x on x.oid = i.indexrelid
       where i.indrelid = c.oid and i.indisclustered)) as sql
  from ${RELATION} where c.relkind in ('r', 'p', 'm') and (c.reloftype <> 0 or c.relreplident <> 'd'
    or exists (select from pg_index i where i.indrelid = c.oid and i.indisclustered))`

export const STATISTICS = `select '3381:' || s.oid as key, '{}'::text[] as also, 70 as phase,
    format('statistics %I.%I', h.nspname, s.stxname) as what,
    pg_get_statisticsobjdef(s.oid) || coalesce((select format('; alter statistics %I.%I set statistics %s', h.nspname, s.stxname, target)
      from (select (to_jsonb(s) ->> 'stxstattarget')::int as target) x where x.target >= 0), '') as sql
  from path, home h join pg_statistic_ext s on s.oid = any ($3::oid[])`
