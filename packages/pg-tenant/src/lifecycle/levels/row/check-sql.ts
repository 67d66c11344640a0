// Each returns findings: their code and the object's name.

const COLUMNS = (
  table: string,
  numbers: string,
) => `(select string_agg(quote_ident(a.attname), ', ' order by o.at) as list,
    string_agg(a.attname, '_' order by o.at) as plain from unnest(k.${numbers}) with ordinality o (num, at)
    join pg_attribute a on a.attrelid = k.${table} and a.attnum = o.num)`

/**
 * What makes the foreign key `k` of table `c` to rows of tenants in `s` whole: of its columns `mine` to `theirs`, with what it does as it
 * did it. Two that need the same index ask for it under one name. $1 schema, $2 tenant column.
 */
const WHOLE_KEY = `concat(case when not exists (select from pg_index u where u.indrelid = s.oid and u.indisunique and u.indpred is null and u.indexprs is null
      and u.indkey[0] = s.attnum and u.indnkeyatts = 1 + cardinality(k.confkey) and k.confkey <@ (u.indkey[1:u.indnkeyatts - 1])::int2[])
    then format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON %I.%I (%I, %s); ', left(concat_ws('_', s.relname, $2::text, theirs.plain), 59) || '_key',
      $1::text, s.relname, $2::text, theirs.list) end,
  format('ALTER TABLE %1$I.%5$I DROP CONSTRAINT %6$I, ADD CONSTRAINT %6$I '
    || 'FOREIGN KEY (%3$I, %7$s) REFERENCES %1$I.%2$I (%3$I, %4$s)%8$s%9$s%10$s;', $1::text, s.relname, $2::text, theirs.list, c.relname, k.conname, mine.list,
    (array['', '', ' ON UPDATE CASCADE', ' ON UPDATE RESTRICT'])[1 + position(k.confupdtype::text in 'acr')],
    (array['', '', ' ON DELETE CASCADE', ' ON DELETE SET NULL (' || mine.list || ')', ' ON DELETE RESTRICT',
      ' ON DELETE SET DEFAULT (' || mine.list || ')'])[1 + position(k.confdeltype::text in 'acnrd')],
    case when k.condeferrable then ' DEFERRABLE' || case when k.condeferred then ' INITIALLY DEFERRED' else '' end else '' end))`

/**
 * $1 schema, $2 tenant column, $3 reference tables. Unique indexes and foreign keys that leave the tenant out, with what makes a key
 * whole: its index can be built beforehand, while everybody goes on (CREATE UNIQUE INDEX CONCURRENTLY). What a partition has of its
 * table's is mended there.
 */
export const CONSTRAINTS = `with scoped as (
  select c.oid, c.relname, a.attnum from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
)
select 'unique_key' as code, x.relname as object,
    concat(case when k.oid is not null then format('ALTER TABLE %1$I.%2$I DROP CONSTRAINT %3$I, ADD CONSTRAINT %3$I %4$s;', $1::text, s.relname, k.conname,
        regexp_replace(pg_get_constraintdef(k.oid), '\\(', case when k.contype = 'x' then format('(%I WITH =, ', $2::text) else format('(%I, ', $2::text) end))
      else format('DROP INDEX %I.%I; %s;', $1::text, x.relname, regexp_replace(pg_get_indexdef(x.oid), '\\(', format('(%I, ', $2::text))) end,
      ' -- needless where nobody chooses the value (a sequence, a random UUID)') as fix
  from scoped s join pg_index i on i.indrelid = s.oid join pg_class x on x.oid = i.indexrelid
    left join pg_constraint k on k.conindid = x.oid and k.contype in ('p', 'u', 'x')
  where (i.indisunique or i.indisexclusion) and s.attnum <> all (i.indkey[0:i.indnkeyatts - 1])
    and not exists (select from pg_inherits h where h.inhrelid = x.oid)
union all
select 'foreign_key', format('%s on %s', k.conname, c.relname), ${WHOLE_KEY}
  from scoped c join pg_constraint k on k.conrelid = c.oid and k.contype = 'f' and k.conparentid = 0
    join scoped s on s.oid = k.confrelid
    cross join lateral ${COLUMNS('conrelid', 'conkey')} mine
    cross join lateral ${COLUMNS('confrelid', 'confkey')} theirs
  where not exists (select from unnest(k.conkey, k.confkey) pair (mine, theirs)
                    where pair.mine = c.attnum and pair.theirs = s.attnum)
order by 1, 2`

/**
 * $1 schema, $2 tenant column, $3 reference tables. What gives a table its tenant column: one that refers to rows of tenants has their
 * tenants; one that their tenant column refers to is the list of tenants, and nobody's.
 */
