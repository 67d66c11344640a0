import { isTenancyError, TenancyError } from '@org/core'
import { withAdminPool } from '../../admin/session.ts'
import { inAdminTransaction } from '../../admin/transaction.ts'
import { withAdminClient } from '../../archive/client.ts'
import type { ArchiveManifest } from '../../archive/format/manifest.ts'
import { placeOf } from '../../archive/place.ts'
import { configOf } from '../../driver/connection-config.ts'
import { fromDatabase } from '../../errors/from-database.ts'
import { isServerError } from '../../errors/server-error.ts'
import type { TenantRecord } from '../../registry/record.ts'
import { bringData } from '../arrive.ts'
import { stillClaimed } from '../claim.ts'
import type { MoveState } from '../ledger.ts'
import type { MoveSettings } from '../options.ts'
import { type Route, saidBy } from '../route.ts'
import { arrivalOf } from './arrival.ts'
import { type Copy, Following } from './following.ts'
import { type Published, publish, requireReplicable, unpublish } from './publication.ts'
import { SlotWaits, Wal } from './wal.ts'

/** What changes in the tenant from one instant on. */
export interface Changes extends Published {
  readonly wal: Wal
}

/**
 * Runs `fn` with the changes of a tenant, from before anything else of the move: a slot begins when every transaction of the server
 * that has written is over, the move's own as well. What is left of it, whatever becomes of this process, is an empty promise: a
 * publication, which the next move of the tenant drops.
 *
 * @throws TenancyError CONFLICT (`details.reason` `replication`), TIMEOUT
 */
export async function withChanges<T>(
  route: Route,
  { patience: { drainMs } }: MoveSettings,
  fn: (changes: Changes) => Promise<T>,
): Promise<T> {
  const { adminPool } = route.from.lifecycle
  await requireReplicable(route)
  const { database } = placeOf(route.from.lifecycle, route.tenant)
  const config = await configOf(adminPool, 'adminPool')
  const published = await publish(route)
  const { name } = published
  try {
    const wal = await Wal.open({ ...config, database: database ?? config.database }, name, drainMs).catch(
      (error: unknown) => {
        throw error instanceof SlotWaits
          ? waits(route, drainMs)
          : isServerError(error)
            ? fromDatabase(error)
            : error
      },
    )
    try {
      return await fn({ ...published, wal })
    } finally {
      wal.close()
    }
  } finally {
    // Its own alone: somebody else may be moving the tenant. Its own database may be gone by now, and with it what was published there.
    await unpublish(route, { only: name }).catch(() => {})
  }
}

function waits({ tenant }: Route, waitedMs: number): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    `Replication begins when every transaction that has written in the server the tenant is to leave is over; one was not after ` +
      `${waitedMs} ms. Nothing was changed. Look at pg_stat_activity (backend_xid) and pg_prepared_xacts, or give the move a longer drain.`,
    { details: { tenant, waitedMs } },
  )
}

/**
 * Sends a copy ahead while the tenant is in service, and runs `fn` with it when it has as good as caught up.
 *
 * @throws TenancyError CONNECTION_LOST (`details.reason` `log`) as soon as the changes are told no more
 */
export async function sendAhead<T>(
  ...[route, record, settings, changes, state, fn]: Parameters<typeof follow<T>>
): Promise<T> {
  const { lost } = changes.wal
  const { patience } = settings
  const signal = AbortSignal.any([lost, ...(patience.signal ? [patience.signal] : [])])
  try {
    return await follow(route, record, { ...settings, patience: { ...patience, signal } }, changes, state, fn)
  } catch (error) {
    const isItsEnd = isTenancyError(error, 'CONNECTION_LOST') || isTenancyError(error, 'ABORTED')
    throw lost.aborted && !patience.signal?.aborted && isItsEnd ? await untold(route, error) : error
  }
}

/** @param error what was said where that server does not answer any more */
async function untold({ from, tenant }: Route, error: unknown): Promise<unknown> {
  const asked = inAdminTransaction(from.lifecycle.adminPool, (admin) =>
    admin.run(`select current_setting('max_slot_wal_keep_size') as keep`),
  )
  const keep = await asked.then(
    ([row]) => String(row?.keep),
    () => undefined,
  )
  if (keep === undefined) return saidBy(from, error)
  const bound =
    keep === '-1'
      ? ''
      : ` It keeps ${keep} of its log for that (max_slot_wal_keep_size): raise it where more is written meanwhile.`
  return new TenancyError(
    'CONNECTION_LOST',
    `${from.name} has stopped to tell what changes in the tenant while a copy of it was on its way.${bound} The tenant is in service ` +
      'where it was; run it again when less is written, or leave copy: "replication" out.',
    { details: { tenant, reason: 'log', placement: from.name } },
  )
}

async function follow<T>(
  route: Route,
  record: TenantRecord,
  settings: MoveSettings,
  changes: Changes,
  state: MoveState,
  fn: (copy: Copy) => Promise<T>,
): Promise<T> {
  const { tenant, to } = route
  const { wal, name } = changes
  const sent: { manifest?: ArchiveManifest } = {}
  const instant = {
    snapshot: wal.snapshot,
    describe: (manifest: ArchiveManifest) => {
      sent.manifest = manifest
    },
  }
  const rows = await bringData(route, record, settings, state, instant)
  wal.start(name)
  const { database } = placeOf(to.lifecycle, tenant)
  return await withAdminPool(to.lifecycle.adminPool, database, (pool) =>
    withAdminClient(pool, async (home) => {
      const arrival = await arrivalOf(home, placeOf(to.lifecycle, tenant))
      // guard: behind that look, or it may be the copy of who has gone on
      await stillClaimed(route, state)
      const copy = new Following(route, changes, {
        ...arrival,
        manifest: sent.manifest as ArchiveManifest,
        rows,
      })
      try {
        await copy.approach(settings)
        return await fn(copy)
      } finally {
        await copy.end()
      }
    }),
  )
}
