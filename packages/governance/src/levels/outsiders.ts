import { DEFAULT_PREFIX, parsePrefix, type Queryable } from '@org/core'
import { invalidOption } from '../input/input.ts'
import type { LevelOptions } from './identity.ts'

/**
 * $1 roles, $2 what tenants' roles begin with, $3 the application. Which of them may be had by SQL that a tenant sends: it runs as a
 * tenant's role or as the application, and may become whatever that one's session may. Administrators are members of tenants'
 * roles as well, and nothing that a tenant sends runs as them.
 */
const REACHED = `select r.rolname as name from pg_catalog.pg_roles r
  where r.rolname operator(pg_catalog.=) any ($1::pg_catalog.text[]) and exists (
    select from pg_catalog.pg_roles s
    where not s.rolsuper and not s.rolcreaterole and pg_catalog.pg_has_role(s.oid, r.oid, 'MEMBER')
      and (s.rolname operator(pg_catalog.=) $3 or exists (
        select from pg_catalog.pg_roles t
        where pg_catalog.starts_with(t.rolname::pg_catalog.text, $2) and pg_catalog.pg_has_role(s.oid, t.oid, 'MEMBER'))))
  order by 1 limit 1`

/**
 * Refuses to give what is everybody's to a role that SQL of a tenant can become.
 *
 * @internal
 * @param given roles, by the option that names them
 * @throws TenancyError INVALID_OPTION
 */
export async function requireOutsiders(
  admin: Queryable,
  { isolation = 'role', rolePrefix = DEFAULT_PREFIX, application }: LevelOptions,
  given: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  const named = isolation === 'schema' || isolation === 'row' ? null : parsePrefix(rolePrefix)
  for (const [option, roles] of Object.entries(given)) {
    if (roles.length === 0) continue
    const { rows } = await admin.query<{ name: string }>(REACHED, [roles, named, application ?? null])
    const [found] = rows
    // guard: what a tenant sends becomes nobody who reads what others wrote
    if (found)
      throw invalidOption(option, `roles that SQL of a tenant cannot become, as it can ${found.name}`)
  }
}
