import { SQLSTATE, TenancyError } from '@org/core'
import { isServerError, type ServerError, withDriverError } from '../errors/server-error.ts'

/** One statement as the administrator, outside a failed transaction. */
type Ask = <R extends object>(sql: string) => Promise<R[]>

/** What the administrator's role may do. */
interface Rights {
  readonly role: string
  readonly roles: boolean
  readonly databases: boolean
  readonly schemas: boolean
}

// guard: asked behind ROLLBACK, under the path that who owns the database has set for it (ALTER DATABASE … SET search_path)
const RIGHTS = `select r.rolname as role, r.rolsuper or r.rolcreaterole as roles,
  r.rolsuper or r.rolcreatedb as databases,
  pg_catalog.has_database_privilege(r.oid, pg_catalog.current_database()::pg_catalog.text, 'create'::pg_catalog.text) as schemas
  from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) current_user`

/**
 * An administrator who was refused something: says which right the role lacks and how to give it. Asked only then.
 *
 * @returns nothing when it was something else
 */
export async function whatIsLacking(error: unknown, ask: Ask): Promise<TenancyError | undefined> {
  if (!isServerError(error) || error.code !== SQLSTATE.INSUFFICIENT_PRIVILEGE) return undefined
  const [rights] = await ask<Rights>(RIGHTS).catch(() => [])
  const todo = rights && remedyOf(error, rights)
  if (!todo) return undefined
  const message = `The administrator (adminPool) was refused something and lacks a right that it needs. ${todo}`
  const details = { option: 'adminPool', role: rights.role, sqlState: error.code }
  return withDriverError(new TenancyError('INVALID_OPTION', message, { details }), error)
}

/** By the routine that refused (manual 54.8): unlike messages, its name is in no language. */
function remedyOf({ routine = '' }: ServerError, rights: Rights): string | undefined {
  if (routine === 'createdb') return rights.databases ? undefined : 'Run: ALTER ROLE … CREATEDB.'
  if (ROLE_ROUTINES.has(routine)) {
    if (!rights.roles) return 'Run: ALTER ROLE … CREATEROLE.'
    return (
      'It does not administer the role of this tenant, which another administrator made. Run it as that one, or as a ' +
      'superuser: GRANT tenant_role TO administrator WITH ADMIN OPTION.'
    )
  }
  if (!rights.schemas) return 'Run: GRANT CREATE ON DATABASE … TO administrator.'
  return undefined
}

/** Of `src/backend/commands/user.c`, and the one behind SET ROLE. */
const ROLE_ROUTINES: ReadonlySet<string> = new Set([
  'CreateRole',
  'AlterRole',
  'AlterRoleSet',
  'DropRole',
  'RenameRole',
  'GrantRole',
  'AddRoleMems',
  'DelRoleMems',
  'check_role_membership_authorization',
  'check_role_grantor',
  'check_role',
])
