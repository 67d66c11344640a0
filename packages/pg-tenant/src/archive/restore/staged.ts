import { withAdminPool } from '../../admin/session.ts'
import type { Admin } from '../../admin/transaction.ts'
import { ownNamesOf } from '../../isolation/names.ts'
import { runOnProvision } from '../../lifecycle/hook.ts'
import { furnishSchema } from '../../lifecycle/levels/in-schema.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import { standingOf } from '../../lifecycle/lifecycle.ts'
import { databaseExists } from '../../lifecycle/tenant-database.ts'
import { setUsage } from '../../lifecycle/tenant-schema.ts'
import { onTenant, type Stage } from '../../lifecycle/work.ts'
import { requireArriving } from '../../registry/arrival.ts'
import { lockTenant } from '../../registry/locks.ts'
import { isShut } from '../../registry/record.ts'
import { recordOf, register, registered, setStatus } from '../../registry/registry.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { throwIfAborted } from '../abort.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../client.ts'
import type { ArchiveEnd, OpenArchive } from '../format/reader.ts'
import { dropAside, moveAside } from './aside.ts'
import { putIn } from './put-in.ts'
import type { ArchiveRestoring, Restored, Restoring } from './restoring.ts'
import { closeMarker, conflict, isEmpty, refuseDeleting } from './vacancy.ts'

/**
 * What goes into a tenant's database, in one transaction of it; `commit` ends it.
 *
 * @param cutOff whether an earlier restore may have come as far as that COMMIT and no further
 */
export type FillHome = (
  home: AdminClient,
  work: TenantWork,
  cutOff: boolean,
  commit: () => Promise<void>,
) => Promise<Restored>

/**
 * A restore where a tenant has a database of its own, which cannot be made in a transaction: the registry says
 * `provisioning` first, the data comes in one transaction of that database, and then the registry says that it is there.
 * Whoever runs it again finishes it.
 */
export function restoreStaged(restoring: ArchiveRestoring): Promise<Restored> {
  return inStages(restoring, (home, work, cutOff, commit) => fillHome(home, work, cutOff, commit, restoring))
}

/** The stages around {@link FillHome}. What was made for it goes when it fails. */
export async function inStages(restoring: Restoring, fillIn: FillHome): Promise<Restored> {
  const { arrives, lifecycle, reuse, signal, tenant } = restoring
  const { level, ofLevel, registry } = lifecycle
  return await onTenant(lifecycle, tenant, async (stage) => {
    throwIfAborted(signal)
    let before: string | undefined
    const status = await stage(
      async (work) => {
        await ofLevel.ensureRoles(work)
        return work.status
      },
      async (admin) => {
        await lockTenant(admin, registry, tenant)
        await refuseDeleting(admin, lifecycle, tenant)
        before = (await recordOf(admin, registry, tenant))?.status
        const names = ownNamesOf(lifecycle.naming, tenant)
        const status = await register(admin, registry, tenant, level, {
          reuse,
          arrives: arrives !== undefined,
          names,
        })
        await requireOurArrival(admin, restoring, status)
        return status
      },
    )
    const progress = { committed: false }
    try {
      // By itself: what it changes of the database it would have to change again before this transaction has ended.
      await stage((work) => makeDatabase(restoring, work))
      return await stage((work) => fillAndRegister(restoring, work, fillIn, progress))
    } catch (error) {
      // Behind COMMIT somebody may have written already: then it is finished, not undone.
      if (status === 'provisioning' && !progress.committed)
        await undo(restoring, stage, before).catch(() => {})
      throw error
    }
  })
}

/** What a move brings; asked in each transaction. */
async function requireOurArrival(
  admin: Admin,
  { arrives, lifecycle, tenant }: Restoring,
  status: TenantWork['status'],
): Promise<void> {
  if (arrives !== undefined) await requireArriving(admin, lifecycle.registry, tenant, arrives, status)
}

async function makeDatabase(restoring: Restoring, work: TenantWork): Promise<void> {
  const { lifecycle, place } = restoring
  await requireOurArrival(work.admin, restoring, work.status)
  if (await databaseExists(work.admin, String(place.database))) return
  await lifecycle.ofLevel.furnish({ ...work, lifecycle: { ...lifecycle, migrations: [] } })
}

