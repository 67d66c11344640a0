import { createHash } from 'node:crypto'
import { type Admin, inAdminTransaction } from '../../../admin/transaction.ts'
import type { Applied } from '../../apply-migrations.ts'
import { prepare } from '../../prepare.ts'
import { ensureEntrance, isUpToDate } from './entrance.ts'
import { lockSharedSchema, type RowLifecycle, requireBoundApplication } from './lifecycle.ts'
import { applyRowMigrations } from './migrations.ts'
import { ensureRowPolicies } from './policies.ts'
import { viewPlaceOf } from './view-place.ts'
import { dropViews, ensureViewRoles, removeViews } from './views.ts'

/**
 * What all tenants of level `row` share: shared schema, entrance, migrations, policies. In the transaction of `admin`, one
 * at a time across processes: what a migration adds is under its policy before anybody sees it.
 *
 * @param repair whether to look at everything although the shared schema says that this release has been here
 * @returns the ids of the migrations applied now
 * @throws TenancyError INVALID_OPTION when the application's role or the shared schema does not keep tenants apart;
 *   CONFLICT, STATEMENT_REFUSED
 */
export async function ensureShared(
  admin: Admin,
  lifecycle: RowLifecycle,
  application: string,
  repair: boolean,
): Promise<Applied> {
  const { naming, row } = lifecycle
  const release = fingerprint(lifecycle, application)
  if (!repair && (await isUpToDate(admin, lifecycle, release))) return { migrations: [] }
  await lockSharedSchema(admin, lifecycle)
  await requireBoundApplication(admin, lifecycle, application)
  await ensureEntrance(admin, lifecycle, application, release)
  const views = await viewPlaceOf(admin, naming, row)
  if (views) await ensureViewRoles(admin, row, views)
  else await removeViews(admin, naming, row)
  const applied = await applyRowMigrations(admin, lifecycle, async () => {
    if (views) await dropViews(admin, row, views)
  })
  await ensureRowPolicies(admin, row, application, views)
  // Once more: a migration may have given something away.
  await requireBoundApplication(admin, lifecycle, application)
  // Who looks before the rest is there must not take it for whole.
  if (applied.more) await ensureEntrance(admin, lifecycle, application, `${release} in part`)
  return applied
}

/**
 * Brings the shared schema up to date, in one transaction (or several, where a migration must be committed before the next): what migrating a fleet is at level `row`, whose tenants have
 * one schema together.
 *
 * @returns the ids of the migrations applied now
 * @throws TenancyError as {@link ensureShared}; CONNECTION_LOST, DATABASE_ERROR, TIMEOUT
 */
export async function migrateRow(lifecycle: RowLifecycle): Promise<string[]> {
  const application = await prepare(lifecycle)
  const ids: string[] = []
  for (;;) {
    const { migrations, more } = await inAdminTransaction(lifecycle.adminPool, (admin) =>
      ensureShared(admin, lifecycle, application, true),
    )
    ids.push(...migrations)
    if (!more) return ids
  }
}

function fingerprint({ migrations, naming, row }: RowLifecycle, application: string): string {
  const parts: unknown[] = [application, row, migrations.map(({ id, checksum }) => [id, checksum])]
  // Views are made for roles of that prefix.
  if (row.views !== undefined) parts.push(naming.rolePrefix)
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
