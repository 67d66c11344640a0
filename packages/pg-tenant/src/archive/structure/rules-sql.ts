import { APPLICATION } from './application.ts'
import { RELATION } from './tables-sql.ts'
import { PATH } from './types-sql.ts'

// Triggers, rules, policies, comments and privileges of a schema; parameters as in types-sql.ts.

const NAME = `format('%I.%I', h.nspname, c.relname)`
const STATE = (of: string) =>
  `case ${of} when 'D' then 'disable' when 'R' then 'enable replica' else 'enable always' end`

// A partition has its parent's triggers, and may have them switched otherwise: the first one's state goes to all of them, then theirs
// to those that differ.
export const TRIGGERS = `with recursive first as (
    select g.oid, g.oid as of, g.tgenabled from pg_trigger g where g.tgparentid = 0 and not g.tgisinternal
    union all select g.oid, f.of, f.tgenabled from first f join pg_trigger g on g.tgparentid = f.oid)
  select '2620:' || g.oid as key, '{}'::text[] as also, 75 + (g.tgparentid <> 0)::int as phase,
    format('trigger %I on %s', g.tgname, ${NAME}) as what,
    concat_ws('; ', case when g.tgparentid = 0 then pg_get_triggerdef(g.oid) end,
      case when g.tgenabled <> case when g.tgparentid = 0 then 'O' else f.tgenabled end
        then format('alter table %s%s %s trigger %I', case when g.tgparentid = 0 then '' else 'only ' end, ${NAME},
          case g.tgenabled when 'O' then 'enable' else ${STATE('g.tgenabled')} end, g.tgname) end) as sql
  from ${RELATION} join pg_trigger g on g.tgrelid = c.oid and not g.tgisinternal join first f on f.oid = g.oid
  where g.tgparentid = 0 or g.tgenabled <> f.tgenabled`

export const RULES = `select '2618:' || r.oid as key, '{}'::text[] as also, 77 as phase,
    format('rule %I on %s', r.rulename, ${NAME}) as what,
    concat_ws('; ', rtrim(pg_get_ruledef(r.oid), ';'),
      case when r.ev_enabled <> 'O' then format('alter table only %s %s rule %I', ${NAME}, ${STATE('r.ev_enabled')}, r.rulename) end) as sql
  from ${RELATION} join pg_rewrite r on r.ev_class = c.oid and r.rulename <> '_RETURN'`

export const POLICIES = `select '3256:' || y.oid as key, '{}'::text[] as also, 80 as phase,
    format('policy %I on %s', y.polname, ${NAME}) as what,
    format('create policy %I on %s as %s for %s to %s%s%s', y.polname, ${NAME}, case when y.polpermissive then 'permissive' else 'restrictive' end,
      case y.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
      (select string_agg(case when r = 0 then 'public' when pg_get_userbyid(r) = $5 then '${APPLICATION}' when r = c.relowner then 'current_user' else quote_ident(pg_get_userbyid(r)) end, ', '
         order by r) from unnest(y.polroles) as r),
      ' using (' || pg_get_expr(y.polqual, y.polrelid) || ')', ' with check (' || pg_get_expr(y.polwithcheck, y.polrelid) || ')') as sql
  from ${RELATION} join pg_policy y on y.polrelid = c.oid`

export const ROW_SECURITY = `select 'security:' || c.oid as key, '{}'::text[] as also, 81 as phase, 'row security of ' || ${NAME} as what,
    concat_ws('; ', case when c.relrowsecurity then format('alter table only %s enable row level security', ${NAME}) end,
      case when c.relforcerowsecurity then format('alter table only %s force row level security', ${NAME}) end) as sql
  from ${RELATION} where c.relkind in ('r', 'p') and (c.relrowsecurity or c.relforcerowsecurity)`

/** ALTER … DEPENDS ON EXTENSION: goes when that does. `w` an object: class, oid, what. */
const WITH_EXTENSION = (
  objects: string,
) => `select 'extension:' || w.class || ':' || w.oid as key, '{}'::text[] as also, 82 as phase,
    'extension of ' || w.what as what,
    string_agg(format('alter %s depends on extension %I', w.what, e.extname), '; ' order by e.extname) as sql
  from ${objects} join pg_depend d on d.classid = w.class and d.objid = w.oid and d.deptype = 'x' and d.refclassid = 'pg_extension'::regclass
    join pg_extension e on e.oid = d.refobjid group by w.class, w.oid, w.what`

export const FUNCTIONS_WITH_EXTENSION =
  WITH_EXTENSION(`path, home h join pg_proc p on p.oid = any ($3::oid[]) cross join lateral (
    select 1255 as class, p.oid, case p.prokind when 'p' then 'procedure' else 'function' end ||
      format(' %I.%I(%s)', h.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as what) w`)

