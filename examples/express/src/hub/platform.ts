import { parseTenantKey, type TenantKey } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import type pg from 'pg'
import type { HubConfig } from '../config.ts'
import type { Governance } from './governance.ts'
import { type Invitation, invite } from './invitations.ts'

/** The tenant whose users are the operators: it alone is entitled to the package `platform`. */
export const PLATFORM = parseTenantKey('platform')

/** Beginners' plans; an operator changes them with `PUT /v1/plans/{planKey}`. */
const PLANS = `insert into rbac.plan (key, name, max_users, max_storage_gb, max_api_calls, features, price) values
    ('starter', 'Starter', 25, 5, 100000, '["api"]', 0),
    ('unlimited', 'Unlimited', null, null, null, '["api", "branding"]', null)
  on conflict (key) do nothing`
const PROFILE = `insert into hub.tenant_profile (key, name, onboarded_at) values ($1, 'Platform', now()) on conflict (key) do nothing`
const HAS_CREDENTIAL = 'select from user_credential where user_id = $1'

/** The package that makes operators. No other tenant is given it, or its users would be some. */
export const OPERATORS_PACKAGE = 'platform'

interface Parts {
  readonly config: HubConfig
  readonly control: pg.Pool
  readonly tenancy: Tenancy
  readonly governance: Governance
  readonly inTenant: <T>(tenant: TenantKey, fn: (db: TenantDb) => Promise<T>) => Promise<T>
}

/**
 * Makes the platform's tenant and its first operator, or finds them.
 *
 * @returns an invitation for the first operator, unless one was given out or accepted before
 */
export async function openPlatform({
  config,
  control,
  tenancy,
  governance,
  inTenant,
}: Parts): Promise<Invitation | undefined> {
  await tenancy.provision(PLATFORM)
  await control.query(PLANS)
  await control.query(PROFILE, [PLATFORM])
  const { store } = await governance.current()
  await store.setTenant(PLATFORM, { plan: 'unlimited' })
  return await inTenant(PLATFORM, async (db) => {
    const admin = { email: config.OPERATOR_EMAIL, name: 'Operator' }
    const { adminId } = await store.seed(db, { admin, package: OPERATORS_PACKAGE })
    const { rowCount } = await db.query(HAS_CREDENTIAL, [adminId])
    return rowCount === 0 && adminId !== null ? await invite(db, adminId) : undefined
  })
}
