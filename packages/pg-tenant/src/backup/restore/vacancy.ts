import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../../lifecycle/admin.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { standingOf } from '../../lifecycle/lifecycle.ts'
import { recordOf } from '../../registry/registry.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { readTables } from '../catalog.ts'
import { openForOwner, type Place } from '../place.ts'

/**
 * Makes sure that nothing is overwritten: the tenant does not exist, or has no row, or may be replaced. What is there
 * and may go is dropped, in the transaction of the restore.
 *
 * @throws TenancyError CONFLICT, TIMEOUT when running scopes do not end in time
 */
export async function makeRoom(
  admin: Admin,
  { naming, registry }: Lifecycle,
  tenant: TenantKey,
  place: Place,
  replace: boolean,
): Promise<void> {
  const record = await recordOf(admin, registry, tenant)
  if (record?.status === 'deleting') throw conflict(tenant, DELETING)
  if ((await standingOf(admin, naming, tenant)) === 'nothing') return
  // Waits for running scopes, and lets no new one in until the restore is there or undone.
  await admin.run(`lock table ${qualify(place.schema, naming.marker)} in access exclusive mode`)
  if (!replace && !(await isEmpty(admin, place))) throw conflict(tenant, NOT_EMPTY)
  await admin.run(`drop schema ${quoteIdentifier(place.schema)} cascade`)
}

async function isEmpty(admin: Admin, place: Place): Promise<boolean> {
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

const NOT_EMPTY =
  "There is a tenant of that key and it has data. A restore never overwrites: choose another key, or say force: 'replace' " +
  'to drop what it has now.'
const DELETING = 'This tenant is being dropped. Finish that first.'

function conflict(tenant: TenantKey, message: string): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { tenant } })
}
