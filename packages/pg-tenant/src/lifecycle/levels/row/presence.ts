import { SQLSTATE, TenancyError } from '@org/core'
import type { Admin } from '../../../admin/transaction.ts'
import { lockTenantText } from '../../../registry/locks.ts'
import type { TenantWork } from '../level.ts'
import { checkEntrance } from './entrance.ts'
import type { RowLifecycle } from './lifecycle.ts'

/** The key of the lock that scopes of a tenant hold, where they have it: who is there (entrance.ts). $1 prefix, $2 tenant. */
const PRESENCE = `select hashtextextended(concat('pg_tenant.row:', $1::text, ':', $2::text), 0)::text as id`

/** @returns its number */
export async function presenceOf(
  admin: Admin,
  { lifecycle: { registry }, tenant }: Pick<TenantWork, 'lifecycle' | 'tenant'>,
): Promise<string> {
  const [row] = await admin.run(PRESENCE, [registry.prefix, tenant])
  return String(row?.id)
}

/**
 * Waits until no scope of the tenant is open, for as long as an administrator waits for a lock; then shuts the tenant out. Who has
 * the lock of presence longer is no reason to stay: anybody can take it.
 */
export async function waitForScopes(work: TenantWork, lifecycle: RowLifecycle): Promise<void> {
  const lock = `select pg_advisory_xact_lock(${await presenceOf(work.admin, work)})`
  await shutOut(work, lifecycle, await work.admin.attempt([SQLSTATE.LOCK_NOT_AVAILABLE], lock))
}

/**
 * Until the transaction ends nothing that a scope of the tenant wrote is committed. Waits for those whose COMMIT is under way.
 *
 * @param present whether the lock of presence could be had: then no scope is open
 * @throws TenancyError TIMEOUT when it could not, and the shared schema has an entrance of an earlier release, whose scopes lock no row
 */
export async function shutOut(
  { admin, application, lifecycle: { registry }, tenant }: TenantWork,
  lifecycle: RowLifecycle,
  present: boolean,
): Promise<void> {
  await admin.run(lockTenantText(registry, 'update'), [registry.prefix, tenant])
  if (present || (await checkEntrance(admin, lifecycle, application)).length === 0) return
  const message =
    'Scopes of this tenant did not end, and the function that they enter by is not the one of this release. Nothing was changed; ' +
    'run migrate() first.'
  throw new TenancyError('TIMEOUT', message, { details: { tenant } })
}
