import type { TenantKey } from '@org/core'
import { type AdminSession, withAdminSession } from '../admin/session.ts'
import type { Admin } from '../admin/transaction.ts'
import { type AdminClient, begin, withAdminClient } from '../archive/client.ts'
import { placeOf } from '../archive/place.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { whileNameIsLocked } from '../registry/locks.ts'
import { recordOf } from '../registry/registry.ts'

/** Runs one part of what is to be dropped in a transaction of its own, while that still is this off-boarding's to do. */
export type InTurn = <T>(fn: (admin: Admin) => Promise<T>) => Promise<T>

/**
 * One transaction of a tenant's administrative work, behind the same locks as `onTenant`'s, that the caller can abort until
 * COMMIT is sent.
 */
export async function tenantTransaction<T>(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  signal: AbortSignal | undefined,
  fn: (work: TenantWork) => Promise<T>,
): Promise<T> {
  const { adminPool, ofLevel, registry } = lifecycle
  const application = await prepare(lifecycle)
  const { lockName } = placeOf(lifecycle, tenant)
  const transaction = (session: AdminSession | undefined) => async (admin: AdminClient) => {
    await begin(admin, 'read committed read write')
    const status = (await recordOf(admin, registry, tenant))?.status ?? 'deleted'
    const result = await fn({ lifecycle, tenant, admin, session, application, status })
    await admin.run('commit')
    return result
  }
  if (!ofLevel.staged) return await withAdminClient(adminPool, transaction(undefined), signal)
  return await whileNameIsLocked(adminPool, registry, `staged:${lockName}`, () =>
    withAdminSession(adminPool, undefined, (session) =>
      withAdminClient(adminPool, transaction(session), signal),
    ),
  )
}