export const UNSCOPED = `with scoped as (
  select c.oid, c.relname, a.attnum, format_type(a.atttypid, a.atttypmod) as type from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
), usual as (
  select type from scoped group by type order by count(*) desc, type limit 1
)
select c.relname as name, coalesce((
    select format('CREATE SCHEMA IF NOT EXISTS %1$I; ALTER TABLE %2$I.%3$I SET SCHEMA %1$I; -- the list of tenants is none of theirs; foreign keys stay',
        $1::text || '_apart', $1::text, c.relname)
      from pg_constraint k join scoped s on s.oid = k.conrelid where k.contype = 'f' and k.confrelid = c.oid and k.conkey = array[s.attnum] limit 1
  ), (
    select format('ALTER TABLE %1$I.%2$I ADD COLUMN %3$I %4$s; UPDATE %1$I.%2$I x SET %3$I = p.%3$I FROM %1$I.%5$I p WHERE %6$s; '
        || 'ALTER TABLE %1$I.%2$I ALTER COLUMN %3$I SET NOT NULL; %7$s -- or row.referenceTables, if all may read it', $1::text, c.relname, $2::text, s.type, s.relname,
        pairs.list, ${WHOLE_KEY})
      from pg_constraint k join scoped s on s.oid = k.confrelid
      cross join lateral (select string_agg(format('x.%I = p.%I', m.attname, t.attname), ' AND ') as list
        from unnest(k.conkey, k.confkey) o (mine, theirs) join pg_attribute m on m.attrelid = k.conrelid and m.attnum = o.mine
        join pg_attribute t on t.attrelid = k.confrelid and t.attnum = o.theirs) pairs
      cross join lateral ${COLUMNS('conrelid', 'conkey')} mine
      cross join lateral ${COLUMNS('confrelid', 'confkey')} theirs
      where k.contype = 'f' and k.conrelid = c.oid order by s.relname, k.conname limit 1
  ), (
    select format('ALTER TABLE %1$I.%2$I ADD COLUMN %3$I %4$s; -- then say whose each row is, and SET NOT NULL. Or row.referenceTables: [''%5$s''], if all may '
        || 'read it; or ALTER TABLE %1$I.%2$I SET SCHEMA … to where scopes do not look', $1::text, c.relname, $2::text, coalesce((select type from usual), 'text'), c.relname)
  )) as fix
from pg_class c where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
  and not exists (select from scoped s where s.oid = c.oid)`

/** $1 schema. Provisioning makes its own tables there, and lets the application in. */
export const SCHEMA_CLOSED = `select 'foreign_owner' as code, nspname::text as object,
    format('GRANT USAGE, CREATE ON SCHEMA %I TO %I WITH GRANT OPTION; -- as its owner, or a superuser', nspname, current_user) as fix
  from pg_namespace where nspname = $1 and not (has_schema_privilege(oid, 'usage') and has_schema_privilege(oid, 'create'))`

/** $1 schema, $2 tenant column, $3 reference tables, $4 application. Views of any schema, through any number of views. */
export const DERIVED = `with recursive scoped as (
  select c.oid from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
), derived as (
  select oid from scoped
  union
  select r.ev_class from derived d
    join pg_depend p on p.refclassid = 'pg_class'::regclass and p.refobjid = d.oid and p.classid = 'pg_rewrite'::regclass
    join pg_rewrite r on r.oid = p.objid
)
select case c.relkind when 'm' then 'materialized_view' else 'view_as_owner' end as code,
    format('%s.%s', n.nspname, c.relname) as object,
    case c.relkind when 'm' then format('REVOKE ALL ON %I.%I FROM PUBLIC, %I;', n.nspname, c.relname, $4::text)
      else format('ALTER VIEW %I.%I SET (security_invoker = true);', n.nspname, c.relname) end as fix
  from derived d join pg_class c on c.oid = d.oid join pg_namespace n on n.oid = c.relnamespace
  where (c.relkind = 'm' or (c.relkind = 'v' and not coalesce(
      (select option_value::boolean from pg_options_to_table(c.reloptions) where option_name = 'security_invoker'), false)))
    and (has_any_column_privilege($4, c.oid, 'select, insert, update, references') or has_table_privilege($4, c.oid, 'delete'))
order by 1, 2`

/** $1 application. Functions with the rights of others that it may call; ours are known by their comment. */
export const CALLABLE = `select case when o.rolsuper or o.rolbypassrls then 'security_definer' else 'security_definer_owner' end as code,
    format('%s.%s', n.nspname, p.proname) as object,
    format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC, %I; -- or ALTER ROUTINE %1$s SECURITY INVOKER', p.oid::regprocedure, $1::text) as fix
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles o on o.oid = p.proowner
  where p.prosecdef and o.rolname <> $1 and n.nspname not in ('pg_catalog', 'information_schema')
    and not coalesce(obj_description(p.oid, 'pg_proc') like 'pg_tenant row %', false)
    and has_schema_privilege($1, n.oid, 'usage') and has_function_privilege($1, p.oid, 'execute')
order by 1, 2`

/** $1 schema, $2 application. */
export const PRIVILEGES = `select 'schema_create' as code, n.nspname as object,
    format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC, %I;', n.nspname, $2::text) as fix
  from pg_namespace n where n.nspname = $1 and has_schema_privilege($2, n.oid, 'create')`

// $1 owner of the views, $2 their readers, $3 role prefix. From PostgreSQL 16 on whoever made a role is a member of it that
// neither inherits from it nor may take it: that one says nothing.
export const VIEW_ROLES = `select wanted.name as object
  from unnest(array[$1, $2]::text[]) wanted (name) left join pg_roles r on r.rolname = wanted.name
  where r.oid is null or r.rolcanlogin or r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication
    or exists (select from pg_auth_members m where m.member = r.oid)
union
select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles who on who.oid = m.member
  where g.rolname in ($1, $2)
    and coalesce((to_jsonb(m)->>'inherit_option')::boolean or (to_jsonb(m)->>'set_option')::boolean, true)
    and not (g.rolname = $2 and starts_with(who.rolname, $3))
order by 1`
