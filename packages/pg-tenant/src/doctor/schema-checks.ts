import type { CheckText } from './checks.ts'

/** What is where, and who may reach it: schemas of tenants, and those that they share. */
export const SCHEMA_CHECKS: readonly CheckText[] = [
  {
    code: 'SCHEMA_MISSING',
    severity: 'error',
    also: ['home'],
    sql: `select key as subject, 'is in the registry but its schema is not there' as what
      from fleet where schema is null and status in ('active', 'suspended')`,
    fix: 'Restore its backup, or drop(key).',
  },
  {
    code: 'UNFINISHED',
    severity: 'warning',
    also: ['rows', 'databases'],
    sql: `select key as subject, 'is ' || status || ': that was cut off or is under way' as what
      from fleet where status in ('provisioning', 'deleting')`,
    fix: 'Unless it is under way, run provision(key) or drop(key) again.',
  },
  {
    code: 'ORPHAN_SCHEMA',
    severity: 'warning',
    also: ['home'],
    sql: `select n.nspname as subject, case
        when o.prefix is not null then 'is of a tenant of level ' || o.isolation || ', which this configuration is not'
        when c.oid is null then 'is named like a tenant but has no marker'
        else 'has a marker but no tenant in the registry' end as what
      from pg_namespace n cross join parameters p
      left join pg_class c on c.relnamespace = n.oid and (c.relname = p.marker or starts_with(c.relname, p.marker || ':'))
      left join neighbours o on o.nspname = n.nspname
      where (starts_with(n.nspname, p.schema_prefix) or starts_with(c.relname, p.marker || ':')) and n.nspname <> all (p.shared) and not exists (
        select from fleet f where f.nspname = n.nspname and f.status <> 'deleted')
        and coalesce(o.prefix = p.schema_prefix, true)
        and (p.schema_prefix <> '' or c.oid is not null)`,
    fix: 'Look at what is in it. A tenant of another level: configure that again. One with a marker: provision(its key); one from before: adopt(its key). None: ALTER SCHEMA … RENAME TO, out of the prefix, or DROP SCHEMA.',
  },
  {
    code: 'STATUS_MISMATCH',
    severity: 'error',
    roles: true,
    also: ['home'],
    sql: `select key as subject, case status when 'suspended' then 'is suspended but its role or the application may use its schema'
        else 'is active but its role or the application may not use its schema' end as what
      from fleet, parameters p where schema is not null and role is not null and status in ('active', 'suspended')
        and (has_schema_privilege(role, schema, 'usage') <> (status = 'active') or p.level = 'schema' and exists (
          select from pg_roles a where a.rolname = p.application and not a.rolsuper
            and has_schema_privilege(a.oid, schema, 'usage') <> (status = 'active')))`,
    fix: 'Suspended: resume(key), then suspend(key). Active: provision(key).',
  },
  {
    code: 'INVALID_INDEX',
    severity: 'warning',
    also: ['home'],
    sql: `select f.nspname || '.' || c.relname as subject, 'is not valid: CREATE INDEX CONCURRENTLY failed or is running' as what
      from pg_index i join pg_class c on c.oid = i.indexrelid join fleet f on f.schema = c.relnamespace
      where not i.indisvalid and c.relkind = 'i'`,
    fix: 'Run migrate again; if it is not from a migration, REINDEX INDEX CONCURRENTLY, or DROP INDEX and build it again.',
  },
  {
    code: 'FOREIGN_OWNER',
    severity: 'error',
    also: ['home'],
    // As archives choose who reads a table (archive/readers.ts) or a sequence (archive/catalog.ts).
    sql: `select f.nspname || '.' || c.relname as subject, 'belongs to ' || pg_get_userbyid(c.relowner)
        || ', and who backs up the tenant may not read all of it: there is no backup, export or off-boarding' as what
      from pg_class c join fleet f on f.schema = c.relnamespace cross join parameters p
        left join pg_roles a on a.rolname = p.application and p.level = 'schema'
      where case c.relkind when 'S' then not has_table_privilege(coalesce(f.rolname, session_user), c.oid, 'select')
        else c.relkind in ('r', 'p') and c.relowner is distinct from f.role and c.relowner is distinct from a.oid
          and pg_get_userbyid(c.relowner) <> session_user and (c.relrowsecurity or not (
            has_table_privilege(session_user, c.oid, 'select') or coalesce(has_table_privilege(f.role, c.oid, 'select'), false)
            or coalesce(has_table_privilege(a.oid, c.oid, 'select'), false)))
          and not exists (select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e') end`,
    fix: 'ALTER TABLE … OWNER TO (or ALTER SEQUENCE … OWNER TO) the tenant’s role; where tenants have none, the owner of their other tables.',
  },
  {
    code: 'FALLS_THROUGH',
    severity: 'warning',
    also: ['home'],
    sql: `select s.nspname || '.' || c.relname as subject,
        'is also a table of ' || count(*) || ' tenants: where one lacks it, its queries reach this one' as what
      from pg_class c join pg_namespace s on s.oid = c.relnamespace
      join pg_class mine on mine.relname = c.relname and mine.relkind in ('r', 'p', 'v', 'm', 'f')
      join fleet f on f.schema = mine.relnamespace
      where s.nspname = any ((select shared from parameters)::text[]) and s.oid <> f.schema and c.relkind in ('r', 'p', 'v', 'm', 'f')
      group by 1`,
    fix: 'ALTER TABLE … RENAME TO, or DROP TABLE, in the shared schema; or take that schema out of sharedSchemas.',
  },
  {
    code: 'SHARED_USAGE',
    severity: 'warning',
    also: ['rows'],
    // Whose scopes they are: tenants' own roles, of which new ones have what PUBLIC has; else the application.
    sql: `select s.nspname as subject, 'is shared and has something in it, but ' || coalesce(
          (select min(f.rolname) from fleet f where p.level in ('role', 'login') and f.role is not null
            and not has_schema_privilege(f.role, s.oid, 'usage')),
          case when p.level in ('role', 'login') then 'a new tenant' else p.application end) ||
          ' has no USAGE on it: scopes do not find its types, functions and tables' as what
      from pg_namespace s cross join parameters p
      where s.nspname = any (p.shared) and p.level in ('schema', 'row', 'role', 'login')
        and (exists (select from pg_class c where c.relnamespace = s.oid) or exists (select from pg_proc c where c.pronamespace = s.oid)
          or exists (select from pg_type c where c.typnamespace = s.oid))
        and case when p.level in ('role', 'login') then not has_schema_privilege('public', s.oid, 'usage') and (
            not exists (select from fleet f where f.role is not null) or exists (
              select from fleet f where f.role is not null and not has_schema_privilege(f.role, s.oid, 'usage')))
          else not has_schema_privilege(p.application, s.oid, 'usage') end`,
    fix: 'GRANT USAGE ON SCHEMA … TO PUBLIC (or to the roles that need it), or take it out of sharedSchemas.',
  },
  {
    code: 'TENANT_EXTENSION',
    severity: 'error',
    sql: `select f.nspname as subject, 'holds the extension ' || e.extname || ', of which a database has one: it goes with this tenant' as what
      from pg_extension e join fleet f on f.schema = e.extnamespace`,
    fix: 'ALTER EXTENSION … SET SCHEMA to a shared schema (with USAGE for the tenants), and create it there before migrations run.',
  },
  {
    code: 'SHARED_CREATE',
    severity: 'error',
    also: ['rows', 'home'],
    sql: `select s.nspname as subject, coalesce(r.rolname, 'PUBLIC') || ' may create objects in it that every tenant sees' as what
      from pg_namespace s cross join parameters p
      cross join lateral aclexplode(coalesce(s.nspacl, acldefault('n', s.nspowner))) a
      left join pg_roles r on r.oid = a.grantee
      where s.nspname = any (p.shared) and a.privilege_type = 'CREATE' and not exists (select from fleet f where f.schema = s.oid)
        and (a.grantee = 0 or r.rolname = p.application or exists (select from fleet f where f.role = a.grantee))`,
    fix: 'REVOKE CREATE ON SCHEMA … FROM that role.',
  },
  {
    code: 'PUBLIC_PRIVILEGE',
    severity: 'error',
    also: ['home'],
    sql: `select f.nspname as subject, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it' as what
      from fleet f cross join lateral aclexplode(f.nspacl) a where a.grantee = 0 group by 1
      union all
      select f.nspname || '.' || c.relname, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it'
      from pg_class c join fleet f on f.schema = c.relnamespace cross join lateral aclexplode(c.relacl) a
      where a.grantee = 0 group by 1`,
    fix: 'REVOKE ALL ON … FROM PUBLIC.',
  },
  {
    code: 'PUBLIC_PRIVILEGE',
    severity: 'warning',
    also: ['rows', 'databases'],
    sql: `select d.datname as subject, 'PUBLIC has ' || a.privilege_type || ' on the database' as what
      from pg_database d cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
      where d.datname = current_database() and a.grantee = 0 and a.privilege_type in ('CONNECT', 'TEMPORARY', 'CREATE')`,
    fix: 'REVOKE CONNECT, TEMPORARY ON DATABASE … FROM PUBLIC; GRANT CONNECT to the roles that log in.',
  },
  {
    code: 'CROSS_SCHEMA',
    severity: 'error',
    sql: `, home as (
        select f.schema, 'pg_namespace'::regclass as class, f.schema as oid from fleet f where f.schema is not null
        union all select relnamespace, 'pg_class'::regclass, oid from pg_class
        union all select pronamespace, 'pg_proc'::regclass, oid from pg_proc
        union all select typnamespace, 'pg_type'::regclass, oid from pg_type
        union all select connamespace, 'pg_constraint'::regclass, oid from pg_constraint
        union all select c.relnamespace, 'pg_rewrite'::regclass, r.oid from pg_rewrite r join pg_class c on c.oid = r.ev_class
        union all select c.relnamespace, 'pg_attrdef'::regclass, a.oid from pg_attrdef a join pg_class c on c.oid = a.adrelid
        union all select c.relnamespace, 'pg_trigger'::regclass, t.oid from pg_trigger t join pg_class c on c.oid = t.tgrelid
        union all select c.relnamespace, 'pg_policy'::regclass, y.oid from pg_policy y join pg_class c on c.oid = y.polrelid
      ), owned as (select h.schema, h.class, h.oid from home h where h.schema in (select schema from fleet))
      select pg_describe_object(d.classid, d.objid, 0) || ' in ' || mine.schema::regnamespace::text as subject,
        'depends on ' || min(pg_describe_object(d.refclassid, d.refobjid, 0) || ' in ' || theirs.schema::regnamespace::text) as what
      from owned theirs
      join pg_depend d on d.refclassid = theirs.class and d.refobjid = theirs.oid and d.deptype = 'n'
      join home mine on mine.class = d.classid and mine.oid = d.objid and mine.schema <> theirs.schema
      group by 1`,
    fix: 'DROP it (a search path was wrong when it was made), and make it again with names of its own schema.',
  },
  {
    code: 'SHARED_FUNCTION',
    severity: 'warning',
    sql: `select n.nspname || '.' || f.proname as subject, 'is PL/pgSQL in a shared schema: on each connection it keeps the types ' ||
        'that its names meant for the tenant who called it first' as what
      from parameters p join pg_namespace n on n.nspname = any (p.shared)
      join pg_proc f on f.pronamespace = n.oid join pg_language l on l.oid = f.prolang
      where l.lanname = 'plpgsql' and coalesce(array_to_string(f.proconfig, ' '), '') not like '%search_path=%'
        and not exists (select from pg_depend e where e.classid = 'pg_proc'::regclass and e.objid = f.oid and e.deptype = 'e')`,
    fix: 'Let a migration make it in each tenant’s schema; or, where it uses nothing of tenants, ALTER FUNCTION … SET search_path.',
  },
]