async function fillAndRegister(
  restoring: Restoring,
  work: TenantWork,
  fillIn: FillHome,
  progress: { committed: boolean },
): Promise<Restored> {
  const { lifecycle, place, signal, tenant } = restoring
  const { ofLevel, registry } = lifecycle
  const database = String(place.database)
  await work.admin.run('set local idle_in_transaction_session_timeout = 0')
  await requireOurArrival(work.admin, restoring, work.status)
  const restored = await withAdminPool(lifecycle.adminPool, database, (own) =>
    withAdminClient(
      own,
      (home) =>
        fillIn(home, work, work.status === 'provisioning', async () => {
          throwIfAborted(signal)
          progress.committed = true
          await home.run('commit')
        }),
      signal,
    ),
  )
  const { migrations, more } = await ofLevel.furnish(work)
  await runOnProvision(work)
  if (isShut(work.status)) await ofLevel.takeOutOfService(work)
  await registered(work.admin, registry, tenant, lifecycle.migrations.at(-1)?.id)
  return { ...restored, migrations: [...restored.migrations, ...migrations], ...(more && { more }) }
}

async function fillHome(
  home: AdminClient,
  work: TenantWork,
  cutOff: boolean,
  commit: () => Promise<void>,
  restoring: ArchiveRestoring,
): Promise<Restored> {
  const { place } = restoring
  await begin(home, 'read committed read write')
  await pinSettings(home)
  if (cutOff && (await noteOf(home, place.schema)) !== undefined) return await recognise(home, restoring)
  const aside = await moveAside(home, restoring)
  const role = String(place.owner)
  const { summary, sha256 } = await putIn(home, work.admin, restoring, work)
  await dropAside(home, aside, restoring)
  const { migrations } = await furnishSchema(work, home, role, role)
  await leaveNote(home, place.schema, sha256)
  if (isShut(work.status)) await setUsage(home, place.schema, [role], false)
  await commit()
  return { rows: summary.rows, sha256, migrations }
}

/** An earlier run came as far as COMMIT: the data is there, if it was of this archive. */
async function recognise(home: AdminClient, { archive, place, tenant }: ArchiveRestoring): Promise<Restored> {
  const { summary, sha256 } = await readToEnd(archive)
  if ((await noteOf(home, place.schema)) !== sha256) throw conflict(tenant, OTHER_ARCHIVE)
  return { rows: summary.rows, sha256, migrations: [] }
}

const OTHER_ARCHIVE =
  'A restore of another backup into this tenant was cut off when its data was there already. Run that one again to finish ' +
  'it, or drop the tenant.'

/** Checks every digest of an archive that is not loaded. */
async function readToEnd(archive: OpenArchive): Promise<ArchiveEnd> {
  const blocks = archive.blocks()
  for (;;) {
    const next = await blocks.next()
    if (next.done) return next.value
  }
}

const NOTE = 'pg_tenant restored '

/** What the schema was restored from: whoever finishes a restore that was cut off finds its own work by it. */
export async function leaveNote(home: AdminClient, schema: string, sha256: string): Promise<void> {
  await home.run(`comment on schema ${quoteIdentifier(schema)} is '${NOTE}${sha256}'`)
}

/** The SHA-256 of the backup that the schema was restored from. */
export async function noteOf(home: AdminClient, schema: string): Promise<string | undefined> {
  const [row] = await home.run(
    `select obj_description(oid, 'pg_namespace') as note from pg_namespace where nspname = $1`,
    [schema],
  )
  const note = String(row?.note ?? '')
  return note.startsWith(NOTE) ? note.slice(NOTE.length) : undefined
}

/**
 * The tenant was made for this restore: it goes with it, unless somebody has got something in. Fails silently: what stays
 * is `provisioning`, to be finished by another restore or removed by `drop`.
 */
export async function undo(restoring: Restoring, stage: Stage, before: string | undefined): Promise<void> {
  const { lifecycle, place, tenant } = restoring
  const { ofLevel, naming, registry } = lifecycle
  await stage(async (work) => {
    if (work.status !== 'provisioning' || !(await ofLevel.exists(work))) return
    if (place.database === undefined || (await databaseExists(work.admin, place.database))) {
      const vacant = await ofLevel.atHome(work, async (home) => {
        if ((await standingOf(home, naming, tenant)) === 'nothing') return true
        await closeMarker(home, place)
        return await isEmpty(home, place)
      })
      if (!vacant) return
    }
    await ofLevel.takeDown(work)
    if (before === undefined) {
      await work.admin.run(
        `delete from ${qualify(registry.controlSchema, 'tenant_migration')} where prefix = $1 and key = $2`,
        [registry.prefix, tenant],
      )
      await work.admin.run(
        `delete from ${qualify(registry.controlSchema, 'tenant')} where prefix = $1 and key = $2`,
        [registry.prefix, tenant],
      )
    } else if (before === 'deleted') await setStatus(work.admin, registry, tenant, 'deleted')
  })
}
