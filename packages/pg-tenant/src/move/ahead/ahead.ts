import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { isTenancyError, TenancyError } from '@org/core'
import { runInRoom } from '../../admin/in-room.ts'
import { withAdminPool } from '../../admin/session.ts'
import { inAdminTransaction } from '../../admin/transaction.ts'
import { throwIfAborted } from '../../archive/abort.ts'
import { readSequences } from '../../archive/catalog.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../../archive/client.ts'
import { beginReading, describe } from '../../archive/describe.ts'
import type { ArchiveManifest } from '../../archive/format/manifest.ts'
import { actAsOwner, holdMarker, openForOwner, type Place, placeOf, roomOf } from '../../archive/place.ts'
import { digestTables } from '../../archive/read-tables.ts'
import { setSequences } from '../../archive/restore/build.ts'
import { verifyComputed, verifyData } from '../../archive/restore/verify.ts'
import { type Visit, visitTenant } from '../../archive/visit.ts'
import { configOf } from '../../driver/connection-config.ts'
import { fromDatabase } from '../../errors/from-database.ts'
import { isServerError } from '../../errors/server-error.ts'
import { whileTenantIsLocked } from '../../registry/locks.ts'
import type { TenantRecord } from '../../registry/record.ts'
import { qualify } from '../../sql/identifier.ts'
import { bringData } from '../arrive.ts'
import type { MoveSettings } from '../options.ts'
import { type Route, refused } from '../route.ts'
import { type Followed, publish, readFollowed, requireReplicable, unpublish } from './publication.ts'
import { inCopy, Replay } from './replay.ts'
import { SlotWaits, Wal } from './wal.ts'

/** What changes in the tenant from one instant on. */
export interface Changes {
  readonly wal: Wal
  readonly publication: string
  readonly tables: readonly Followed[]
}

/** A copy in the other cluster, out of service, that follows the tenant, which is in service. */
export interface Copy {
  /**
   * Brings what was still on its way, once the tenant is closed: changes, sequences, materialized views. What it is made of must be
   * what it was.
   *
   * @returns how many rows were sent ahead
   */
  complete(): Promise<number>
  /** Keeps how it is now in sight. */
  hold(): Promise<void>
  /**
   * Reads all of both, the copy as it was held, which may be in service by now.
   *
   * @throws TenancyError INTERNAL_ERROR where they differ
   */
  compare(): Promise<void>
}

/** Milliseconds within which the copy has to have caught up before the tenant is closed; tries to do so. */
const NEAR_MS = 250
const TRIES = 60

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
  const { name, tables } = await publish(route)
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
      return await fn({ wal, publication: name, tables })
    } finally {
      wal.close()
    }
  } finally {
    // A tenant's own database may be gone by now, and with it what was published there.
    await unpublish(route).catch(() => {})
  }
}

function waits({ tenant }: Route, waitedMs: number): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    `Replication begins when every transaction that has written in the server the tenant is to leave is over; one was not after ` +
      `${waitedMs} ms. Nothing was changed. Look at pg_stat_activity (backend_xid), or give the move a longer drain.`,
    { details: { tenant, waitedMs } },
  )
}

/** Sends a copy ahead while the tenant is in service, and runs `fn` with it when it has as good as caught up. */
export async function sendAhead<T>(
  route: Route,
  record: TenantRecord,
  settings: MoveSettings,
  changes: Changes,
  fn: (copy: Copy) => Promise<T>,
): Promise<T> {
  const { tenant, to } = route
  const { wal, publication } = changes
  const sent: { manifest?: ArchiveManifest } = {}
  const instant = {
    snapshot: wal.snapshot,
    describe: (manifest: ArchiveManifest) => {
      sent.manifest = manifest
    },
  }
  const rows = await bringData(route, record, settings, instant)
  wal.start(publication)
  const place = placeOf(to.lifecycle, tenant)
  return await withAdminPool(to.lifecycle.adminPool, place.database, (pool) =>
    withAdminClient(pool, async (home) => {
      const copy = new Following(route, changes, home, place, sent.manifest as ArchiveManifest, rows)
      try {
        await copy.approach(settings)
        return await fn(copy)
      } finally {
        await copy.end()
      }
    }),
  )
}

class Following implements Copy {
  readonly #route: Route
  readonly #wal: Wal
  readonly #slot: string
  readonly #home: AdminClient
  readonly #place: Place
  readonly #visit: Visit
  readonly #manifest: ArchiveManifest
  readonly #tables: readonly Followed[]
  readonly #rows: number
  readonly #replay: Replay
  readonly #running: Promise<void>
  /** Rejects when it follows no more. */
  readonly #over: Promise<never>

