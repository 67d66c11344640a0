import { randomBytes } from 'node:crypto'
import { withAdminPool } from '../../admin/session.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import { prepare } from '../../lifecycle/prepare.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../client.ts'
import { openArchive } from '../format/reader.ts'
import type { BackupSource } from '../format/source.ts'
import { actAsOwner, openForOwner } from '../place.ts'
import type { Visit } from '../visit.ts'
import { placeAt } from './aside.ts'
import { build } from './build.ts'
import { proveRows } from './fill-rows.ts'
import { isStructured, makeSchema, privilegesOf, putIn } from './put-in.ts'
import type { ArchiveRestoring } from './restoring.ts'

/**
 * Restores an archive of a tenant where the tenant is, beside it, with everything a restore does and compares, and rolls
 * that back: an archive for which this resolves comes back. It takes room for the tenant twice, and time as a restore does.
 *
 * @throws TenancyError as `restore` does
 */
export async function proveRestorable(visit: Visit, from: BackupSource): Promise<void> {
  const { lifecycle, place, signal, tenant } = visit
  const application = await prepare(lifecycle)
  const archive = await openArchive(from, signal)
  const restoring: ArchiveRestoring = {
    ...{ lifecycle, tenant, place, application, archive, signal },
    ...({ replace: true, reuse: true, verify: 'full' } as const),
  }
  const tryIt = (pool: Parameters<typeof withAdminClient>[0]) =>
    withAdminClient(pool, (home) => rehearse(home, restoring), signal)
  try {
    await withAdminPool(lifecycle.adminPool, place.database, tryIt)
  } finally {
    await archive.close()
  }
}

/** Leaves nothing behind; where a schema is built it ends without COMMIT. */
async function rehearse(home: AdminClient, restoring: ArchiveRestoring): Promise<void> {
  const { application, archive, lifecycle, place, tenant } = restoring
  await begin(home, 'read committed read write')
  await pinSettings(home)
  if (place.tenantColumn !== undefined) {
    await actAsOwner(home, place)
    await proveRows(home, restoring, archive)
    // Nothing of it is left but that its tables are gone (see there).
    await home.run('commit')
    return
  }
  const name = `_rehearsal_${randomBytes(12).toString('hex')}`
  if (isStructured(restoring)) {
    // The tenant is closed, and its room looks at every table of its role.
    await openForOwner(home, place)
    const beside = placeAt(place, name)
    await makeSchema(home, restoring, beside)
    await build(home, beside, archive, { verify: 'full', ...privilegesOf(restoring) })
    return
  }
  // Migrations find their schema by its name: in this transaction, the tenant's has another one.
  await home.run(`alter schema ${quoteIdentifier(place.schema)} rename to ${quoteIdentifier(name)}`)
  const work: TenantWork = {
    ...{ lifecycle, tenant, admin: home, session: undefined, application },
    status: 'deleting',
  }
  await putIn(home, home, restoring, work)
}
