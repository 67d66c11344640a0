import type { Queryable, TenantKey } from '@org/core'
import { quoteIdentifier } from '../sql/identifier.ts'
import { type InstallOptions, onlyControlSchema } from './install.ts'

/**
 * Removes what is stored of a tenant outside its own data: packages, overrides, limits, resources. For the transaction that
 * drops it, as the administrator: `createTenancy({ onForget: forgetTenant })`.
 *
 * @throws TenancyError INVALID_OPTION; otherwise what `control` throws
 * @example
 * ```ts
 * import { parseTenantKey } from '@org/core'
 * import { forgetTenant, installRbac } from '@org/rbac/store'
 *
 * await installRbac(adminPool, { managers: [application] })
 * await forgetTenant(pool, parseTenantKey('initech')) // once tenancy.drop or offboard has removed it
 * ```
 */
export async function forgetTenant(
  control: Queryable,
  tenant: TenantKey,
  options: Pick<InstallOptions, 'controlSchema'> = {},
): Promise<void> {
  const schema = quoteIdentifier(onlyControlSchema(options))
  // The rest refers to it and goes with it.
  await control.query(`delete from ${schema}.tenant_entitlement where tenant = $1`, [tenant])
}
