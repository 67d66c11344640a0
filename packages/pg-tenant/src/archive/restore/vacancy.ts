import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../../admin/transaction.ts'
import { findRows } from '../../lifecycle/levels/row/delete.ts'
import { type Lifecycle, standingOf } from '../../lifecycle/lifecycle.ts'
import { recordOf } from '../../registry/registry.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { readTables } from '../catalog.ts'
import { actAsOwner, openForOwner, type Place } from '../place.ts'
import type { Restoring } from './restoring.ts'

/** @throws TenancyError CONFLICT */
export async function refuseDeleting(
  admin: Admin,
  { registry }: Lifecycle,
  tenant: TenantKey,
): Promise<void> {
  const record = await recordOf(admin, registry, tenant)
  if (record?.status === 'deleting') throw conflict(tenant, DELETING)
}

/**
 * Makes sure that nothing is overwritten: the tenant's schema does not exist, or has no row, or may be replaced. What is
 * there and may go is dropped, in the transaction of the restore.
 *
 * @throws TenancyError CONFLICT, TIMEOUT when running scopes do not end in time
 */
export async function makeRoom(home: Admin, { lifecycle, place, replace, tenant }: Restoring): Promise<void> {
  if ((await standingOf(home, lifecycle.naming, tenant)) === 'nothing') return
  await closeMarker(home, place)
  if (!replace && !(await isEmpty(home, place))) throw conflict(tenant, NOT_EMPTY)
  await home.run(`drop schema ${quoteIdentifier(place.schema)} cascade`)
}

/** Waits for running scopes, and lets no new one in until the transaction ends. */
export async function closeMarker(home: Admin, { marker }: Place): Promise<void> {
  await home.run(`lock table ${marker} in access exclusive mode`)
}

export async function isEmpty(admin: Admin, place: Place): Promise<boolean> {
  const tables = await readTables(admin, place)
  if (tables.length === 0) return true
  await openForOwner(admin, place)
  await admin.run(`select set_config('role', $1, true)`, [place.owner ?? 'none'])
  let empty = true
  for (const { name } of tables) {
    const [row] = await admin.run(`select exists (select from ${qualify(place.schema, name)}) as filled`)
    if (row?.filled === true) empty = false
  }
  await admin.run('set local role none')
  return empty
}

/**
 * The same in tables that tenants share. No scope of the tenant is open, and none opens until the transaction ends.
 *
 * @throws TenancyError CONFLICT
 */
export async function makeRoomInRows(admin: Admin, restoring: Restoring, remove: () => Promise<void>) {
  const { lifecycle, place, replace, tenant } = restoring
  const { row } = lifecycle.ofLevel
  await actAsOwner(admin, place)
  if (!row || (await findRows(admin, row, tenant)) === undefined) return
  if (!replace) throw conflict(tenant, NOT_EMPTY)
  await remove()
  await actAsOwner(admin, place)
}

const NOT_EMPTY =
  "There is a tenant of that key and it has data. A restore never overwrites: choose another key, or say force: 'replace' " +
  'to drop what it has now.'
const DELETING = 'This tenant is being dropped. Finish that first.'

export function conflict(tenant: TenantKey, message: string, reason?: string): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { tenant, ...(reason && { reason }) } })
}
