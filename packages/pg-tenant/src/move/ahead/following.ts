import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { TenancyError } from '@org/core'
import { runInRoom } from '../../admin/in-room.ts'
import { inAdminTransaction } from '../../admin/transaction.ts'
import { throwIfAborted } from '../../archive/abort.ts'
import { readSequences } from '../../archive/catalog.ts'
import { beginReading, describe } from '../../archive/describe.ts'
import type { ArchiveManifest } from '../../archive/format/manifest.ts'
import { actAsOwner, placeOf, roomOf } from '../../archive/place.ts'
import { setSequences } from '../../archive/restore/build.ts'
import { visitTenant } from '../../archive/visit.ts'
import { qualify } from '../../sql/identifier.ts'
import type { MoveSettings } from '../options.ts'
import { type Route, refused } from '../route.ts'
import { type Arrival, inArrival } from './arrival.ts'
import { type Published, readFollowed, requirePublished } from './publication.ts'
import { Replay } from './replay.ts'
import type { Wal } from './wal.ts'

/** A copy in the other cluster, out of service, that follows the tenant, which is in service. */
export interface Copy {
  /**
   * Brings what was still on its way, once the tenant is closed: changes, sequences, materialized views. What it is made of must be
   * what it was.
   *
   * @returns how many rows were sent ahead
   */
  complete(): Promise<number>
  /** Resolves when nothing of it is left in the server it follows. */
  gone(): Promise<void>
}

/** What was sent ahead. */
interface Sent extends Arrival {
  readonly manifest: ArchiveManifest
  readonly rows: number
}

/** Milliseconds within which the copy has to have caught up before the tenant is closed; tries to do so. */
const NEAR_MS = 250
const TRIES = 60

export class Following implements Copy {
  readonly #route: Route
  readonly #wal: Wal
  readonly #published: Published
  readonly #sent: Sent
  readonly #replay: Replay
  readonly #running: Promise<void>
  /** Rejects when it follows no more. */
  readonly #over: Promise<never>

  constructor(route: Route, { wal, ...published }: Published & { readonly wal: Wal }, sent: Sent) {
    this.#route = route
    this.#wal = wal
    this.#published = published
    this.#sent = sent
    const columnsOf = new Map(
      sent.manifest.tables.map((table) => [table.name, new Set(table.columns.map((column) => column.name))]),
    )
    const known = published.tables.map((table) => ({
      ...table,
      columns: columnsOf.get(table.name) ?? new Set<string>(),
    }))
    this.#replay = new Replay(sent, wal, known, () => changed(route))
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
    const { home, place, rows } = this.#sent
    await inArrival(this.#sent, async () => {
      await setSequences(home, place, sequences)
      const refresh = views.map((name) => `refresh materialized view ${qualify(place.schema, name)}`)
      if (refresh.length > 0) await runInRoom(home, roomOf(place), [refresh])
    })
    return rows
  }

  /** Stops following. */
  async end(): Promise<void> {
    this.#replay.stop()
    this.#wal.close()
    await this.#running.catch(() => {})
  }

  /** A database with a slot in it cannot be dropped. */
  async gone(): Promise<void> {
    const { adminPool } = this.#route.from.lifecycle
    for (let left = 500; left > 0; left--) {
      const look = 'select from pg_replication_slots where slot_name = $1'
      const found = await inAdminTransaction(adminPool, (admin) => admin.run(look, [this.#published.name]))
      if (found.length === 0) return
      await delay(20)
    }
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

  /** What the log does not tell, and whether it has told all. */
  async #rest() {
    const { lifecycle } = this.#route.from
    const { tenant } = this.#route
    const visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant) }
    return await visitTenant(visit, ['moving'], async (found) => {
      await beginReading(found, visit.place)
      const { manifest: now, unmade } = await describe(found, visit)
      if (shapeOf(now) !== shapeOf(this.#sent.manifest)) throw changed(this.#route)
      const tables = await readFollowed(found.home, this.#route, visit.place)
      if (!isDeepStrictEqual(tables, this.#published.tables)) throw changed(this.#route)
      await requirePublished(found.home, this.#published, () => changed(this.#route))
      await actAsOwner(found.home, visit.place)
      const sequences = await readSequences(found.home, visit.place)
      return { sequences: sequences.filter(({ name }) => !unmade.has(name)), views: now.materializedViews }
    })
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