export const RELATIONS_WITH_EXTENSION = WITH_EXTENSION(`${RELATION} cross join lateral (
    select 1259 as class, x.oid, case x.relkind when 'm' then 'materialized view ' else 'index ' end || format('%I.%I', h.nspname, x.relname) as what
      from pg_class x where x.oid = c.oid and x.relkind = 'm' or x.oid in (select i.indexrelid from pg_index i where i.indrelid = c.oid)
    union all select 2620, g.oid, format('trigger %I on %s', g.tgname, ${NAME}) from pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal) w`)

// Comments on what `what` names: the object of the same key. What is made with another (a column, the sequence of an identity, the
// index of a key, a constraint of a domain) has none of its own.
export const COMMENTS = `with ${PATH} select d.classoid || ':' || d.objoid as on, d.objsubid as sub, quote_literal(d.description) as text,
    case when d.objsubid <> 0 then (select format('column %I.%I.%I', h.nspname, c.relname, a.attname) from pg_attribute a join pg_class c on c.oid = a.attrelid
      where a.attrelid = d.objoid and a.attnum = d.objsubid and c.relnamespace = quote_ident($1)::regnamespace)
      when d.classoid = 'pg_class'::regclass then (select format('%s %I.%I', case c.relkind when 'S' then 'sequence' when 'v' then 'view'
          when 'm' then 'materialized view' when 'c' then 'type' when 'i' then 'index' when 'I' then 'index' else 'table' end, h.nspname, c.relname)
        from pg_class c where c.oid = d.objoid and c.relnamespace = quote_ident($1)::regnamespace)
      when d.classoid = 'pg_type'::regclass then (select format('%s %I.%I', case t.typtype when 'd' then 'domain' else 'type' end, h.nspname, t.typname)
        from pg_type t where t.oid = d.objoid and t.typnamespace = quote_ident($1)::regnamespace)
      when k.contypid <> 0 then (select format('constraint %I on domain %I.%I', k.conname, h.nspname, t.typname) from pg_type t where t.oid = k.contypid)
      when k.conrelid <> 0 then (select format('constraint %I on %I.%I', k.conname, h.nspname, c.relname) from pg_class c where c.oid = k.conrelid)
    end as part, case when k.contypid <> 0 then '1247:' || k.contypid else '1259:' || k.conrelid end as of
  from path, home h, pg_description d left join pg_constraint k on d.classoid = 'pg_constraint'::regclass and k.oid = d.objoid where d.classoid::regclass in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_proc'::regclass, 'pg_constraint'::regclass,
    'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_statistic_ext'::regclass, 'pg_operator'::regclass, 'pg_cast'::regclass,
    'pg_collation'::regclass, 'pg_ts_config'::regclass, 'pg_ts_dict'::regclass)
    and (d.objoid = any ($3::oid[]) or k.conrelid = any ($3::oid[]) or k.contypid = any ($3::oid[]))`

const GRANTEE = (acl: string) =>
  `case when ${acl}.grantee = 0 then 'public' when pg_get_userbyid(${acl}.grantee) = $5 then '${APPLICATION}' when ${acl}.grantee = o.owner or pg_get_userbyid(${acl}.grantee) = $4 then 'current_user' else quote_ident(pg_get_userbyid(${acl}.grantee)) end`

// An owner may grant on without having been told; who granted on what was granted to him is not kept: it is the owner's word then.
// The tenant's own role ($4) and the owner are one: whatever is restored belongs to the tenant. What the application made ($5, where
// scopes run as it) keeps for it what it may do with it.
/** What an object's privileges are, when they are not the usual ones: all taken back, then each given. */
const ACL = (what: string) => `concat_ws('; ', format('revoke all on %s from public, current_user', ${what}),
    (select string_agg(distinct format('grant %s on %s to %s%s', lower(g.privilege_type), ${what}, w.grantee,
       case when g.is_grantable and w.grantee <> 'current_user' then ' with grant option' else '' end), '; ')
     from aclexplode(o.acl) g cross join lateral (
       select ${GRANTEE('g')} union select 'current_user' where g.grantee = o.owner) w (grantee)
     where g.grantee = 0 or exists (select from pg_roles r where r.oid = g.grantee)))`

const ACL_OF_RELATION = `coalesce(c.relacl, case when pg_get_userbyid(c.relowner) = $5
  then acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner) end)`

const PRIVILEGES = (objects: string) => `with objects as (${objects})
  select 'acl:' || o.key as key, '{}'::text[] as also, 90 as phase, 'privileges on ' || o.what as what, ${ACL('o.what')} as sql
  from path, objects o where o.acl is not null`

export const PRIVILEGES_ON_RELATIONS = PRIVILEGES(`select '1259:' || c.oid as key,
    case c.relkind when 'S' then 'sequence ' else 'table ' end || ${NAME} as what, ${ACL_OF_RELATION} as acl, c.relowner as owner
  from home h join pg_class c on c.oid = any ($3::oid[]) and c.relkind in ('r', 'p', 'v', 'm', 'S')`)

