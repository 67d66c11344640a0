import type { TenantKey } from '@org/core'
import { type AdminSession, withAdminSession } from '../admin/session.ts'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { schemaOf } from '../isolation/names.ts'
import type { TenantStatus } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import type { TenantWork } from './levels/level.ts'
import { type Lifecycle, lockTenant } from './lifecycle.ts'
import { prepare } from './prepare.ts'

/**
 * Runs one transaction of a tenant's administrative work. `look` takes the tenant's lock and finds out (or writes down)
 * its status first.
 */
export type Stage = <T>(fn: (work: TenantWork) => Promise<T>, look?: Look) => Promise<T>
type Look = (admin: Admin) => Promise<TenantStatus>

/**
 * Administrative work on one tenant: one at a time across processes. Where the level is staged, the whole of it, over
 * several transactions, is behind a lock of a session.
 */
export async function onTenant<T>(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  fn: (stage: Stage) => Promise<T>,
): Promise<T> {
  const { adminPool, naming, ofLevel } = lifecycle
  const application = await prepare(lifecycle)
  const schema = schemaOf(naming, tenant)
  const withSession = (session: AdminSession | undefined) =>
    fn((run, look = (admin) => statusOf(admin, lifecycle, tenant)) =>
      inAdminTransaction(adminPool, async (admin) => {
        const status = await look(admin)
        return run({ lifecycle, tenant, admin, session, application, status })
      }),
    )
  if (!ofLevel.staged) return await withSession(undefined)
  return await withAdminSession(adminPool, undefined, async (session) => {
    await session.run(`select pg_advisory_lock(hashtextextended('pg_tenant.staged:' || $1, 0))`, [schema])
    return await withSession(session)
  })
}

async function statusOf(
  admin: Admin,
  { naming, registry }: Lifecycle,
  tenant: TenantKey,
): Promise<TenantStatus> {
  await lockTenant(admin, schemaOf(naming, tenant))
  return (await recordOf(admin, registry, tenant))?.status ?? 'deleted'
}
