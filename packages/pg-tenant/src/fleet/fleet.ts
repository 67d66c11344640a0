import { TenancyError, type TenantKey } from '@org/core'
import { roleOf } from '../isolation/names.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'

/** What the fleet needs to know of a tenancy. */
export type Fleet = Pick<Lifecycle, 'level' | 'naming' | 'pool' | 'adminPool' | 'registry' | 'migrations'>

/** The role that owns a tenant's tables, or `undefined` at level `schema`, where the administrator does. */
export function ownerOf({ level, naming }: Fleet, tenant: TenantKey): string | undefined {
  return level === 'schema' ? undefined : roleOf(naming, tenant)
}

/** @throws TenancyError INVALID_OPTION at a level where tenants are not schemas of one database */
export function requireSchemas({ level }: Fleet): void {
  if (level === 'schema' || level === 'role' || level === 'login') return
  throw new TenancyError('INVALID_OPTION', `At level ${level} tenants are not schemas of one database.`, {
    details: { option: 'isolation' },
  })
}
