import type { CheckText } from './checks.ts'

// After what all checks share (checks.ts): the tenants with their databases, which have the names of their roles.
const HOMES = `, home as (
  select f.*, d.oid as database, d.datname, d.datacl, d.datdba
  from fleet f left join pg_database d on d.datname = f.home
)`

/** What is checked in the registry's database at level `database`, beside what other levels check there. */
export const DATABASE_CHECKS: readonly CheckText[] = [
  {
    code: 'DATABASE_MISSING',
    severity: 'error',
    sql: `${HOMES} select key as subject, 'is in the registry but its database is not there' as what
      from home where database is null and status in ('active', 'suspended')`,
    fix: 'Restore its backup, or drop(key).',
  },
  {
    code: 'ORPHAN_DATABASE',
    severity: 'warning',
    sql: `select d.datname as subject, 'is named like a tenant’s database but there is no tenant' as what
      from pg_database d cross join parameters p
      where p.role_prefix <> '' and starts_with(d.datname, p.role_prefix) and d.datname <> current_database()
        and not exists (select from fleet f where f.home = d.datname and f.status <> 'deleted')`,
    fix: 'Look at what is in it. A tenant: provision(its key). None: ALTER DATABASE … RENAME TO, out of the prefix, or DROP DATABASE.',
  },
  {
    code: 'ORPHAN_ROLE',
    severity: 'warning',
    sql: `select r.rolname as subject, 'is named like a tenant’s role but there is no tenant' as what
      from pg_roles r cross join parameters p
      where p.role_prefix <> '' and starts_with(r.rolname, p.role_prefix) and r.rolname <> p.application
        and r.rolname <> current_user
        and not exists (select from fleet f where f.rolname = r.rolname and f.status <> 'deleted')
        and not exists (select from pg_shdepend s join pg_database d on d.oid = s.dbid
          where s.refobjid = r.oid and d.datname not in (r.rolname, current_database()))`,
    fix: 'Unless another database uses it: DROP OWNED BY and DROP ROLE.',
  },
  {
    code: 'STATUS_MISMATCH',
    severity: 'error',
    sql: `${HOMES} select key as subject, case status when 'suspended' then 'is suspended but its role may log in to its database'
        else 'is active but its role may not log in to its database' end as what
      from home where database is not null and role is not null and status in ('active', 'suspended')
        and (rolcanlogin and has_database_privilege(role, database, 'connect')) <> (status = 'active')`,
    fix: 'Suspended: resume(key), then suspend(key). Active: provision(key).',
  },
  {
    code: 'PUBLIC_PRIVILEGE',
    severity: 'error',
    sql: `${HOMES} select datname as subject, 'is a tenant’s database and PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it' as what
      from home cross join lateral aclexplode(coalesce(datacl, acldefault('d', datdba))) a
      where database is not null and a.grantee = 0 group by 1`,
    fix: 'REVOKE ALL ON DATABASE … FROM PUBLIC.',
  },
  {
    code: 'FOREIGN_CONNECT',
    severity: 'error',
    sql: `${HOMES} select h.datname as subject, 'is a tenant’s database and ' || r.rolname || ' has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it' as what
      from home h cross join lateral aclexplode(h.datacl) a join pg_roles r on r.oid = a.grantee
      where h.database is not null and a.grantee not in (h.datdba, h.role) group by h.datname, r.rolname
      union all
      select h.datname, 'is a tenant’s database and belongs to ' || r.rolname || ', who can open it to anybody'
      from home h join pg_roles r on r.oid = h.datdba cross join parameters p
      where r.rolname = p.application or exists (select from fleet f where f.role = h.datdba)`,
    fix: 'REVOKE that, or ALTER DATABASE … OWNER TO the administrator’s role.',
  },
]