  constructor(
    route: Route,
    { wal, publication, tables }: Changes,
    home: AdminClient,
    place: Place,
    manifest: ArchiveManifest,
    rows: number,
  ) {
    const { from, tenant } = route
    this.#route = route
    this.#wal = wal
    this.#slot = publication
    this.#home = home
    this.#place = place
    this.#visit = { lifecycle: from.lifecycle, tenant, place: placeOf(from.lifecycle, tenant) }
    this.#manifest = manifest
    this.#tables = tables
    this.#rows = rows
    const columnsOf = new Map(
      manifest.tables.map((table) => [table.name, new Set(table.columns.map((column) => column.name))]),
    )
    const known = tables.map((table) => ({
      ...table,
      columns: columnsOf.get(table.name) ?? new Set<string>(),
    }))
    this.#replay = new Replay(home, place, wal, known, () => changed(route))
    this.#running = this.#replay.run()
    this.#over = this.#running.then(() => {
      throw changed(route)
    })
    this.#over.catch(() => {})
  }

  /** @throws TenancyError TIMEOUT */
  async approach({ patience: { signal }, tell }: MoveSettings): Promise<void> {
    for (let left = TRIES; ; left--) {
      const began = performance.now()
      await this.#catchUp()
      throwIfAborted(signal)
      if (performance.now() - began < NEAR_MS) break
      if (left === 0) throw behind(this.#route)
    }
    tell('ahead')
  }

  async complete(): Promise<number> {
    await this.#catchUp()
    await this.end()
    const { sequences, views } = await this.#rest()
    const [home, place] = [this.#home, this.#place]
    await inCopy(home, place, async () => {
      await setSequences(home, place, sequences)
      const refresh = views.map((name) => `refresh materialized view ${qualify(place.schema, name)}`)
      if (refresh.length > 0) await runInRoom(home, roomOf(place), [refresh])
    })
    return this.#rows
  }

  async hold(): Promise<void> {
    await begin(this.#home, 'repeatable read read write')
    await holdMarker(this.#home, this.#place)
    await pinSettings(this.#home)
  }

  async compare(): Promise<void> {
    const { to, tenant } = this.#route
    const { tables } = this.#manifest
    const summaries = await visitTenant(this.#visit, ['moved'], async (found) => {
      await beginReading(found, this.#visit.place)
      return await digestTables(found, this.#visit, tables)
    })
    const { adminPool, registry } = to.lifecycle
    await whileTenantIsLocked(adminPool, registry, tenant, 'share', async () => {
      await openForOwner(this.#home, this.#place)
      try {
        await verifyData(this.#home, this.#place, tables, summaries)
        await verifyComputed(this.#home, this.#place, tables, summaries)
      } catch (error) {
        throw isTenancyError(error, 'INTERNAL_ERROR') ? differs(this.#route, error) : error
      }
    })
    await this.#home.run('rollback')
    await this.#slotGone()
  }

  /** Stops following. */
  async end(): Promise<void> {
    this.#replay.stop()
    this.#wal.close()
    await this.#running.catch(() => {})
  }

  /** Everything that was committed before now is in the copy. */
  async #catchUp(): Promise<void> {
    const { adminPool } = this.#route.from.lifecycle
    const [row] = await inAdminTransaction(adminPool, async (admin) => {
      // What is not written to disk is not told.
      await admin.run('set local synchronous_commit = local')
      return await admin.run(MARK)
    })
    await Promise.race([this.#replay.reach(lsnOf(String(row?.lsn))), this.#over])
  }

  async #rest() {
    const { place } = this.#visit
    return await visitTenant(this.#visit, ['moving'], async (found) => {
      await beginReading(found, place)
      const { manifest: now, unmade } = await describe(found, this.#visit)
      if (shapeOf(now) !== shapeOf(this.#manifest)) throw changed(this.#route)
      const tables = await readFollowed(found.home, this.#route, place)
      if (!isDeepStrictEqual(tables, this.#tables)) throw changed(this.#route)
      await actAsOwner(found.home, place)
      const sequences = await readSequences(found.home, place)
      return { sequences: sequences.filter(({ name }) => !unmade.has(name)), views: now.materializedViews }
    })
  }

  /** A database with a slot in it cannot be dropped. */
  async #slotGone(): Promise<void> {
    const { adminPool } = this.#route.from.lifecycle
    for (let left = 500; left > 0; left--) {
      const look = 'select from pg_replication_slots where slot_name = $1'
      if ((await inAdminTransaction(adminPool, (admin) => admin.run(look, [this.#slot]))).length === 0) return
      await delay(20)
    }
  }
}

// What is behind it in the log was committed behind it.
const MARK = `select pg_logical_emit_message(true, 'pg_tenant', 'move')::text as lsn`

/** `16/B374D848` */
function lsnOf(text: string): bigint {
  const [high = '', low = ''] = text.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

/** All that a copy is made after. */
const shapeOf = ({ structure, tables, materializedViews, skipped, migrations }: ArchiveManifest) =>
  JSON.stringify([structure, tables, materializedViews, skipped, migrations.map(({ id }) => id)])

function changed(route: Route): TenancyError {
  return refused(
    route,
    'changed',
    'What the tenant is made of was changed (DDL) while a copy of it was sent ahead, or the copy does not take what was written. ' +
      'It is in service where it was; run it again.',
  )
}

function behind({ tenant }: Route): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    'The copy does not catch up with what is written. The tenant is in service where it was. Run it again when less is written, ' +
      'or leave copy: "replication" out.',
    { details: { tenant } },
  )
}

function differs({ tenant, to }: Route, { details }: TenancyError): TenancyError {
  return new TenancyError(
    'INTERNAL_ERROR',
    `The tenant has changed hands and is in service in ${to.name}, but this table is not there as it was. Nothing was taken ` +
      'down where it was, nor will be: compare the two, then run the move again with "difference" in lose.',
    { details: { ...details, tenant, placement: to.name } },
  )
}
