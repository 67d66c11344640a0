import { tenantsWithNames } from '../registry/record.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

/** What the role that logged in may do beyond its grants. */
export const RIGHTS = `select rolname as role, array_remove(array[
    case when rolsuper then 'SUPERUSER' end, case when rolbypassrls then 'BYPASSRLS' end,
    case when rolcreaterole then 'CREATEROLE' end, case when rolcreatedb then 'CREATEDB' end,
    case when rolreplication then 'REPLICATION' end], null) as rights
  from pg_catalog.pg_roles where rolname = session_user`

/** $1 schemas: a table of each, one of the application's rather than of ours. */
export const TABLES_OF = `select distinct on (n.nspname) n.nspname as schema, c.relname as name
  from pg_catalog.pg_namespace n join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p')
  where n.nspname = any ($1)
  order by n.nspname, starts_with(c.relname, '_tenant'), c.relname`

// Every right to something of a tenant that is neither the tenant's nor of whoever owns it: one look at all ACLs finds
// what n times n attempts would. $1 schema prefix, $2 role prefix, $3 whether the application may take the role.
export const grantsOnSchemas = ({ controlSchema }: RegistryPlace) => `with tenant as (
  select n.oid, n.nspname, n.nspacl, n.nspowner, r.oid as role, r.rolname
  from ${tenantsWithNames(qualify(controlSchema, 'tenant'))}
    join pg_catalog.pg_namespace n on n.nspname = coalesce(t.schema_name, $1 || t.key)
    left join pg_catalog.pg_roles r on r.rolname = coalesce(t.role_name, $2 || t.key)
  where t.prefix = $1 and t.status <> 'deleted'
), grants as (
  select a.grantee, a.privilege_type as what, t.nspname::text as object
  from tenant t cross join lateral pg_catalog.aclexplode(t.nspacl) a
  where a.grantee <> t.nspowner and a.grantee is distinct from t.role
  union all
  select a.grantee, a.privilege_type, format('%s.%s', t.nspname, c.relname)
  from tenant t join pg_catalog.pg_class c on c.relnamespace = t.oid cross join lateral pg_catalog.aclexplode(c.relacl) a
  where a.grantee not in (t.nspowner, c.relowner) and a.grantee is distinct from t.role
  union all
  select m.member, 'membership', t.rolname::text
  from tenant t join pg_catalog.pg_auth_members m on m.roleid = t.role join pg_catalog.pg_roles r on r.oid = m.member
  where m.member <> t.nspowner and not r.rolsuper and not ($3 and r.rolname = session_user)
  union all
  select m.member, 'membership', r.rolname::text
  from tenant t join pg_catalog.pg_auth_members m on m.member = t.role join pg_catalog.pg_roles r on r.oid = m.roleid
)
select distinct coalesce(r.rolname, 'PUBLIC') as grantee, g.what, g.object
from grants g left join pg_catalog.pg_roles r on r.oid = g.grantee
order by 3, 1, 2 limit 100`

/** $1 databases, $2 the role of each. No ACL at all means the default: everybody may connect. */
export const GRANTS_ON_DATABASES = `select coalesce(r.rolname, 'PUBLIC') as grantee, a.privilege_type as what, d.datname::text as object
  from pg_catalog.pg_database d
    cross join lateral pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
    join unnest($1::text[], $2::text[]) home (database, role) on d.datname = home.database
    left join pg_catalog.pg_roles r on r.oid = a.grantee
  where a.grantee <> d.datdba and coalesce(r.rolname, '') <> home.role
  order by 3, 1, 2 limit 100`
