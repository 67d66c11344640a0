import type { Belongings } from '@org/core'
import { type InstallOptions, onlyControlSchema } from './install.ts'

/**
 * What is stored of a tenant outside its own data, for `createTenancy({ belongings })`: plan, packages, overrides, limits and
 * resources go along when it moves to another cluster. The catalogue does not: sync it there before.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { entitlementBelongings } from '@org/rbac/store'
 *
 * console.log(entitlementBelongings().tables.map(({ name }) => name))
 * ```
 */
export function entitlementBelongings(options: Pick<InstallOptions, 'controlSchema'> = {}): Belongings {
  const schema = onlyControlSchema(options)
  const tables = ['tenant_entitlement', 'tenant_package', 'tenant_tool_override', 'tenant_resource']
  return { name: 'entitlements', tables: tables.map((name) => ({ schema, name, tenant: 'tenant' })) }
}
