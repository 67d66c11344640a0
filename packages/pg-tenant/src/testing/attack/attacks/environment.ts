import { open, stopped } from '../finding.ts'
import type { Attack, Lab } from '../types.ts'
import { EVERY } from './scene.ts'

interface Check {
  readonly id: string
  readonly title: string
  readonly promise: Attack['promise']
  /** true when the hole is there; gets the application's role as $1 */
  readonly sql: string
  readonly hole: string
  readonly fine: string
}

const CHECKS: readonly Check[] = [
  {
    id: 'env.superuser',
    title: 'application role is superuser or BYPASSRLS',
    promise: EVERY,
    sql: 'select rolsuper or rolbypassrls as hole from pg_roles where rolname = $1',
    hole: 'nothing holds for this role: give the application one of its own, without rights',
    fine: 'the application role is an ordinary one',
  },
  {
    id: 'env.inherit',
    title: 'application role inherits the rights of tenants',
    promise: ['role'],
    sql: `select exists (select from pg_roles r where $2 <> '' and starts_with(r.rolname, $2)
            and pg_has_role($1, r.oid, 'usage')) as hole`,
    hole: 'an unscoped query reads every tenant: ALTER ROLE … NOINHERIT',
    fine: 'without a scope it has no rights of any tenant',
  },
  {
    id: 'l.public',
    title: 'PUBLIC may create objects in schema public',
    promise: EVERY,
    sql: `select exists (select from pg_namespace where nspname = 'public'
            and (has_schema_privilege('public', oid, 'create') or has_schema_privilege($1, oid, 'create'))) as hole`,
    hole: 'REVOKE CREATE ON SCHEMA public FROM PUBLIC',
    fine: 'nobody but its owner creates in public',
  },
  {
    id: "k'.temp",
    title: 'PUBLIC may create temporary tables',
    promise: [],
    sql: `select has_database_privilege('public', current_database(), 'temp') as hole`,
    hole: 'REVOKE TEMP ON DATABASE … FROM PUBLIC, unless your tenants need it',
    fine: 'TEMP is revoked',
  },
  {
    id: 'o.public',
    title: 'EXECUTE on set_config is public',
    promise: [],
    sql: `select has_function_privilege('public', 'pg_catalog.set_config(text,text,boolean)', 'execute') as hole`,
    hole: 'injected SQL can change the role; only level login or database stops all of it',
    fine: 'EXECUTE on set_config is revoked',
  },
]

/** What the database's own set-up leaves open, whatever runs in front of it. */
export const environment: readonly Attack[] = CHECKS.map(({ id, title, promise, sql, hole, fine }) => ({
  id,
  title,
  promise,
  run: async (lab: Lab) => {
    await lab.victims()
    const usesPrefix = sql.includes('$2')
    const [row] = await lab.admin(
      sql,
      sql.includes('$1') ? [lab.application, ...(usesPrefix ? [lab.roleOf('')] : [])] : [],
    )
    return row?.hole === true ? open(hole) : stopped(fine)
  },
}))
