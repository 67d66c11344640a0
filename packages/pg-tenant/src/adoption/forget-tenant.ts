import type { TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { announce } from '../registry/registry.ts'
import { qualify } from '../sql/identifier.ts'

const OF_TENANT = [
  'tenant_adoption',
  'tenant_migration',
  'tenant_migration_run',
  'tenant_credential',
  'tenant',
]

/** Not even a tombstone: the tenant was never this library's. */
export async function forgetTenant(admin: Admin, { registry }: Lifecycle, tenant: TenantKey): Promise<void> {
  for (const table of OF_TENANT) {
    await admin.run(`delete from ${qualify(registry.controlSchema, table)} where prefix = $1 and key = $2`, [
      registry.prefix,
      tenant,
    ])
  }
  await announce(admin, registry)
}
