import type { TenantKey } from '@org/core'
import type { PoolClientLike, PoolLike } from '../driver/types.ts'
import type { Isolation } from './isolation.ts'
import type { Naming } from './names.ts'
import { roleIsolation } from './role.ts'

/**
 * Levels `login` and `database`: scopes run on connections of the tenant's own login role, so that no SQL whatever
 * reaches another role. Level `database` differs only in where these connections lead.
 *
 * The gate is that of level `role`: taking one's own role is always allowed, and it fails when the credentials turn out
 * to be somebody else's; should they be the administrator's, the scope still has no more than the tenant's rights.
 */
export function loginIsolation(
  level: 'login' | 'database',
  application: PoolLike,
  connect: (tenant: TenantKey) => Promise<PoolClientLike>,
  naming: Naming,
  learn?: (tenant: TenantKey) => Promise<void>,
): Isolation {
  // Listeners are set on the pools behind it.
  const poolOf = (tenant: TenantKey): PoolLike => ({ connect: () => connect(tenant), on: () => {} })
  return { ...roleIsolation(application, naming, { ...(learn && { learn }) }), level, poolOf }
}
