import type { Admin } from '../../../admin/transaction.ts'
import { type RowLifecycle, requireBoundApplication } from './lifecycle.ts'
import { ensureRowPolicies } from './policies.ts'
import { viewPlaceOf } from './view-place.ts'
import { dropViews, ensureViewRoles, removeViews } from './views.ts'

/**
 * Changes the shared tables, in the transaction of `admin`, who holds {@link lockSharedSchema}: what `change` makes is under its
 * policy before anybody sees it.
 *
 * @param change takes the views out of its way by calling what it is given
 * @throws TenancyError INVALID_OPTION when what is there then does not keep tenants apart
 */
export async function changeShared<T>(
  admin: Admin,
  lifecycle: RowLifecycle,
  application: string,
  change: (clearTheWay: () => Promise<void>) => Promise<T>,
): Promise<T> {
  const { naming, row } = lifecycle
  const views = await viewPlaceOf(admin, naming, row)
  if (views) await ensureViewRoles(admin, row, views)
  else await removeViews(admin, naming, row)
  const changed = await change(async () => {
    if (views) await dropViews(admin, row, views)
  })
  await ensureRowPolicies(admin, row, application, views)
  // Once more: a migration may have given something away.
  await requireBoundApplication(admin, lifecycle, application)
  return changed
}
