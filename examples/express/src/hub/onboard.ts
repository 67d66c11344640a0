import { parseTenantKey, TenancyError, type TenantKey } from '@org/core'
import type { Call } from '../http/endpoint.ts'
import { type Invitation, invite } from './invitations.ts'
import type { Hub } from './open-hub.ts'
import { keepLimits, requirePlan } from './plans.ts'
import { OPERATORS_PACKAGE } from './platform.ts'

const ONBOARDED = 'select from hub.tenant_profile where key = $1 and onboarded_at is not null'
const NAME = `insert into hub.tenant_profile (key, name) values ($1, $2)
  on conflict (key) do update set name = excluded.name, updated_at = now()`
const DONE = 'update hub.tenant_profile set onboarded_at = now(), updated_at = now() where key = $1'

export interface NewTenant {
  readonly slug: string
  readonly name: string
  readonly packageKey: string
  readonly plan: string
  readonly adminUser: { readonly email: string; readonly name: string }
}

export interface Onboarded {
  readonly tenant: TenantKey
  readonly adminId: string
  readonly invitation: Invitation
}

/**
 * Makes a tenant: schema and role, plan, first groups, administrator and package. Each step may be repeated, so that a
 * request that was cut off is completed by sending it again; only a tenant that is complete is a duplicate.
 *
 * @throws TenancyError INVALID_TENANT_KEY, DUPLICATE_RESOURCE, CONFLICT (the key was a tenant's before), VALIDATION_ERROR
 */
export async function onboard(
  hub: Hub,
  { slug, name, packageKey, plan, adminUser }: NewTenant,
  { announce, operate }: Pick<Call<unknown, unknown, unknown>, 'announce' | 'operate'>,
): Promise<Onboarded> {
  const tenant = parseTenantKey(slug)
  const { catalog } = await hub.governance.current()
  if (!Object.hasOwn(catalog.packages, packageKey) || packageKey === OPERATORS_PACKAGE) {
    throw new TenancyError('VALIDATION_ERROR', 'There is no such package.', {
      details: { field: 'body.packageKey' },
    })
  }
  await requirePlan(hub, plan, 'body.plan')
  return await hub.oneAtATime(`onboard ${tenant}`, async () => {
    if ((await hub.control.query(ONBOARDED, [tenant])).rowCount === 1) {
      throw new TenancyError('DUPLICATE_RESOURCE', 'There is a tenant of this slug.', {
        details: { field: 'slug' },
      })
    }
    await announce(tenant)
    // Refuses the key of a tenant that has left, before anything is kept of this one.
    await hub.tenancy.provision(tenant, { plan })
    return await operate(tenant, async (tx, trail) => {
      await tx.query(NAME, [tenant, name])
      const store = await hub.governance.within(tx)
      await store.setTenant(tenant, { plan })
      await keepLimits(hub, tx, [tenant])
      const { adminId, ...made } = await hub.inTenant(tenant, async (db) => {
        const seeded = await store.seed(db, { admin: adminUser, package: packageKey })
        const adminId = String(seeded.adminId)
        return { adminId, invitation: await invite(db, adminId) }
      })
      await hub.keeping.enrol(tx, [tenant])
      await tx.query(DONE, [tenant])
      trail.record({ after: { name, plan, packageKey } })
      trail.publish('tenant.created', { tenant, packageKey, adminId })
      trail.publish('tenant.provisioned', { tenant })
      return { ...made, tenant, adminId }
    })
  })
}
