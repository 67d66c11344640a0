import { TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/** dependent_objects_still_exist: another database of this server uses the same role. */
const STILL_USED = ['2BP01']

/**
 * The role a tenant's tables belong to: it owns nothing else, has no special rights, and only those who act for it are
 * members.
 *
 * @param login whether a role that can log in is what is wanted, or what must not be there
 * @param application the role the application logs in with, if it acts for the tenant by SET ROLE
 * @throws TenancyError CONFLICT when a role of that name is something else; INVALID_OPTION when the application inherits
 */
export async function ensureRole(
  admin: Admin,
  role: string,
  { login, application }: { readonly login: boolean; readonly application: string | undefined },
): Promise<void> {
  const [facts] = await admin.run(FACTS, [role, application ?? '', login])
  if (!facts || facts.mighty) {
    throw new TenancyError(
      'CONFLICT',
      'A role of that name is there and is not a tenant role: it can log in, has special rights or is a member of others.',
      { details: { role } },
    )
  }
  const sixteen = Number(facts.version) >= 160_000
  if (!sixteen && application !== undefined && facts.inherits) {
    throw new TenancyError(
      'INVALID_OPTION',
      "The application's role inherits the rights of roles it is a member of, so unscoped queries would see every " +
        'tenant. Run: ALTER ROLE … NOINHERIT.',
      { details: { role: application } },
    )
  }
  // PostgreSQL 16 decides inheritance with the grant, before it was the member's attribute.
  const how = sixteen ? ' with inherit false, set true' : ''
  const members = new Set(application === undefined ? [] : [application])
  if (!facts.superuser) members.add(String(facts.admin))
  // No savepoint: two databases of one server that make the same role at once are the one case in which it is there by
  // now, and whoever comes second is told to run it again.
  const quoted = quoteIdentifier(role)
  const grants = [...members].map((name) => `grant ${quoted} to ${quoteIdentifier(name)}${how}`)
  const statements = facts.there ? grants : [`create role ${quoted} nologin noinherit`, ...grants]
  if (statements.length > 0) await admin.run(statements.join(';'))
}

// $1 the role, $2 the application's or '', $3 whether the role may log in.
const FACTS = `select r.oid is not null as there,
    coalesce((r.rolcanlogin and not $3) or r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls or r.rolreplication
      or exists (select from pg_auth_members m where m.member = r.oid), false) as mighty,
    current_setting('server_version_num')::int as version,
    me.rolsuper as superuser,
    me.rolname as admin,
    (select rolinherit and not rolsuper from pg_roles where rolname = $2) as inherits
  from pg_roles me left join pg_roles r on r.rolname = $1 where me.rolname = current_user`

export async function roleExists(admin: Admin, role: string): Promise<boolean> {
  return (await admin.run('select from pg_roles where rolname = $1', [role])).length === 1
}

/**
 * Removes a role with all it has in this database; it stays where another database still uses it.
 *
 * @param strip runs what takes away all it has, as the role itself
 */
export async function dropRole(
  admin: Admin,
  role: string,
  strip: (ddl: () => Promise<void>) => Promise<void> = (ddl) => ddl(),
): Promise<void> {
  if (!(await roleExists(admin, role))) return
  const quoted = quoteIdentifier(role)
  // As the role itself: an administrator who is no superuser has no other way to its privileges.
  await admin.run(`set local role ${quoted}`)
  await strip(async () => {
    await admin.run('drop owned by current_user cascade')
  })
  await admin.run('set local role none')
  await admin.attempt(STILL_USED, `drop role ${quoted}`)
}
