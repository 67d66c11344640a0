import { TenancyError, type TenantKey } from '@org/core'
import { schemaOf } from '../isolation/names.ts'
import { inAdminTransaction } from '../lifecycle/admin.ts'
import { type Lifecycle, lockTenant, memberOf } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { recordOf, setStatus } from './registry.ts'

/**
 * Takes the right to use its schema from the role a tenant's scopes run as: from COMMIT on no scope opens, in any
 * process, and no request pays for asking. See {@link Tenancy.suspend}.
 */
export function suspend(lifecycle: Lifecycle, tenant: TenantKey, reason: string | null): Promise<boolean> {
  return change(lifecycle, tenant, 'suspended', reason)
}

/** See {@link Tenancy.resume}. */
export function resume(lifecycle: Lifecycle, tenant: TenantKey): Promise<boolean> {
  return change(lifecycle, tenant, 'active', null)
}

async function change(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  to: 'active' | 'suspended',
  reason: string | null,
): Promise<boolean> {
  const application = await prepare(lifecycle)
  const schema = schemaOf(lifecycle.naming, tenant)
  return inAdminTransaction(lifecycle.adminPool, async (admin) => {
    await lockTenant(admin, schema)
    const record = await recordOf(admin, lifecycle.registry, tenant)
    if (record?.status === to) return false
    if (record?.status !== 'active' && record?.status !== 'suspended') throw notFound(tenant)
    const member = quoteIdentifier(memberOf(lifecycle, tenant, application))
    const home = quoteIdentifier(schema)
    await admin.run(
      to === 'active'
        ? `grant usage on schema ${home} to ${member}`
        : `revoke usage on schema ${home} from ${member}`,
    )
    await setStatus(admin, lifecycle.registry, tenant, to, reason)
    return true
  })
}

function notFound(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'TENANT_NOT_FOUND',
    'There is no such tenant in the registry, or it is being provisioned or dropped. Run provision(key) first.',
    { details: { tenant } },
  )
}