// Of aggregates GRANT takes the types alone, without ORDER BY.
export const PRIVILEGES_ON_FUNCTIONS =
  PRIVILEGES(`select '1255:' || p.oid as key, case p.prokind when 'p' then 'procedure' else 'function' end || format(' %I.%I(%s)', h.nspname, p.proname,
    case when p.prokind = 'a' then oidvectortypes(p.proargtypes) else pg_get_function_identity_arguments(p.oid) end) as what,
    p.proacl as acl, p.proowner as owner
  from home h join pg_proc p on p.oid = any ($3::oid[]) and p.proacl is not null`)

export const PRIVILEGES_ON_TYPES =
  PRIVILEGES(`select '1247:' || t.oid as key, format('type %I.%I', h.nspname, t.typname) as what, t.typacl as acl, t.typowner as owner
  from home h join pg_type t on t.oid = any ($3::oid[]) and t.typacl is not null and t.typelem = 0`)

export const COLUMN_PRIVILEGES = `select 'acl:1259:' || c.oid || ':' || a.attnum as key, '{}'::text[] as also, 91 as phase,
    format('privileges on column %s.%I', ${NAME}, a.attname) as what,
    (select string_agg(format('grant %s (%I) on table %s to %s%s', lower(g.privilege_type), a.attname, ${NAME}, ${GRANTEE('g')},
       case when g.is_grantable and ${GRANTEE('g')} <> 'current_user' then ' with grant option' else '' end), '; ' order by ${GRANTEE('g')}, g.privilege_type)
     from aclexplode(a.attacl) g where g.grantee = 0 or exists (select from pg_roles r where r.oid = g.grantee)) as sql
  from ${RELATION} join pg_attribute a on a.attrelid = c.oid and not a.attisdropped and a.attacl is not null
    cross join lateral (select c.relowner as owner) o`

// What the tenant's role said of objects it will make. What was said for the application comes with provisioning.
export const DEFAULT_PRIVILEGES = `select '826:' || x.oid as key, '{}'::text[] as also, 92 as phase,
    format('default privileges on %s', x.defaclobjtype) as what,
    coalesce((select string_agg(format('alter default privileges in schema %I grant %s on %s to %s%s', h.nspname, lower(g.privilege_type),
       case x.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' else 'types' end, ${GRANTEE('g')},
       case when g.is_grantable then ' with grant option' else '' end), '; ' order by ${GRANTEE('g')}, g.privilege_type)
     from aclexplode(x.defaclacl) g where g.grantee = 0 or exists (select from pg_roles r where r.oid = g.grantee and r.rolname <> $5)), '') as sql
  from path, home h join pg_default_acl x on x.defaclnamespace <> 0 and x.oid = any ($3::oid[])
    cross join lateral (select x.defaclrole as owner) o`

const KIND = `case x.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' when 'n' then 'schemas' end`

// The same wherever the role makes them: all taken back, then each given. (18 has large objects as well, which are not carried.)
export const DEFAULT_PRIVILEGES_EVERYWHERE = `select '826:' || x.oid as key, '{}'::text[] as also, 92 as phase,
    format('default privileges everywhere on %s', x.defaclobjtype) as what,
    concat_ws('; ', format('alter default privileges revoke all on %s from public, current_user', ${KIND}),
      (select string_agg(format('alter default privileges grant %s on %s to %s%s', lower(g.privilege_type), ${KIND}, ${GRANTEE('g')},
        case when g.is_grantable and g.grantee <> o.owner then ' with grant option' else '' end), '; ' order by ${GRANTEE('g')}, g.privilege_type)
       from aclexplode(x.defaclacl) g where g.grantee = 0 or exists (select from pg_roles r where r.oid = g.grantee))) as sql
  from path, home h join pg_default_acl x on x.defaclnamespace = 0 and x.oid = any ($3::oid[])
    cross join lateral (select x.defaclrole as owner) o`

// As they are when nobody has said anything: what is restored gets its own privileges, not those of what the role makes today.
export const USUAL_DEFAULT_PRIVILEGES = `with ${PATH} select '' as key, '{}'::text[] as also, 0 as phase, 'default privileges' as what,
    concat_ws('; ', format('alter default privileges revoke all on %s from %s', ${KIND},
        (select string_agg(distinct ${GRANTEE('g')}, ', ') from aclexplode(x.defaclacl) g
         where g.grantee = 0 or exists (select from pg_roles r where r.oid = g.grantee))),
      format('alter default privileges grant all on %s to current_user', ${KIND}),
      case x.defaclobjtype when 'f' then 'alter default privileges grant execute on functions to public'
        when 'T' then 'alter default privileges grant usage on types to public' end) as sql
  from path, pg_default_acl x cross join lateral (select x.defaclrole as owner) o
  where x.defaclnamespace = 0 and x.defaclobjtype <> 'L' and pg_get_userbyid(x.defaclrole) = $4 and $1 <> '' and $3::text is not null and $5::text is not null`
