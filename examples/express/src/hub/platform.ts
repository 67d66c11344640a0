import { parseTenantKey, type TenantKey } from '@org/core'
import type { Tenancy, TenantDb } from '@org/pg-tenant'
import type { HubConfig } from '../config.ts'
import type { Governance } from './governance.ts'
import { type Invitation, invite } from './invitations.ts'

/** The tenant whose users are the operators: it alone is entitled to the package `platform`. */
export const PLATFORM = parseTenantKey('platform')

const HAS_CREDENTIAL = 'select from user_credential where user_id = $1'

interface Parts {
  readonly config: HubConfig
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
  tenancy,
  governance,
  inTenant,
}: Parts): Promise<Invitation | undefined> {
  await tenancy.provision(PLATFORM)
  const { store } = await governance.current()
  return await inTenant(PLATFORM, async (db) => {
    const admin = { email: config.OPERATOR_EMAIL, name: 'Operator' }
    const { adminId } = await store.seed(db, { admin, package: 'platform' })
    const { rowCount } = await db.query(HAS_CREDENTIAL, [adminId])
    return rowCount === 0 && adminId !== null ? await invite(db, adminId) : undefined
  })
}
