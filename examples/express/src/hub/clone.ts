import { PassThrough } from 'node:stream'
import { parseTenantKey, TenancyError, type TenantKey } from '@org/core'
import type { Call } from '../http/endpoint.ts'
import { type Invitation, invite } from './invitations.ts'
import type { Hub } from './open-hub.ts'
import { keepLimits } from './plans.ts'

const IS_KNOWN = 'select from hub.tenant_profile where key = $1 and onboarded_at is not null'
const NAME = `insert into hub.tenant_profile (key, name, onboarded_at) values ($1, $2, now())
  on conflict (key) do update set name = excluded.name, onboarded_at = now(), updated_at = now()`
const ENTITLED = `insert into rbac.tenant_entitlement (tenant, plan_key, limits, flags)
    select $2, plan_key, limits, flags from rbac.tenant_entitlement where tenant = $1
  on conflict (tenant) do nothing`
const PACKAGES = `insert into rbac.tenant_package (tenant, package_key, status, expires_at)
    select $2, package_key, status, expires_at from rbac.tenant_package where tenant = $1
  on conflict do nothing`

/** What would act outside of the copy, or open something, goes; what it is told from outside comes anew. */
const DISARM = [
  'delete from webhook_endpoint',
  'delete from webhook_message',
  'delete from idempotency_key',
  'delete from api_key',
  'delete from refresh_token',
  'delete from refresh_token_family',
  'delete from denied_jti',
  'delete from user_credential',
  `delete from app_settings where value like 'enc:%'`,
]
const EVERYBODY = 'select id from "user" where deleted_at is null or email !~ \'^erased-\''

export interface Cloned {
  readonly tenant: TenantKey
  readonly adminId: string
  readonly invitation: Invitation
}

/**
 * Copies a tenant under another key, from one moment, and takes out who its people are. What anybody could come in with goes
 * first. Cut off, the same request begins anew.
 *
 * @throws TenancyError DUPLICATE_RESOURCE, CONFLICT
 */
export async function cloneTenant(
  hub: Hub,
  source: TenantKey,
  {
    slug,
    name,
    adminUser,
  }: { readonly slug: string; readonly name: string; readonly adminUser: { email: string; name: string } },
  { announce, operate }: Pick<Call<unknown, unknown, unknown>, 'announce' | 'operate'>,
): Promise<Cloned> {
  const tenant = parseTenantKey(slug)
  return await hub.oneAtATime(`onboard ${tenant}`, async () => {
    if ((await hub.control.query(IS_KNOWN, [tenant])).rowCount === 1) throw taken()
    await announce(tenant)
    await copy(hub, source, tenant)
    await withoutPeople(hub, tenant)
    return await operate(tenant, async (tx, trail) => {
      await tx.query(ENTITLED, [source, tenant])
      await tx.query(PACKAGES, [source, tenant])
      await keepLimits(hub, tx, [tenant])
      const store = await hub.governance.within(tx)
      const made = await hub.inTenant(tenant, async (db) => {
        const adminId = String((await store.seed(db, { admin: adminUser })).adminId)
        return { adminId, invitation: await invite(db, adminId) }
      })
      await hub.keeping.enrol(tx, [tenant])
      await tx.query(NAME, [tenant, name])
      trail.record({ metadata: { cloneOf: source } })
      return { tenant, ...made }
    })
  })
}

/** From the source's snapshot into the copy, without a file between: no copy of people's data lies anywhere. */
async function copy({ tenancy }: Hub, source: TenantKey, tenant: TenantKey): Promise<void> {
  const found = await tenancy.find(tenant)
  if (found !== undefined && found.status !== 'active') throw taken()
  const pipe = new PassThrough()
  await Promise.all([
    tenancy.backup(source, { to: pipe }),
    tenancy.restore(tenant, { from: pipe, ...(found && { force: 'replace' as const }) }),
  ])
}

async function withoutPeople({ inTenant, people }: Hub, tenant: TenantKey): Promise<void> {
  const everybody = await inTenant(tenant, async (db) => {
    for (const statement of DISARM) await db.query(statement)
    return (await db.query<{ id: string }>(EVERYBODY)).rows
  })
  for (const { id } of everybody) await people().erase(tenant, id)
}

function taken(): TenancyError {
  return new TenancyError('DUPLICATE_RESOURCE', 'There is a tenant of this slug.', {
    details: { field: 'slug' },
  })
}
