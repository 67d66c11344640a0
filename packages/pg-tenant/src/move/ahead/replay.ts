import { isTenancyError, SQLSTATE } from '@org/core'
import { runInRoom } from '../../admin/in-room.ts'
import { roomOf } from '../../archive/place.ts'
import { connectionLost } from '../../errors/from-scope.ts'
import { isServerError } from '../../errors/server-error.ts'
import { qualify } from '../../sql/identifier.ts'
import { type Arrival, inArrival } from './arrival.ts'
import { statementOf } from './changes.ts'
import { type Message, type Relation, readMessage } from './pgoutput.ts'
import type { Followed } from './publication.ts'
import type { Wal } from './wal.ts'

/** Statements, and characters of them, sent at once. */
const AT_ONCE = 2_000
const CHARACTERS = 4 << 20
/** Milliseconds between two questions how far the server has looked, while somebody waits for that. */
const ASK_MS = 10

/**
 * Does to the copy what is done to the tenant, in the tenant's room and order. Triggers, rules and foreign keys do nothing meanwhile:
 * what they did is among the changes.
 */
export class Replay {
  readonly #arrival: Arrival
  readonly #wal: Wal
  readonly #tables: ReadonlyMap<string, Followed & { readonly columns: ReadonlySet<string> }>
  readonly #changed: () => Error
  readonly #relations = new Map<number, Relation>()
  #statements: string[] = []
  #characters = 0
  /** As far as the server has told everything. */
  #seen = 0n
  #reached = 0n
  #wanted: { readonly end: bigint; done(): void } | undefined
  #stopped = false

  /** @param changed what to throw when a table is not any more what it was */
  constructor(
    arrival: Arrival,
    wal: Wal,
    tables: readonly (Followed & { readonly columns: ReadonlySet<string> })[],
    changed: () => Error,
  ) {
    this.#arrival = arrival
    this.#wal = wal
    this.#tables = new Map(tables.map((table) => [table.name, table]))
    this.#changed = changed
  }

  /** Goes on until {@link stop}. @throws what ended the stream, or refused a change */
  async run(): Promise<void> {
    try {
      await this.#follow()
    } catch (error) {
      if (isTenancyError(error) || isServerError(error) || !(error instanceof Error)) throw error
      throw connectionLost(error)
    }
  }

  async #follow(): Promise<void> {
    while (!this.#stopped) {
      const piece = this.#wal.take()
      if (piece?.data) {
        await this.#add(readMessage(piece.data))
        continue
      }
      if (piece) {
        this.#seen = piece.end
        continue
      }
      await this.#flush()
      const timer = this.#wanted && setTimeout(() => this.#wal.ask(), ASK_MS)
      if (!this.#stopped) await this.#wal.arrived()
      clearTimeout(timer)
    }
  }

  /** Resolves when everything that was committed before is in the copy. */
  reach(end: bigint): Promise<void> {
    return new Promise((done) => {
      this.#wanted = { end, done }
      this.#wal.wake()
    })
  }

  stop(): void {
    this.#stopped = true
    this.#wal.wake()
  }

  #arriveAt(end: bigint): void {
    if (end > this.#reached) this.#reached = end
    this.#wal.confirm(this.#reached)
    if (!this.#wanted || this.#reached < this.#wanted.end) return
    const { done } = this.#wanted
    this.#wanted = undefined
    done()
  }

  async #add(message: Message): Promise<void> {
    if (message.kind === 'relation') this.#relations.set(message.relation.oid, message.relation)
    else if (message.kind === 'truncate') this.#push(`truncate ${this.#names(message.oids)}`)
    else if (message.kind === 'commit') this.#seen = message.end
    else if (message.kind !== 'other') {
      const relation = this.#relations.get(message.oid)
      const table = relation && this.#tables.get(relation.name)
      if (!table || !sameColumns(relation, table)) throw this.#changed()
      const statement = statementOf(this.#arrival.place.schema, relation, table, message)
      if (statement !== undefined) this.#push(statement)
    }
    if (this.#statements.length >= AT_ONCE || this.#characters >= CHARACTERS) await this.#flush()
  }

  #names(oids: readonly number[]): string {
    const names = oids.flatMap((oid) => this.#relations.get(oid)?.name ?? [])
    if (names.length !== oids.length) throw this.#changed()
    return names.map((name) => `only ${qualify(this.#arrival.place.schema, name)}`).join(', ')
  }

  #push(statement: string): void {
    this.#statements.push(statement)
    this.#characters += statement.length
  }

  /** In a transaction of its own, also where theirs goes on: nobody sees the copy before it is whole. */
  async #flush(): Promise<void> {
    const statements = this.#statements
    this.#statements = []
    this.#characters = 0
    if (statements.length > 0) await inArrival(this.#arrival, () => this.#run(statements))
    this.#arriveAt(this.#seen)
  }

  async #run(statements: readonly string[]): Promise<void> {
    const { home, place } = this.#arrival
    await home.run(`set local session_replication_role = 'replica'`)
    await runInRoom(home, roomOf(place), [statements], (error) =>
      isServerError(error) && error.code === NO_SUCH_ROW ? this.#changed() : error,
    )
    // guard: code of the tenant (in a CHECK, say) has written into tables of others, whose triggers did nothing
    if ((await home.run(WRITTEN_ELSEWHERE, [place.schema])).length > 0) throw this.#changed()
  }
}

// $1 schema. What was written in this transaction is still locked.
const WRITTEN_ELSEWHERE = `select from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
  where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and c.relkind in ('r', 'p', 'f')
    and l.database = (select oid from pg_database where datname = current_database())
    and n.nspname <> all (array['pg_catalog', 'pg_toast', $1]) limit 1`

/** See changes.ts. */
const NO_SUCH_ROW = SQLSTATE.DIVISION_BY_ZERO

/** Its columns, and those by which a row is found again: all of them tell those, too. */
function sameColumns(
  { columns, key }: Relation,
  known: Pick<Followed, 'key'> & { readonly columns: ReadonlySet<string> },
): boolean {
  const same = columns.length === known.columns.size && columns.every((column) => known.columns.has(column))
  const found = key.length === known.key.length || key.length === columns.length
  return same && found && known.key.every((column) => key.includes(column))
}
