import { createHash } from 'node:crypto'
import { type Admin, inAdminTransaction } from '../../../admin/transaction.ts'
import { prepare } from '../../prepare.ts'
import { changeShared } from './change.ts'
import { ensureEntrance, isUpToDate } from './entrance.ts'
import {
  BRIEFLY,
  lockSharedSchema,
  type RowLifecycle,
  requireBoundApplication,
  whenFree,
} from './lifecycle.ts'
import { type AppliedRows, applyRowMigrations } from './migrations.ts'
import { migrateRowsOutsideTransaction } from './outside-transaction.ts'

/**
 * What all tenants of level `row` share: shared schema, entrance, migrations, policies. In the transaction of `admin`, one
 * at a time across processes: what a migration adds is under its policy before anybody sees it.
 *
 * @param repair whether to look at everything although the shared schema says that this release has been here
 * @param patience milliseconds to wait for who does the same (default 10,000)
 * @returns the ids of the migrations applied now
 * @throws TenancyError INVALID_OPTION when the application's role or the shared schema does not keep tenants apart;
 *   CONFLICT, STATEMENT_REFUSED
 */
export async function ensureShared(
  admin: Admin,
  lifecycle: RowLifecycle,
  application: string,
  repair: boolean,
  patience?: number,
): Promise<AppliedRows> {
  const release = fingerprint(lifecycle, application)
  if (!repair && (await isUpToDate(admin, lifecycle, release))) return { migrations: [] }
  await lockSharedSchema(admin, lifecycle, patience)
  await requireBoundApplication(admin, lifecycle, application)
  await ensureEntrance(admin, lifecycle, application, release)
  const applied = await changeShared(admin, lifecycle, application, (clearTheWay) =>
    applyRowMigrations(admin, lifecycle, clearTheWay),
  )
  // Who looks before the rest is there must not take it for whole.
  if (applied.more) await ensureEntrance(admin, lifecycle, application, `${release} in part`)
  return applied
}

/**
 * Brings the shared schema up to date, in one transaction (or several, where a migration must be committed before the next, or
 * none): what migrating a fleet is at level `row`, whose tenants have one schema together.
 *
 * @returns the ids of the migrations applied now
 * @throws TenancyError as {@link ensureShared}; CONNECTION_LOST, DATABASE_ERROR, TIMEOUT
 */
export async function migrateRow(lifecycle: RowLifecycle): Promise<string[]> {
  const application = await prepare(lifecycle)
  const ids: string[] = []
  for (;;) {
    const { outside, migrations, more } = await whenFree(() =>
      inAdminTransaction(lifecycle.adminPool, (admin) =>
        ensureShared(admin, lifecycle, application, true, BRIEFLY),
      ),
    )
    ids.push(...migrations)
    if (outside && (await migrateRowsOutsideTransaction(lifecycle, application, outside)))
      ids.push(outside.id)
    if (!more) return ids
  }
}

function fingerprint({ migrations, naming, row }: RowLifecycle, application: string): string {
  const parts: unknown[] = [application, row, migrations.map(({ id, checksum }) => [id, checksum])]
  // Views are made for roles of that prefix.
  if (row.views !== undefined) parts.push(naming.rolePrefix)
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
