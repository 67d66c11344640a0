import { TENANT_SETTING } from '../isolation/row.ts'
import { ownName } from '../registry/record.ts'
import type { FindingCode, Severity } from './finding.ts'

/** One set-based query for all tenants of a place; each row is a finding: `subject` and `what`. */
export interface Check {
  readonly code: FindingCode
  readonly severity: Severity
  readonly sql: string
  readonly fix: string
}

/**
 * Where checks look: the one database of all tenants (`schemas`); the one with the registry, where tenants share tables
 * (`rows`) or have databases of their own (`databases`); such a database (`home`).
 */
export type CheckScope = 'schemas' | 'rows' | 'databases' | 'home'

/** Names a check is made from; the tables are qualified and quoted. */
export interface CheckPlace {
  readonly scope: CheckScope
  /** The registry's table of tenants, or a query in parentheses in its place. */
  readonly tenant: string
  readonly run: string | undefined
  /** Whether tenants have roles of their own. */
  readonly roles: boolean
}

/** A check before what all have in common is put before it. */
export interface CheckText extends Check {
  /** Only where tenants have roles of their own. */
  readonly roles?: true
  /** Where else than in `schemas` it says something. */
  readonly also?: readonly CheckScope[]
}

// Every check is given: $1 schema prefix, $2 role prefix, $3 marker, $4 application role, $5 shared schemas, $6 level; at
// home also $7 key and $8 status. What the checks share comes first. `fleet`: the tenants of this tenancy with schema and
// role, as far as they are there.
const COMMON = ({ tenant }: CheckPlace) => `
with parameters as (
  select $1::text as schema_prefix, $2::text as role_prefix, $3::text as marker, $4::text as application,
    $5::text[] as shared, $6::text as level
), fleet as (
  select t.key, t.status, coalesce(${ownName('database')}, $2 || t.key) as home, n.oid as schema, n.nspname, n.nspacl, r.oid as role, r.rolname, r.rolcanlogin, r.rolsuper,
    r.rolcreaterole, r.rolcreatedb, r.rolbypassrls, r.rolreplication
  from ${tenant} t
  left join pg_namespace n on n.nspname = coalesce(${ownName('schema')}, $1 || t.key)
  left join pg_roles r on r.rolname = coalesce(${ownName('role')}, $2 || t.key)
  where t.prefix = $1 and t.isolation = $6
)`

/** What `ALTER ROLE … SET` left for connections to come. */
const SETTINGS = `(select d.setrole as role, split_part(c, '=', 1) as name from pg_db_role_setting d cross join unnest(d.setconfig) c)`
const keeps = (name: string) =>
  `'has settings of its own for connections to come: ' || string_agg(distinct ${name}, ', ')`
const RESET =
  'Unless it was you: ALTER ROLE … RESET … (or ALTER ROLE … IN DATABASE … RESET …), and look for SQL that you did not write: a role may set them for itself.'

