import type { TenantKey } from '@org/core'
import type { TenantConnection } from '../credentials/connection.ts'
import { register, registered } from '../registry/registry.ts'
import type { Furnished } from './levels/level.ts'
import type { Lifecycle } from './lifecycle.ts'
import { onTenant } from './work.ts'

export interface ProvisionResult extends Furnished {
  /**
   * The tenant's own connection, at levels `login` and `database`, where a password was set now: the first time. It is
   * not shown again; `rotateCredentials` gives a new one.
   */
  readonly connection?: TenantConnection
}

/** Options of {@link Tenancy.provision}. */
export interface ProvisionOptions {
  /** The plan the tenant is on, a word of the application's; kept in the registry. */
  readonly plan?: string | undefined
  /** Which cluster holds it; kept in the registry (default `default`). */
  readonly placement?: string | undefined
  /** Whether the key of a dropped tenant may be given out again (default false). */
  readonly reuseDeletedKey?: boolean | undefined
}

/** See {@link Tenancy.provision}. */
export function provision(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ProvisionOptions = {},
): Promise<ProvisionResult> {
  const { level, ofLevel, registry, migrations } = lifecycle
  const { plan, placement, reuseDeletedKey: reuse = false } = options
  return onTenant(lifecycle, tenant, async (stage) => {
    const look = (admin: Parameters<typeof register>[0]) =>
      register(admin, registry, tenant, level, { plan, placement, reuse })
    const ahead = ofLevel.staged ? await stage((work) => ofLevel.ensureRoles(work), look) : undefined
    return await stage(async (work) => {
      const connection = ofLevel.staged ? ahead : await ofLevel.ensureRoles(work)
      const furnished = await ofLevel.furnish(work)
      if (work.status === 'suspended') await ofLevel.takeOutOfService(work)
      await registered(work.admin, registry, tenant, migrations.at(-1)?.id)
      return { ...furnished, ...(connection && { connection }) }
    }, look)
  })
}
