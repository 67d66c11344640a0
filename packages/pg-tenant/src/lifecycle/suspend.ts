import type { TenantKey } from '@org/core'
import { requireSettled, setStatus } from '../registry/registry.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import type { Lifecycle } from './lifecycle.ts'
import { onTenant } from './work.ts'

/**
 * Takes the right to use its data from the role a tenant's scopes run as: from COMMIT on no scope opens, in any
 * process, and no request pays for asking. See {@link Tenancy.suspend}.
 */
export function suspend(lifecycle: Lifecycle, tenant: TenantKey, reason: string | null): Promise<boolean> {
  return change(lifecycle, tenant, 'suspended', reason)
}

/** See {@link Tenancy.resume}. */
export function resume(lifecycle: Lifecycle, tenant: TenantKey): Promise<boolean> {
  return change(lifecycle, tenant, 'active', null)
}

function change(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  to: 'active' | 'suspended',
  reason: string | null,
): Promise<boolean> {
  const { ofLevel, registry } = lifecycle
  return onTenant(lifecycle, tenant, (stage) =>
    stage(async (work) => {
      if (work.status === to) return false
      requireSettled(tenant, work.status)
      if (work.status !== 'active' && work.status !== 'suspended') throw tenantNotFound(tenant)
      if (to === 'active') await ofLevel.putBackIntoService(work)
      else await ofLevel.takeOutOfService(work)
      await setStatus(work.admin, registry, tenant, to, reason)
      return true
    }),
  )
}
