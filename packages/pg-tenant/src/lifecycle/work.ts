import type { TenantKey } from '@org/core'
import { type AdminSession, withAdminSession } from '../admin/session.ts'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { whileNameIsLocked } from '../registry/locks.ts'
import type { TenantStatus } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import type { TenantWork } from './levels/level.ts'
import type { Lifecycle } from './lifecycle.ts'
import { prepare } from './prepare.ts'

/**
 * Runs one transaction of a tenant's administrative work. `look` takes the tenant's lock and finds out (or writes down)
 * its status first.
 */
export type Stage = <T>(fn: (work: TenantWork) => Promise<T>, look?: Look) => Promise<T>
type Look = (admin: Admin) => Promise<TenantStatus>

/**
 * Administrative work on one tenant: one at a time across processes. Where the level is staged, the whole of it, over
 * several transactions, is behind a lock that another connection holds.
 */
export async function onTenant<T>(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  fn: (stage: Stage) => Promise<T>,
): Promise<T> {
  const { adminPool, naming, ofLevel, registry } = lifecycle
  const application = await prepare(lifecycle)
  const withSession = (session: AdminSession | undefined) =>
    fn((run, look = (admin) => statusOf(admin, lifecycle, tenant)) =>
      inAdminTransaction(adminPool, async (admin) => {
        const status = await look(admin)
        return run({ lifecycle, tenant, admin, session, application, status })
      }),
    )
  if (!ofLevel.staged) return await withSession(undefined)
  const staged = `staged:${naming.schemaPrefix}${tenant}`
  return await whileNameIsLocked(adminPool, registry, staged, () =>
    withAdminSession(adminPool, undefined, withSession),
  )
}

async function statusOf(
  admin: Admin,
  { registry }: Pick<Lifecycle, 'registry'>,
  tenant: TenantKey,
): Promise<TenantStatus> {
  return (await recordOf(admin, registry, tenant))?.status ?? 'deleted'
}
