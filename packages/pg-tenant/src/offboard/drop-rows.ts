import { TenancyError, type TenantKey } from '@org/core'
import type { RowPlace } from '../isolation/row.ts'
import { deleteRows, findRows, planDrop } from '../lifecycle/levels/row/delete.ts'
import { actFor } from '../lifecycle/levels/row/lifecycle.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import type { InTurn } from './work.ts'

/** Rows deleted in one transaction at most; tables with circular foreign keys go whole. */
const BATCH = 10_000

/** Deletes a closed tenant's rows from the tables that tenants share, a batch in each transaction. */
export async function dropRows(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  row: RowPlace,
  inTurn: InTurn,
): Promise<void> {
  const acting: InTurn = (fn) =>
    inTurn(async (admin) => {
      await actFor(admin, { ...lifecycle, row }, tenant)
      return await fn(admin)
    })
  const steps = await acting((admin) => planDrop(admin, row))
  for (const step of steps) {
    for (let more = true; more; ) {
      more = await acting(async (admin) => {
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
