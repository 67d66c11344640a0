import type { TenantKey } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'

/** What the fleet needs to know of a tenancy. */
export type Fleet = Pick<
  Lifecycle,
  'level' | 'ofLevel' | 'naming' | 'pool' | 'adminPool' | 'registry' | 'migrations' | 'allowSchemas'
>

/** The role that owns a tenant's tables, or `undefined` where the administrator does. */
export function ownerOf(fleet: Fleet, tenant: TenantKey): string | undefined {
  return fleet.ofLevel.ownerOf(fleet, tenant)
}

/** The tenant's own database, or `undefined` where it is in that of the registry. */
export function databaseOf(fleet: Fleet, tenant: TenantKey): string | undefined {
  return fleet.ofLevel.databaseOf?.(fleet, tenant)
}
