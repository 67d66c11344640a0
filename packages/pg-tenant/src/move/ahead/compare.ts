import { isTenancyError, TenancyError } from '@org/core'
import { withAdminPool } from '../../admin/session.ts'
import { inAdminTransaction } from '../../admin/transaction.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../../archive/client.ts'
import { beginReading, describe } from '../../archive/describe.ts'
import { holdMarker, openForOwner, placeOf } from '../../archive/place.ts'
import { digestTables, isUnchanged } from '../../archive/read-tables.ts'
import { verifyComputed, verifyData } from '../../archive/restore/verify.ts'
import { visitTenant } from '../../archive/visit.ts'
import { whileTenantIsLocked } from '../../registry/locks.ts'
import { recordOf } from '../../registry/registry.ts'
import { type Route, refused } from '../route.ts'

/** How a copy that was sent ahead was at one instant. */
export interface Sight {
  /** Whether that is the instant it was opened: what has come to it since is not in sight. */
  readonly exact: boolean
}

/** Runs `fn` with a connection to the database that holds the copy. */
export function atCopy<T>({ tenant, to }: Route, fn: (home: AdminClient) => Promise<T>): Promise<T> {
  const { lifecycle } = to
  return withAdminPool(lifecycle.adminPool, placeOf(lifecycle, tenant).database, (pool) =>
    withAdminClient(pool, fn),
  )
}

/** Keeps how the copy is now in sight, in a transaction on `home`. */
export async function keepInSight({ tenant, to }: Route, home: AdminClient): Promise<Sight> {
  const { adminPool, registry } = to.lifecycle
  await begin(home, 'repeatable read read write')
  await holdMarker(home, placeOf(to.lifecycle, tenant))
  await pinSettings(home)
  // Behind the snapshot: another process may be opening it.
  const record = await inAdminTransaction(adminPool, (admin) => recordOf(admin, registry, tenant))
  return { exact: record?.status === 'arriving' }
}

/**
 * Reads all of where the tenant came from and all of the copy as it was kept in sight.
 *
 * @throws TenancyError INTERNAL_ERROR where they differ; CONFLICT (`details.reason` `uncompared`) where that does not say anything
 */
export async function compare(route: Route, home: AdminClient, { exact }: Sight): Promise<void> {
  const { from, tenant, to } = route
  const visit = { lifecycle: from.lifecycle, tenant, place: placeOf(from.lifecycle, tenant) }
  const { tables, summaries } = await visitTenant(visit, ['moved'], async (found) => {
    await beginReading(found, visit.place)
    const { tables } = (await describe(found, visit)).manifest
    return { tables, summaries: await digestTables(found, visit, tables) }
  })
  const { adminPool, registry } = to.lifecycle
  const place = placeOf(to.lifecycle, tenant)
  await whileTenantIsLocked(adminPool, registry, tenant, 'share', async () => {
    await openForOwner(home, place)
    try {
      await verifyData(home, place, tables, summaries)
      await verifyComputed(home, place, tables, summaries)
    } catch (error) {
      if (!isTenancyError(error, 'INTERNAL_ERROR')) throw error
      // guard: TRUNCATE, and ALTER TABLE that writes rows anew, leave nothing of what was in sight
      const kept = await isUnchanged(home, place, String(error.details.table))
      throw exact && kept ? differs(route, error) : uncompared(route)
    }
  })
  await home.run('rollback')
}

function differs({ tenant, to }: Route, { details }: TenancyError): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    `The tenant has changed hands and is in service in ${to.name}, but this table is not there as it was. Nothing was taken ` +
      'down where it was, nor will be: compare the two, then run the move again with "difference" in lose.',
    { details: { ...details, tenant, placement: to.name } },
  )
}

function uncompared(route: Route): TenancyError {
  return refused(
    route,
    'uncompared',
    `The tenant has changed hands and is in service in ${route.to.name}. It could not be compared to the end with what it was here: ` +
      'the process that moved it has ended, or a table was truncated or rewritten, and it has been written to since. Nothing was taken ' +
      'down here, nor will be: compare the two, then run the move again with "uncompared" in lose.',
  )
}
