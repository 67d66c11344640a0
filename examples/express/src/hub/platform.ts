import { parseTenantKey, type Queryable, type TenantKey } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import type { HubConfig } from '../config.ts'
import type { Governance } from './governance.ts'
import { type Invitation, invite } from './invitations.ts'

/** The tenant whose users are the operators: it alone is entitled to the package `platform`. */
export const PLATFORM = parseTenantKey('platform')

/** Who has PROVISION_ADMIN_KEY, and is nobody else. */
export const WHO_HAS_THE_KEY = { type: 'service', id: 'provision' } as const

/** Beginners' plans; an operator changes them with `PUT /v1/plans/{planKey}`. */
const PLANS = `insert into rbac.plan (key, name, max_users, max_storage_gb, max_api_calls, features, price) values
    ('starter', 'Starter', 25, 5, 100000, '["api"]', 0),
    ('unlimited', 'Unlimited', null, null, null, '["api", "branding"]', null)
  on conflict (key) do nothing`
const PROFILE = `insert into hub.tenant_profile (key, name, onboarded_at) values ($1, 'Platform', now()) on conflict (key) do nothing`
const SOMEBODY = 'select from "user" where deleted_at is null limit 1'
const WITHOUT_PASSWORD = `select u.id from "user" u left join user_credential c on c.user_id = u.id
  where lower(u.email) = lower($1) and u.deleted_at is null and c.password_hash is null`

/** The package that makes operators. No other tenant is given it, or its users would be some. */
export const OPERATORS_PACKAGE = 'platform'

interface Parts {
  readonly config: HubConfig
  readonly control: Queryable
  readonly tenancy: Tenancy
  readonly governance: Governance
  readonly inTenant: <T>(tenant: TenantKey, fn: (db: TenantDb) => Promise<T>) => Promise<T>
}

/** Makes the platform's tenant and its first operator, or finds them. */
export async function openPlatform({ config, control, tenancy, governance, inTenant }: Parts): Promise<void> {
  await tenancy.provision(PLATFORM)
  await control.query(PLANS)
  await control.query(PROFILE, [PLATFORM])
  const { store } = await governance.current()
  await store.setTenant(PLATFORM, { plan: 'unlimited' })
  const first = { email: config.OPERATOR_EMAIL, name: 'Operator' }
  await inTenant(PLATFORM, async (db) => {
    // Another address in the environment later makes no other operator, whom nobody would know of.
    const admin = (await db.query(SOMEBODY)).rowCount === 0 ? first : undefined
    await store.seed(db, { admin, package: OPERATORS_PACKAGE })
  })
}

/**
 * An invitation for the operator of `OPERATOR_EMAIL`, who has no password yet.
 *
 * @returns `undefined` when there is a password, or no such operator: another one then invites them
 */
export async function inviteOperator({ config, inTenant }: Pick<Parts, 'config' | 'inTenant'>) {
  return await inTenant(PLATFORM, async (db): Promise<Invitation | undefined> => {
    const { rows } = await db.query<{ id: string }>(WITHOUT_PASSWORD, [config.OPERATOR_EMAIL])
    return rows[0] && (await invite(db, rows[0].id))
  })
}
