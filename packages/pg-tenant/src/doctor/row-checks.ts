import type { CheckText } from './checks.ts'

// $7 the shared schema, the control schema, and where there are views: their schema, their owner, their readers.
const OWN = '$7::text[]'

/** What is checked at level `row`, beside the tables and their policies (lifecycle/row/check.ts). */
export const ROW_CHECKS: readonly CheckText[] = [
  {
    code: 'SCHEMA_MISSING',
    severity: 'error',
    sql: `select (${OWN})[1] as subject, 'is the schema that all tenants share, and it is not there' as what
      where to_regnamespace(quote_ident((${OWN})[1])) is null
        and exists (select from fleet where status in ('active', 'suspended'))`,
    fix: 'ALTER SCHEMA … RENAME TO its name, if that was changed; else restore the database.',
  },
  {
    code: 'PUBLIC_PRIVILEGE',
    severity: 'error',
    sql: `select n.nspname as subject, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it' as what
      from pg_namespace n cross join lateral aclexplode(n.nspacl) a where n.nspname = any (${OWN}) and a.grantee = 0 group by 1
      union all
      select n.nspname || '.' || c.relname, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it'
      from pg_namespace n join pg_class c on c.relnamespace = n.oid cross join lateral aclexplode(c.relacl) a
      where n.nspname = any (${OWN}) and a.grantee = 0 group by 1`,
    fix: 'REVOKE ALL ON … FROM PUBLIC.',
  },
  {
    code: 'INVALID_INDEX',
    severity: 'warning',
    sql: `select n.nspname || '.' || c.relname as subject, 'is not valid: CREATE INDEX CONCURRENTLY failed or is running' as what
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
      where not i.indisvalid and c.relkind = 'i' and n.nspname = (${OWN})[1]`,
    fix: 'REINDEX INDEX CONCURRENTLY, or DROP INDEX and build it again.',
  },
  {
    code: 'FALLS_THROUGH',
    severity: 'warning',
    sql: `select s.nspname || '.' || c.relname as subject,
        'is also a table of ' || n.nspname || ': were that one dropped or renamed, queries would reach this one' as what
      from pg_class c join pg_namespace s on s.oid = c.relnamespace
      join pg_class mine on mine.relname = c.relname and mine.relkind in ('r', 'p', 'v', 'm', 'f')
      join pg_namespace n on n.oid = mine.relnamespace and n.nspname = (${OWN})[1]
      where s.nspname = any ((select shared from parameters)::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')`,
    fix: 'ALTER TABLE … RENAME TO, or DROP TABLE, in the shared schema; or take that schema out of sharedSchemas.',
  },
  {
    code: 'APPLICATION_ROLE',
    severity: 'error',
    sql: `select p.application as subject, 'is or may become ' || string_agg(distinct r.rolname, ', ') || ', who owns what the policies stand on' as what
      from parameters p join pg_roles r on r.oid in (
        select relowner from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = (${OWN})[1]
        union all select nspowner from pg_namespace where nspname = any (${OWN}))
      where pg_has_role(p.application, r.oid, 'member') and not (select rolsuper from pg_roles where rolname = p.application)
      group by 1`,
    fix: 'ALTER … OWNER TO the administrator’s role, or REVOKE the membership.',
  },
]

/** The same where tenants have roles that read views. */
export const READER_CHECKS: readonly CheckText[] = [
  {
    code: 'ROLE_MISSING',
    severity: 'warning',
    sql: `select key as subject, 'has no role that reads its views' as what from fleet
      where role is null and status in ('active', 'suspended')`,
    fix: 'Run provision(key).',
  },
  {
    code: 'STATUS_MISMATCH',
    severity: 'error',
    sql: `select key as subject, case status when 'suspended' then 'is suspended but its role may read its views'
        else 'is active but its role may not read its views' end as what
      from fleet f join pg_roles g on g.rolname = (${OWN})[5]
      where role is not null and status in ('active', 'suspended') and not f.rolsuper
        and pg_has_role(role, g.oid, 'usage') <> (status = 'active')`,
    fix: 'Suspended: resume(key), then suspend(key). Active: provision(key).',
  },
  {
    code: 'TENANT_ROLE',
    severity: 'error',
    sql: `select f.rolname as subject, 'reads views of one tenant, but is or has ' || concat_ws(', ',
        case when rolsuper then 'superuser' end, case when rolbypassrls then 'BYPASSRLS' end,
        case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
        case when rolreplication then 'REPLICATION' end) as what
      from fleet f where rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
      union all
      select f.rolname, 'is a member of ' || g.rolname from fleet f join pg_auth_members m on m.member = f.role
      join pg_roles g on g.oid = m.roleid where g.rolname <> (${OWN})[5]`,
    fix: 'A tenant’s role reads its views and nothing else: ALTER ROLE, or REVOKE the membership.',
  },
  {
    code: 'ORPHAN_ROLE',
    severity: 'warning',
    sql: `select r.rolname as subject, 'reads the views but there is no tenant of it' as what
      from pg_auth_members m join pg_roles r on r.oid = m.member join pg_roles g on g.oid = m.roleid and g.rolname = (${OWN})[5]
      cross join parameters p
      where starts_with(r.rolname, p.role_prefix) and not exists (select from fleet f where f.rolname = r.rolname and f.status <> 'deleted')`,
    fix: 'DROP OWNED BY and DROP ROLE.',
  },
]
