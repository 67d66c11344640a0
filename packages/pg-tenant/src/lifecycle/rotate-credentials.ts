import { TenancyError, type TenantKey } from '@org/core'
import type { TenantConnection } from '../credentials/connection.ts'
import { isOurs } from '../credentials/table.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import type { Lifecycle } from './lifecycle.ts'
import { setPassword } from './login-role.ts'
import { onTenant } from './work.ts'

/** See {@link Tenancy.rotateCredentials}. */
export function rotateCredentials(lifecycle: Lifecycle, tenant: TenantKey): Promise<TenantConnection> {
  const { keeper } = lifecycle.ofLevel
  if (!keeper) {
    throw new TenancyError(
      'INVALID_OPTION',
      'Only at levels login and database tenants have credentials of their own.',
      { details: { option: 'isolation' } },
    )
  }
  const database = lifecycle.ofLevel.databaseOf?.(lifecycle, tenant)
  return onTenant(lifecycle, tenant, (stage) =>
    stage(async (work) => {
      const known = work.status === 'active' || work.status === 'suspended'
      if (known && (await isOurs(work.admin, lifecycle.registry, tenant)))
        return await setPassword(work, keeper, true, database)
      throw tenantNotFound(tenant)
    }),
  )
}
