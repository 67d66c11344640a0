-- The roles and revocations that @org/pg-tenant needs in one database. Run it with psql 14 or later, connected to that
-- database as a superuser or as the owner of the database with CREATEROLE; it may be repeated.
--
--   psql "$DATABASE_URL" -f bootstrap.sql [-v app_role=app] [-v admin_role=app_admin] [-v admin_createdb=on]
--
-- Passwords come from files, never from arguments: PG_TENANT_APP_PASSWORD_FILE, PG_TENANT_ADMIN_PASSWORD_FILE. Without
-- them the roles have none, or keep theirs.

\set ON_ERROR_STOP on
\if :{?app_role} \else \set app_role app
\endif
\if :{?admin_role} \else \set admin_role app_admin
\endif
\if :{?admin_createdb} \else \set admin_createdb off
\endif

\getenv app_password_file PG_TENANT_APP_PASSWORD_FILE
\getenv admin_password_file PG_TENANT_ADMIN_PASSWORD_FILE

-- ALTER ROLE … PASSWORD would be in the log in clear text; only a superuser may keep it out.
select rolsuper as superuser from pg_roles where rolname = current_user \gset
\if :superuser
set log_statement = 'none';
set log_min_duration_statement = -1;
set log_min_error_statement = panic;
\endif
set password_encryption = 'scram-sha-256';

begin;

-- The application: no rights of its own and none by membership; scopes take a tenant's role.
select format('create role %I login noinherit', :'app_role')
where not exists (select from pg_roles where rolname = :'app_role') \gexec
alter role :"app_role" login noinherit;

-- What every scope sets where the role does not come with it: a tenth of what a scope takes on the server. What it has stays.
select format('alter role %I set %I = %L', :'app_role', own.name, own.value)
from (values
  ('statement_timeout', '30s'), ('lock_timeout', '10s'), ('idle_in_transaction_session_timeout', '60s'),
  ('synchronous_commit', 'on'), ('default_transaction_isolation', 'read committed'), ('default_transaction_read_only', 'off')
) own (name, value)
where not exists (
  select from pg_db_role_setting has, unnest(has.setconfig) setting
  where has.setrole = (select oid from pg_roles where rolname = :'app_role') and starts_with(setting, own.name || '=')
) \gexec

-- The administrator: makes tenants, reads nothing of theirs without taking their role. Level database and
-- provisionDatabase also need CREATEDB.
select format('create role %I login createrole', :'admin_role')
where not exists (select from pg_roles where rolname = :'admin_role') \gexec
alter role :"admin_role" login createrole;
\if :admin_createdb
alter role :"admin_role" createdb;
\endif

-- Roles that were there already are used only if they are no more than that.
select set_config('bootstrap.app', :'app_role', true), set_config('bootstrap.admin', :'admin_role', true) \gset ignored_
do $$
begin
  if current_setting('bootstrap.app') = current_setting('bootstrap.admin') then
    raise exception 'application and administrator must be two roles';
  end if;
  if exists (select from pg_roles where rolname = current_setting('bootstrap.app')
             and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)) then
    raise exception 'role % has special rights and cannot be the application''s', current_setting('bootstrap.app');
  end if;
  if pg_has_role(current_setting('bootstrap.app'), current_setting('bootstrap.admin'), 'member') then
    raise exception 'the application must not be a member of the administrator''s role';
  end if;
end $$;

-- A file that cannot be read would leave a role that nobody can log in with, and nobody told. Asked without the password.
\if :{?app_password_file}
\set readable `test -r "$PG_TENANT_APP_PASSWORD_FILE" && test -s "$PG_TENANT_APP_PASSWORD_FILE" && echo on || echo off`
\if :readable \else
do $$ begin raise exception 'PG_TENANT_APP_PASSWORD_FILE is empty, or psql may not read it'; end $$;
\endif
\set app_password `cat "$PG_TENANT_APP_PASSWORD_FILE"`
alter role :"app_role" password :'app_password';
\endif
\if :{?admin_password_file}
\set readable `test -r "$PG_TENANT_ADMIN_PASSWORD_FILE" && test -s "$PG_TENANT_ADMIN_PASSWORD_FILE" && echo on || echo off`
\if :readable \else
do $$ begin raise exception 'PG_TENANT_ADMIN_PASSWORD_FILE is empty, or psql may not read it'; end $$;
\endif
\set admin_password `cat "$PG_TENANT_ADMIN_PASSWORD_FILE"`
alter role :"admin_role" password :'admin_password';
\endif

-- Nobody connects or makes temporary tables unless told so (a temporary table of one tenant would meet the next).
select current_database() as database \gset
revoke all on database :"database" from public;
grant connect on database :"database" to :"app_role";
-- With the grant option: at level login tenants connect as themselves.
grant connect on database :"database" to :"admin_role" with grant option;
grant create on database :"database" to :"admin_role";

-- Nobody creates in the shared schema: what stands there is found by every tenant's unqualified names.
revoke all on schema public from public;
grant usage on schema public to public;

commit;

reset password_encryption;
\if :superuser
reset log_statement;
reset log_min_duration_statement;
reset log_min_error_statement;
\endif
