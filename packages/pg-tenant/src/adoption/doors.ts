import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'

/** Doors named in an error; the rest is counted. */
const NAMED = 20

// What leads into the schema with rights that do not end: what its role owns elsewhere, where it may be run by others with the role's
// rights, and tables elsewhere that its own inherit from or that inherit from its own. $1 schema, $2 the tenant's role.
const DOORS = `select i.type || ' ' || i.identity as door from (
    select s.classid, s.objid from pg_shdepend s join pg_roles r on s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid
    where r.rolname = $2 and s.deptype = 'o' and s.dbid = (select oid from pg_database where datname = current_database())
    union select 1259, case when c.relnamespace = home.oid then p.oid else c.oid end
    from pg_namespace home, pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_class p on p.oid = h.inhparent
    where home.nspname = $1 and c.relnamespace <> p.relnamespace and home.oid in (c.relnamespace, p.relnamespace)
  ) d (class, oid) cross join lateral pg_identify_object(d.class, d.oid, 0) i
  where i.schema is distinct from quote_ident($1) and i.type is not null and (i.schema !~ '^pg_(toast_)?temp' or d.class = 2615) order by 1`

/** Earlier owners were the role's members, and could leave themselves a way in. */
export async function refuseDoors(
  admin: Admin,
  tenant: TenantKey,
  schema: string,
  role: string,
): Promise<void> {
  const doors = (await admin.run(DOORS, [schema, role])).map(({ door }) => String(door))
  if (doors.length === 0) return
  const named = doors.slice(0, NAMED).join(', ')
  throw new TenancyError(
    'CONFLICT',
    `Outside the schema there is what reaches into it with rights that a confirmation does not end: ${named}. It is not confirmed. ` +
      'Drop it, give it to another owner, or let its tables no longer inherit (ALTER TABLE … NO INHERIT), then confirm.',
    { details: { tenant, reason: 'adoption', objects: named, count: doors.length } },
  )
}
