import { DURABLE } from '../isolation/gate.ts'
import { TENANT_SETTING } from '../isolation/row.ts'
import { type CheckText, isNeighboursRole } from './checks.ts'

/** What `ALTER ROLE … SET` left for connections to come. */
const SETTINGS = `(select d.setrole as role, split_part(c, '=', 1) as name, c as setting from pg_db_role_setting d cross join unnest(d.setconfig) c)`
const keeps = (name: string) =>
  `'has settings of its own for connections to come: ' || string_agg(distinct ${name}, ', ')`
const RESET =
  'Unless it was you: ALTER ROLE … RESET … (or ALTER ROLE … IN DATABASE … RESET …), and look for SQL that you did not write: a role may set them for itself.'

/** What the roles of tenants and of the application are and may become. */
export const ROLE_CHECKS: readonly CheckText[] = [
  {
    code: 'ROLE_MISSING',
    severity: 'error',
    roles: true,
    also: ['databases'],
    sql: `select key as subject, 'has no role' as what from fleet where role is null and status in ('active', 'suspended')`,
    fix: 'Run provision(key).',
  },
  {
    code: 'ORPHAN_ROLE',
    severity: 'warning',
    roles: true,
    sql: `select r.rolname as subject, 'is named like a tenant’s role but there is no tenant' as what
      from pg_roles r cross join parameters p
      where p.role_prefix <> '' and starts_with(r.rolname, p.role_prefix) and r.rolname <> p.application
        and r.oid <> (select oid from pg_roles where rolname = current_user)
        and not exists (select from fleet f where f.rolname = r.rolname and f.status <> 'deleted') and not ${isNeighboursRole('r')}
        and not exists (select from pg_shdepend d where d.refobjid = r.oid and d.dbid not in (0,
          (select oid from pg_database where datname = current_database())))
        and not exists (select from pg_namespace n cross join lateral aclexplode(n.nspacl) a
          where a.grantee = r.oid and a.privilege_type = 'CREATE' and not starts_with(n.nspname, p.schema_prefix))`,
    fix: 'Unless another database uses it: DROP OWNED BY and DROP ROLE.',
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
    fix: 'ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION, or connect as another role. A session is asked once: end those it had meanwhile.',
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
      where not exists (select from fleet f where f.role = g.oid) and not starts_with(g.rolname, p.role_prefix)
        and not ${isNeighboursRole('g')}`,
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
      where s.name in ('role', 'session_authorization', 'row_security', 'synchronous_commit', '${TENANT_SETTING}')
        and s.setting not in (${DURABLE.map((value) => `'synchronous_commit=${value}'`).join(', ')}) group by 1`,
    fix: RESET,
  },
]
