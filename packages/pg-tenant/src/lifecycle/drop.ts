import type { TenantKey } from '@org/core'
import { roleOf, schemaOf } from '../isolation/names.ts'
import { setStatus } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type Admin, inAdminTransaction } from './admin.ts'
import { type Lifecycle, lockTenant, standingOf } from './lifecycle.ts'
import { prepare } from './prepare.ts'

/** dependent_objects_still_exist: another database of this server uses the same role. */
const STILL_USED = ['2BP01']

/** See {@link Tenancy.drop}. */
export async function drop(lifecycle: Lifecycle, tenant: TenantKey): Promise<boolean> {
  const { level, naming, adminPool, registry } = lifecycle
  const schema = schemaOf(naming, tenant)
  await prepare(lifecycle)
  return inAdminTransaction(adminPool, async (admin) => {
    await lockTenant(admin, schema)
    if ((await standingOf(admin, naming, tenant)) === 'nothing') return false
    // Running scopes hold this lock shared: wait for them, and let no new one in.
    await admin.run(`lock table ${qualify(schema, naming.marker)} in access exclusive mode`)
    await admin.run(`drop schema ${quoteIdentifier(schema)} cascade`)
    if (level === 'role') await dropRole(admin, roleOf(naming, tenant))
    await setStatus(admin, registry, tenant, 'deleted')
    return true
  })
}

async function dropRole(admin: Admin, role: string): Promise<void> {
  const [found] = await admin.run('select from pg_roles where rolname = $1', [role])
  if (!found) return
  const quoted = quoteIdentifier(role)
  // As the role itself: an administrator who is no superuser has no other way to its privileges.
  await admin.run(`set local role ${quoted}`)
  await admin.run('drop owned by current_user cascade')
  await admin.run('set local role none')
  await admin.attempt(STILL_USED, `drop role ${quoted}`)
}
