import { SQLSTATE } from '@org/core'
import { withAdminPool } from '../admin/session.ts'
import { asking } from '../admin/tenant-room.ts'
import { checkout } from '../driver/checkout.ts'
import { markerOf, schemaOf, searchPathOf } from '../isolation/names.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { ownerOf } from '../lifecycle/lifecycle.ts'
import {
  type OutsideTransaction,
  type Progress,
  runOutsideTransaction,
  VALID,
} from '../lifecycle/outside-transaction.ts'
import {
  DONE,
  END,
  END_AND_RECORD,
  RECORD,
  RUN_COLUMNS,
  RUN_TABLE,
  START,
  STARTED,
} from '../lifecycle/run-table.ts'
import type { Script } from '../migrations/script.ts'
import type { Statement } from '../migrations/statements.ts'
import { WITHOUT_SNAPSHOT } from '../registry/locks.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { askingOwner, attempt, type Trouble, undo } from './attempt.ts'
import { STALE, textsOf } from './ledger-sql.ts'
import { check, lock, newest, noteOf, open, pinOf } from './message.ts'
import type { Behind } from './plan.ts'
import { inside, type Material, oneByOne, type Part, roomFor } from './room-parts.ts'
import { once } from './sql.ts'

// $1 statement timeout. A wait for a lock is not limited here: CREATE INDEX CONCURRENTLY waits without being in anybody's way.
const SESSION = `select pg_catalog.num_nulls(
  pg_catalog.set_config('search_path', '${OWN_PATH}', false),
  pg_catalog.set_config('statement_timeout', $1, false),
  pg_catalog.set_config('lock_timeout', '0', false))`

// It committed where the data is, and not here: look again. $1 id.
const NEW = (ledger: string) => `select case when exists (select from ${ledger} where id = $1)
  then pg_catalog.concat('${STALE}')::int8 else 0 end`

const ROLE = `select pg_catalog.set_config('search_path', $1, false), pg_catalog.set_config('role', $2, false)`
/** Milliseconds to wait for the second connection. */
const CONNECT_MS = 10_000

/**
 * Runs one migration without a transaction, as {@link runOutsideTransaction} does.
 *
 * The tenant's lock is held meanwhile by a transaction of another session, which has no snapshot: nobody waits for it.
 * On trouble the caller destroys the session: role and settings go with it.
 */
export async function migrateOutsideTransaction(
  material: Material,
  behind: Behind,
  script: Script,
): Promise<Trouble | undefined> {
  if (material.books !== material.home) return await new Run(material, behind, script).run()
  return await withAdminPool(material.lifecycle.adminPool, undefined, async (pool) => {
    const books = await checkout(pool, CONNECT_MS, undefined)
    try {
      return await new Run({ ...material, books }, behind, script).run()
    } finally {
      books.destroy()
    }
  })
}

class Run implements OutsideTransaction<Trouble> {
  readonly #material: Material
  readonly #behind: Behind
  readonly #script: Script
  readonly schema: string
  readonly #role: string
  readonly #notes: string
  readonly #ledger: string
  readonly #id: readonly unknown[]

  constructor(material: Material, behind: Behind, script: Script) {
    const { naming, ofLevel, registry } = material.lifecycle
    const { settings } = material
    this.#material = { ...material, settings: { ...settings, statementTimeout: settings.timeoutOutside } }
    this.#behind = behind
    this.#script = script
    this.schema = schemaOf(naming, behind.tenant)
    this.#ledger = qualify(this.schema, LEDGER_TABLE)
    this.#role = ownerOf(material.lifecycle, behind.tenant) ?? 'none'
    // Beside the data, so that a statement and the note that it is done are one transaction.
    this.#notes = ofLevel.databaseOf
      ? qualify(this.schema, `_${RUN_TABLE}`)
      : qualify(registry.controlSchema, RUN_TABLE)
    this.#id = [registry.prefix, behind.tenant, script.id]
  }

