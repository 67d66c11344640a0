import { usage } from '../cli-error.ts'

/** Which roles {@link rolesSql} makes. */
export interface Roles {
  readonly appRole: string
  readonly adminRole: string
  /** Whether the administrator makes databases (level `database`). */
  readonly createDatabases: boolean
}

/**
 * SQL for psql that makes the two roles and takes from PUBLIC what it should not have; may be repeated. Passwords are no
 * part of it: `\password` sets them without showing them to the server's log.
 *
 * @throws CliError USAGE
 */
export function rolesSql({ appRole, adminRole, createDatabases }: Roles): string {
  if (appRole === adminRole) throw usage('Application and administrator must be two roles.')
  // psql quotes the names wherever they stand as :"app_role".
  return `-- The roles of @org/pg-tenant, for psql. May be repeated.
\\set ON_ERROR_STOP on
\\set app_role ${checked('--app-role', appRole)}
\\set admin_role ${checked('--admin-role', adminRole)}
begin;
-- The application: no rights of its own; scopes take a tenant's.
select format('create role %I', :'app_role') where not exists (select from pg_roles where rolname = :'app_role') \\gexec
alter role :"app_role" login noinherit nocreatedb nocreaterole;
-- What every scope sets where the role does not come with it: a tenth of what a scope takes on the server. What it has stays.
select format('alter role %I set %I = %L', :'app_role', own.name, own.value)
from (values
  ('statement_timeout', '30s'), ('lock_timeout', '10s'), ('idle_in_transaction_session_timeout', '60s'),
  ('synchronous_commit', 'on'), ('default_transaction_isolation', 'read committed'), ('default_transaction_read_only', 'off')
) own (name, value)
where not exists (
  select from pg_db_role_setting has, unnest(has.setconfig) setting
  where has.setrole = (select oid from pg_roles where rolname = :'app_role') and starts_with(setting, own.name || '=')
) \\gexec
-- The administrator: makes tenants.
select format('create role %I', :'admin_role') where not exists (select from pg_roles where rolname = :'admin_role') \\gexec
alter role :"admin_role" login createrole${createDatabases ? ' createdb' : ''};
-- Nobody connects, makes temporary tables, or creates in the shared schema, unless told so.
select current_database() as database \\gset
revoke all on database :"database" from public;
grant connect on database :"database" to :"app_role";
grant connect on database :"database" to :"admin_role" with grant option;
grant create on database :"database" to :"admin_role";
revoke all on schema public from public;
grant usage on schema public to public;
commit;
-- Now give them passwords: \\password ${appRole}  and  \\password ${adminRole}
`
}

function checked(option: string, name: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/.test(name) && !name.startsWith('pg_')) return name
  throw usage(`${option} takes the name of a role: a-z, 0-9 and "_", not beginning with a digit or "pg_".`)
}