const CHECKS: readonly CheckText[] = [
  {
    code: 'SCHEMA_MISSING',
    severity: 'error',
    also: ['home'],
    sql: `select key as subject, 'is in the registry but its schema is not there' as what
      from fleet where schema is null and status in ('active', 'suspended')`,
    fix: 'Restore its backup, or drop(key).',
  },
  {
    code: 'ROLE_MISSING',
    severity: 'error',
    roles: true,
    also: ['databases'],
    sql: `select key as subject, 'has no role' as what from fleet where role is null and status in ('active', 'suspended')`,
    fix: 'Run provision(key).',
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
        when c.oid is null then 'is named like a tenant but has no marker'
        else 'has a marker but no tenant in the registry' end as what
      from pg_namespace n cross join parameters p
      left join pg_class c on c.relnamespace = n.oid and (c.relname = p.marker or starts_with(c.relname, p.marker || ':'))
      where (starts_with(n.nspname, p.schema_prefix) or starts_with(c.relname, p.marker || ':')) and n.nspname <> all (p.shared) and not exists (
        select from fleet f where f.nspname = n.nspname and f.status <> 'deleted')
        and (p.schema_prefix <> '' or c.oid is not null)`,
    fix: 'Look at what is in it. A tenant with a marker: provision(its key); one from before: adopt(its key). None: move it out of the prefix or drop it.',
  },
  {
    code: 'ORPHAN_ROLE',
    severity: 'warning',
    roles: true,
    sql: `select r.rolname as subject, 'is named like a tenant’s role but there is no tenant' as what
      from pg_roles r cross join parameters p
      where p.role_prefix <> '' and starts_with(r.rolname, p.role_prefix) and r.rolname <> p.application
        and r.oid <> (select oid from pg_roles where rolname = current_user)
        and not exists (select from fleet f where f.rolname = r.rolname and f.status <> 'deleted')
        and not exists (select from pg_shdepend d where d.refobjid = r.oid and d.dbid not in (0,
          (select oid from pg_database where datname = current_database())))
        and not exists (select from pg_namespace n cross join lateral aclexplode(n.nspacl) a
          where a.grantee = r.oid and a.privilege_type = 'CREATE' and not starts_with(n.nspname, p.schema_prefix))`,
    fix: 'Unless another database uses it: DROP OWNED BY and DROP ROLE.',
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
    fix: 'Run migrate again; if it is not from a migration, drop it and build it again.',
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
    fix: 'Rename or drop the table in the shared schema, or take that schema out of sharedSchemas.',
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
    fix: 'Drop the object and make it again with names of its own schema (a search path was wrong when it was made).',
  },
  {
    code: 'APPLICATION_ROLE',
    severity: 'error',
    also: ['rows', 'databases'],
    sql: `select r.rolname as subject, 'the application’s role is or has ' || concat_ws(', ',
        case when rolsuper then 'superuser' end, case when rolbypassrls then 'BYPASSRLS' end,
        case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
        case when rolreplication then 'REPLICATION' end) as what
      from pg_roles r, parameters p where r.rolname = p.application
        and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`,
    fix: 'ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION, or connect as another role.',
  },
  {
    code: 'APPLICATION_ROLE',
    severity: 'error',
    also: ['databases'],
    sql: `select p.application as subject, 'inherits the rights of tenants, of ' || min(f.rolname) || ' for one' as what
      from parameters p join fleet f on f.role is not null
      where not (select rolsuper from pg_roles where rolname = p.application) and pg_has_role(p.application, f.role, 'usage')
      group by 1`,
    fix: 'PostgreSQL 16 and later: GRANT … WITH INHERIT FALSE; before: ALTER ROLE … NOINHERIT.',
  },
  {
    code: 'APPLICATION_ROLE',
    severity: 'warning',
    also: ['rows', 'databases'],
    sql: `select p.application as subject, 'is a member of ' || g.rolname || ', which is no tenant' as what
      from parameters p join pg_roles r on r.rolname = p.application join pg_auth_members m on m.member = r.oid
      join pg_roles g on g.oid = m.roleid
      where not exists (select from fleet f where f.role = g.oid) and not starts_with(g.rolname, p.role_prefix)`,
    fix: 'REVOKE that membership unless you know why it is there.',
  },
  {
    code: 'APPLICATION_ROLE',
    severity: 'error',
    roles: true,
    sql: `select f.key as subject, p.application || ' is not a member of its role, so no scope opens' as what
      from fleet f, parameters p where p.level = 'role' and f.role is not null and f.status = 'active'
        and not pg_has_role(p.application, f.role, 'member')`,
    fix: 'Run provision(key).',
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
    fix: 'Let a migration make it in each tenant’s schema; or, where it uses nothing of tenants, give it SET search_path.',
  },
  {
    code: 'TENANT_ROLE',
    severity: 'error',
    roles: true,
    also: ['databases'],
    sql: `select f.rolname as subject, 'a tenant’s role is or has ' || concat_ws(', ',
        case when rolcanlogin and p.level in ('schema', 'role') then 'LOGIN' end,
        case when rolsuper then 'superuser' end, case when rolbypassrls then 'BYPASSRLS' end,
        case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
        case when rolreplication then 'REPLICATION' end) as what
      from fleet f, parameters p where (rolcanlogin and p.level in ('schema', 'role')) or rolsuper or rolbypassrls or rolcreaterole
        or rolcreatedb or rolreplication
      union all
      select f.rolname, 'is a member of ' || g.rolname from fleet f join pg_auth_members m on m.member = f.role
      join pg_roles g on g.oid = m.roleid`,
    fix: 'A tenant’s role has its own schema and nothing else: ALTER ROLE, or REVOKE the membership.',
  },
  {
    code: 'ROLE_SETTINGS',
    severity: 'warning',
    roles: true,
    also: ['databases'],
    // A role may set them for itself; the path is what provisioning gives a role that logs in.
    sql: `select f.rolname as subject, ${keeps('s.name')} as what from fleet f join ${SETTINGS} s on s.role = f.role
      where s.name <> 'search_path' group by 1`,
    fix: RESET,
  },
  {
    code: 'ROLE_SETTINGS',
    severity: 'warning',
    also: ['rows', 'databases'],
    sql: `select p.application as subject, ${keeps('s.name')} || ', which say who a connection is and what it sees' as what
      from parameters p join pg_roles r on r.rolname = p.application join ${SETTINGS} s on s.role = r.oid
      where s.name in ('role', 'session_authorization', 'row_security', 'synchronous_commit', '${TENANT_SETTING}') group by 1`,
    fix: RESET,
  },
]

/** The checks for a place, complete; `own` are those that only this kind of place has. */
export function checksOf(place: CheckPlace, own: readonly CheckText[] = []): Check[] {
  const common = COMMON(place)
  const { scope } = place
  const here = CHECKS.filter(({ also }) => scope === 'schemas' || also?.includes(scope))
  const checks = [...here, ...own].filter(({ roles }) => place.roles || !roles)
  const whole = checks.map(({ code, severity, fix, sql }) => ({
    code,
    severity,
    fix,
    sql: common + (sql.startsWith(',') ? sql : `\n${sql}`),
  }))
  if (place.run === undefined) return whole
  const half = `${common}
    select r.key as subject, 'migration ' || r.id || ' stopped after ' || r.done || ' of its statements' as what
    from ${place.run} r join fleet f on f.key = r.key where r.prefix = $1`
  const fix = 'Unless it is under way, run migrate again: it goes on there.'
  return [...whole, { code: 'HALF_APPLIED', severity: 'warning', sql: half, fix }]
}
