import { ownNamesOf } from '../../isolation/names.ts'
import { runOnProvision } from '../../lifecycle/hook.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import { requireArriving } from '../../registry/arrival.ts'
import { lockTenant } from '../../registry/locks.ts'
import { isShut } from '../../registry/record.ts'
import { register, registered } from '../../registry/registry.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../client.ts'
import { dropAside, moveAside } from './aside.ts'
import { fillRows } from './fill-rows.ts'
import { putIn } from './put-in.ts'
import type { ArchiveRestoring, Restored } from './restoring.ts'
import { makeRoomInRows, refuseDeleting } from './vacancy.ts'

/**
 * A restore in one transaction: until it commits nobody sees any of it, and a process killed at any moment leaves
 * nothing.
 */
export async function restoreAtOnce(restoring: ArchiveRestoring): Promise<Restored> {
  const { lifecycle, place, signal } = restoring
  // The shared schema is brought up to date first and by itself: its lock is everybody's.
  await lifecycle.ofLevel.migrateShared?.(lifecycle)
  const restore = place.tenantColumn === undefined ? intoSchema : intoRows
  return await withAdminClient(
    lifecycle.adminPool,
    async (admin) => {
      await begin(admin, 'read committed read write')
      await pinSettings(admin)
      await lockTenant(admin, lifecycle.registry, restoring.tenant)
      await refuseDeleting(admin, lifecycle, restoring.tenant)
      const restored = await restore(admin, restoring)
      await registered(admin, lifecycle.registry, restoring.tenant, lifecycle.migrations.at(-1)?.id)
      await admin.run('commit')
      return restored
    },
    signal,
  )
}

async function intoSchema(admin: AdminClient, restoring: ArchiveRestoring): Promise<Restored> {
  const { ofLevel } = restoring.lifecycle
  const aside = await moveAside(admin, restoring)
  const work = await begun(admin, restoring)
  await ofLevel.ensureRoles(work)
  const { summary, sha256 } = await putIn(admin, admin, restoring, work)
  await dropAside(admin, aside, restoring)
  const { migrations, more } = await ofLevel.furnish(work)
  await runOnProvision(work)
  if (isShut(work.status)) await ofLevel.takeOutOfService(work)
  return { rows: summary.rows, sha256, migrations, ...(more && { more }) }
}

async function intoRows(admin: AdminClient, restoring: ArchiveRestoring): Promise<Restored> {
  const { archive, lifecycle } = restoring
  const work = await begun(admin, restoring)
  await lifecycle.ofLevel.drain(work)
  await makeRoomInRows(admin, restoring, () => lifecycle.ofLevel.takeDown(work))
  const { summary, sha256 } = await fillRows(admin, restoring, archive)
  await runOnProvision(work)
  return { rows: summary.rows, sha256, migrations: [] }
}

async function begun(admin: AdminClient, restoring: ArchiveRestoring): Promise<TenantWork> {
  const { application, arrives, lifecycle, reuse, tenant } = restoring
  const status = await register(admin, lifecycle.registry, tenant, lifecycle.level, {
    reuse,
    arrives: arrives !== undefined,
    names: ownNamesOf(lifecycle.naming, tenant),
  })
  if (arrives !== undefined) await requireArriving(admin, lifecycle.registry, tenant, arrives, status)
  return { lifecycle, tenant, admin, session: undefined, application, status }
}
