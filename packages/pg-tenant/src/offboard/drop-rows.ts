import { TenancyError, type TenantKey } from '@org/core'
import type { RowPlace } from '../isolation/row.ts'
import { deleteRows, findRows, planDrop } from '../lifecycle/levels/row/delete.ts'
import { actFor } from '../lifecycle/levels/row/lifecycle.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { changedMeanwhile } from './changed.ts'
import { tenantTransaction } from './work.ts'

/** Rows deleted in one transaction at most; tables with circular foreign keys go whole. */
const BATCH = 10_000

/** Deletes a closed tenant's rows from the tables that tenants share, a batch in each transaction. */
export async function dropRows(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  row: RowPlace,
  signal: AbortSignal | undefined,
): Promise<void> {
  const inTurn = <T>(fn: Parameters<typeof tenantTransaction<T>>[3]) =>
    tenantTransaction(lifecycle, tenant, signal, async (work) => {
      if (work.status !== 'deleting') throw changedMeanwhile(tenant)
      await actFor(work.admin, { ...lifecycle, row }, tenant)
      return await fn(work)
    })
  const steps = await inTurn(({ admin }) => planDrop(admin, row))
  for (const step of steps) {
    for (let more = true; more; ) {
      more = await inTurn(async ({ admin }) => {
        const deleted = await deleteRows(admin, row, tenant, step, BATCH)
        return !step.whole && [...deleted.values()].some((count) => count === BATCH)
      })
    }
  }
}

/** Nothing is called gone that is not: somebody may have written past the entrance, or made a table. */
export async function requireNoRows(
  admin: Parameters<typeof findRows>[0],
  row: RowPlace,
  tenant: TenantKey,
): Promise<void> {
  const table = await findRows(admin, row, tenant)
  if (table === undefined) return
  throw new TenancyError('CONFLICT', 'Rows of the tenant came while it was off-boarded. Run it again.', {
    details: { table },
  })
}
