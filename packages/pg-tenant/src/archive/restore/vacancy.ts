import { SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import { readInRoom } from '../../admin/in-room.ts'
import type { Admin } from '../../admin/transaction.ts'
import { isServerError } from '../../errors/server-error.ts'
import { findRows } from '../../lifecycle/levels/row/delete.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { recordOf } from '../../registry/registry.ts'
import { qualify } from '../../sql/identifier.ts'
import { readTables } from '../catalog.ts'
import { pinSettings } from '../client.ts'
import { actAsOwner, openForOwner, type Place, roomOf } from '../place.ts'
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

/** Waits for running scopes, and lets no new one in until the transaction ends. */
export async function closeMarker(home: Admin, { marker }: Place): Promise<void> {
  await home.run(`lock table ${marker} in access exclusive mode`)
}

/** Asked in the tenant's room: a query over its tables is planned. */
export async function isEmpty(home: Admin, place: Place): Promise<boolean> {
  const tables = (await readTables(home, place)).filter(({ partitioned }) => !partitioned)
  if (tables.length === 0) return true
  await openForOwner(home, place)
  const asked = tables.map(({ name }) => `exists (select from only ${qualify(place.schema, name)})`)
  for (let from = 0; from < asked.length; from += AT_ONCE) {
    const query = `select ${asked.slice(from, from + AT_ONCE).join(' or ')}`
    // What cannot be looked into (it is another role's, or has policies that bind its owner) is not called empty.
    const filled = await readOrRefuse(home, place, query)
    if (filled) return false
  }
  return true
}

async function readOrRefuse(home: Admin, place: Place, query: string): Promise<boolean> {
  await home.run('savepoint look')
  try {
    const [row] = await readInRoom(home, roomOf(place), query, 'filled pg_catalog.bool')
    await pinSettings(home)
    return row?.filled === true
  } catch (error) {
    if (!isServerError(error) || error.code !== SQLSTATE.INSUFFICIENT_PRIVILEGE) throw error
    await home.run('rollback to savepoint look')
    return true
  }
}

/** Tables asked for in one query. */
const AT_ONCE = 200

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

export const NOT_EMPTY =
  "There is a tenant of that key and it has data. A restore never overwrites: choose another key, or say force: 'replace' " +
  'to drop what it has now.'
const DELETING = 'This tenant is being dropped. Finish that first.'

export function conflict(tenant: TenantKey, message: string, reason?: string): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { tenant, ...(reason && { reason }) } })
}
