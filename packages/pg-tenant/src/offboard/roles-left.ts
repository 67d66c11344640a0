import type { Admin } from '../admin/transaction.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import { ownerOf } from '../lifecycle/lifecycle.ts'
import { qualify } from '../sql/identifier.ts'

/** Asked ahead of the drop, which forgets who owned an adopted tenant before: its role, and those. */
export async function rolesAround({ admin, lifecycle, tenant }: TenantWork): Promise<readonly number[]> {
  const { controlSchema, prefix } = lifecycle.registry
  const rows = await admin.run(
    `select r.oid::int8::text as oid from pg_roles r where r.rolname = $3 or r.oid::int8::text in (
       select jsonb_array_elements_text(a.before -> 'owners') from ${qualify(controlSchema, 'tenant_adoption')} a
       where a.prefix = $1 and a.key = $2)`,
    [prefix, tenant, ownerOf(lifecycle, tenant) ?? ''],
  )
  return rows.map(({ oid }) => Number(oid))
}

/** Which of them are there behind it, and serve nobody to log in: another database uses them, or nobody does. */
export async function rolesLeft(admin: Admin, oids: readonly number[]): Promise<readonly string[]> {
  const rows = await admin.run(
    `select rolname::text as role from pg_roles where oid = any ($1::oid[]) and not rolcanlogin order by 1`,
    [[...oids]],
  )
  return rows.map(({ role }) => String(role))
}
