// Each returns findings: their code and the object's name.

/**
 * $1 schema, $2 tenant column, $3 reference tables. Unique indexes and foreign keys that leave the tenant out, with what makes a key
 * whole: its index can be built beforehand, while everybody goes on (CREATE UNIQUE INDEX CONCURRENTLY).
 */
export const CONSTRAINTS = `with scoped as (
  select c.oid, c.relname, a.attnum from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = $2 and not a.attisdropped
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and c.relname <> all ($3::text[])
)
select 'unique_key' as code, x.relname as object, null as fix
  from scoped s join pg_index i on i.indrelid = s.oid join pg_class x on x.oid = i.indexrelid
  where (i.indisunique or i.indisexclusion) and s.attnum <> all (i.indkey[0:i.indnkeyatts - 1])
union all
select 'foreign_key', format('%s on %s', k.conname, s.relname),
    format('CREATE UNIQUE INDEX ON %1$I.%2$I (%3$I, %4$s); ALTER TABLE %1$I.%5$I DROP CONSTRAINT %6$I, ADD CONSTRAINT %6$I '
      || 'FOREIGN KEY (%3$I, %7$s) REFERENCES %1$I.%2$I (%3$I, %4$s)%8$s;', $1::text, r.relname, $2::text, theirs.list, s.relname, k.conname, mine.list,
      (array['', '', ' ON DELETE CASCADE', ' ON DELETE SET NULL (' || mine.list || ')', ' ON DELETE RESTRICT'])[1 + position(k.confdeltype::text in 'acnr')])
  from scoped s join pg_constraint k on k.conrelid = s.oid and k.contype = 'f'
    join scoped r on r.oid = k.confrelid
    cross join lateral (select string_agg(quote_ident(a.attname), ', ' order by o.at) as list
      from unnest(k.conkey) with ordinality o (num, at) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = o.num) mine
    cross join lateral (select string_agg(quote_ident(a.attname), ', ' order by o.at) as list
      from unnest(k.confkey) with ordinality o (num, at) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = o.num) theirs
  where not exists (select from unnest(k.conkey, k.confkey) pair (mine, theirs)
                    where pair.mine = s.attnum and pair.theirs = r.attnum)
order by 1, 2`

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
    format('%s.%s', n.nspname, c.relname) as object
  from derived d join pg_class c on c.oid = d.oid join pg_namespace n on n.oid = c.relnamespace
  where (c.relkind = 'm' or (c.relkind = 'v' and not coalesce(
      (select option_value::boolean from pg_options_to_table(c.reloptions) where option_name = 'security_invoker'), false)))
    and has_any_column_privilege($4, c.oid, 'select, insert, update, references') or
      (c.relkind in ('v', 'm') and has_table_privilege($4, c.oid, 'delete'))
order by 1, 2`

/** $1 application. Functions with the rights of others that it may call; ours are known by their comment. */
export const CALLABLE = `select case when o.rolsuper or o.rolbypassrls then 'security_definer' else 'security_definer_owner' end as code,
    format('%s.%s', n.nspname, p.proname) as object
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles o on o.oid = p.proowner
  where p.prosecdef and o.rolname <> $1 and n.nspname not in ('pg_catalog', 'information_schema')
    and not coalesce(obj_description(p.oid, 'pg_proc') like 'pg_tenant row %', false)
    and has_schema_privilege($1, n.oid, 'usage') and has_function_privilege($1, p.oid, 'execute')
order by 1, 2`

/** $1 schema, $2 application. */
export const PRIVILEGES = `select 'schema_create' as code, n.nspname as object
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