  async run(): Promise<Trouble | undefined> {
    const locked = await this.#books('T', ...this.#lock())
    if (locked) return locked
    const trouble = await this.#work()
    if (trouble) await undo(this.#material.books)
    return trouble
  }

  #lock(): Part[] {
    const { books } = this.#material
    const { tenant } = this.#behind
    return [
      ...open(books, this.#material),
      lock(this.#material, tenant),
      check(this.#material, this.#behind),
      { step: once('statement', WITHOUT_SNAPSHOT) },
    ]
  }

  async #work(): Promise<Trouble | undefined> {
    const { statementTimeout } = this.#material.settings
    const trouble =
      (await this.#home({ step: once('statement', SESSION, [String(statementTimeout)]) })) ??
      (await runOutsideTransaction(this.#script, this)) ??
      (await this.#finish())
    return trouble ?? (await this.#home({ step: once('clean', 'reset all') }))
  }

  async start(at: Progress): Promise<Trouble | undefined> {
    const { lifecycle } = this.#material
    const sink = {
      row: ([started, done]: (string | null)[]) =>
        void Object.assign(at, { started: Number(started), done: Number(done) }),
    }
    const own = lifecycle.ofLevel.databaseOf !== undefined
    return await this.#home(
      ...this.#begin(),
      { step: once('pin', pinOf(lifecycle, this.#behind.tenant)) },
      { step: once('statement', NEW(this.#ledger), [this.#script.id]) },
      ...(own
        ? [{ step: once('statement', `create table if not exists ${this.#notes} (${RUN_COLUMNS})`) }]
        : []),
      { step: once('statement', START(this.#notes), [...this.#id, this.#script.checksum], sink) },
      ...this.#usage(true),
      { step: once('commit', 'commit') },
    )
  }

  noteStarted(number: number): Promise<Trouble | undefined> {
    return this.#home({ step: once('statement', STARTED(this.#notes), [...this.#id, number]) })
  }

  noteDone(number: number): Promise<Trouble | undefined> {
    return this.#home({ step: once('statement', DONE(this.#notes), [...this.#id, number]) })
  }

  isValid(index: string, found: (valid: boolean) => void): Promise<Trouble | undefined> {
    const sink = { row: ([valid]: (string | null)[]) => found(valid === 't') }
    return this.#home({ step: once('statement', VALID, [this.schema, index], sink) })
  }

  isGone(trouble: Trouble): boolean {
    return trouble.kind === 'failed' && trouble.error.details.sqlState === SQLSTATE.UNDEFINED_OBJECT
  }

  /**
   * Under the tenant's role, which is no boundary: {@link requireHarmless} has seen to it that nothing in it can change a role.
   */
  async outsideTransaction(text: string, { line, number }: Statement): Promise<Trouble | undefined> {
    const path = searchPathOf(this.#material.lifecycle.naming, this.#behind.tenant)
    const trouble =
      (await this.#home({ step: once('statement', ROLE, [path, this.#role]) })) ??
      (await this.#home({ step: once('statement', text), script: this.#script, line, number }))
    // A group of its own: after an error the server has skipped what was behind the statement.
    const back = await this.#home({ step: once('statement', ROLE, [OWN_PATH, 'none']) })
    return trouble ?? back
  }

  inTransaction(statement: Statement, number: number): Promise<Trouble | undefined> {
    return askingOwner(this.#material.seen, () => this.#inTransaction(statement, number))
  }

  /** In the tenant's room, with the note that it is done. */
  async #inTransaction(statement: Statement, number: number): Promise<Trouble | undefined> {
    const one = { ...this.#script, statements: [statement] }
    const room = roomFor(this.#material, this.#behind.tenant, [one])
    const call = { text: asking(room.call), values: [room.call.texts] }
    return await this.#home(
      ...this.#begin(),
      ...(this.#material.lifecycle.distributedSchemas
        ? oneByOne(this.#material, this.#behind.tenant, [one])
        : inside(this.#material, room, call)),
      { step: once('statement', DONE(this.#notes), [...this.#id, number]) },
      { step: once('commit', 'commit') },
    )
  }

  /** Both ledgers, and the note is taken away: in the transaction that holds the lock, or there and then here. */
  async #finish(): Promise<Trouble | undefined> {
    const { lifecycle, scripts } = this.#material
    const { tenant, has } = this.#behind
    const { id, checksum, ordinal } = this.#script
    const { migration, version } = textsOf(lifecycle.registry)
    const facts = [lifecycle.registry.prefix, tenant, id, checksum]
    const noted = noteOf(this.#material, this.#behind, this.#ledger, [this.#script])
    const end: Part[] = [
      {
        step: once('statement', version, [
          lifecycle.registry.prefix,
          tenant,
          newest(scripts, [...has, ordinal]),
        ]),
      },
      { step: once('commit', 'commit') },
    ]
    if (!lifecycle.ofLevel.databaseOf) {
      const ended: Part = { step: once('statement', END_AND_RECORD(this.#notes, migration), facts) }
      return await this.#books('I', ...noted, ended, ...this.#usage(false), ...end)
    }
    let ms = 0
    const sink = {
      row: ([spent]: (string | null)[]) => {
        ms = Number(spent)
      },
    }
    const trouble = await this.#home(
      ...this.#begin(),
      ...noted,
      { step: once('statement', END(this.#notes), this.#id, sink) },
      { step: once('statement', `drop table ${this.#notes}`) },
      ...this.#usage(false),
      { step: once('commit', 'commit') },
    )
    return (
      trouble ??
      (await this.#books('I', { step: once('statement', RECORD(migration), [...facts, ms]) }, ...end))
    )
  }

  /**
   * A suspended tenant's role needs USAGE while it runs. So that no scope opens meanwhile, the marker that every scope
   * locks is closed to it.
   */
  #usage(during: boolean): Part[] {
    if (this.#behind.status !== 'suspended' || this.#role === 'none') return []
    const [home, role] = [quoteIdentifier(this.schema), quoteIdentifier(this.#role)]
    const marker = qualify(this.schema, markerOf(this.#material.lifecycle.naming, this.#behind.tenant))
    const texts = during
      ? [`revoke select on ${marker} from ${role}`, `grant usage on schema ${home} to ${role}`]
      : [`revoke usage on schema ${home} from ${role}`, `grant select on ${marker} to ${role}`]
    return texts.map((text) => ({ step: once('statement', text) }))
  }

  #begin(): Part[] {
    return [
      { step: once('begin', 'begin isolation level read committed read write') },
      { step: once('clean', `set local search_path to ${OWN_PATH}`) },
    ]
  }

  #home(...parts: Part[]): Promise<Trouble | undefined> {
    return attempt(this.#material.home, this.#behind.tenant, parts, this.#material.settings)
  }

  #books(ends: 'I' | 'T', ...parts: Part[]): Promise<Trouble | undefined> {
    return attempt(this.#material.books, this.#behind.tenant, parts, this.#material.settings, ends)
  }
}
