import type { TenantKey } from '@org/core'
import type { PoolClientLike, PoolLike } from '../driver/types.ts'
import {
  type GateParts,
  gateForms,
  type LeaveFunction,
  STILL_DURABLE,
  searches,
  still,
  stillSearches,
} from './gate.ts'
import type { Isolation } from './isolation.ts'
import { type Naming, pinOf, roleOf, searchPathOf } from './names.ts'
import { type NamesSource, renewable } from './renewal.ts'

// $3 search path, $4 schema, $5 role.
const PARTS: GateParts = {
  count: 3,
  enters: [searches('$3')],
  role: '$5',
  holds: [still('current_user', '$5'), still('current_schema', '$4'), stillSearches('$3'), STILL_DURABLE],
}

/**
 * Level `role` (the default): a schema and a NOLOGIN role for each tenant. The scope runs as that role, so that
 * even a qualified name reaches nothing of another tenant.
 */
export function roleIsolation(
  pool: PoolLike,
  naming: Naming,
  source: NamesSource = {},
  leave?: LeaveFunction,
  distributed = false,
): Isolation {
  // Only of one node, so no scope is torn.
  const forms = gateForms(PARTS, leave)
  return {
    level: 'role',
    poolOf: () => pool,
    entranceOf: renewable(
      naming,
      source,
      (tenant) => roleOf(naming, tenant),
      (tenant, schema, role) => ({
        place: naming.schemaPrefix + tenant,
        gate: { forms, values: [searchPathOf(naming, tenant), schema, role] },
        ...pinOf(naming, tenant, distributed),
      }),
    ),
  }
}

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
  distributed = false,
): Isolation {
  // Listeners are set on the pools behind it.
  const poolOf = (tenant: TenantKey): PoolLike => ({ connect: () => connect(tenant), on: () => {} })
  return {
    ...roleIsolation(application, naming, { ...(learn && { learn }) }, undefined, distributed),
    level,
    poolOf,
  }
}
