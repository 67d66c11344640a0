import { SQLSTATE, sqlStateOf } from '@org/core'
import { withAdminPool } from '../../../admin/session.ts'
import { FOREIGN_CODE, noForeignCode } from '../../../admin/tenant-room.ts'
import { type Admin, adminOf, fromStatement, inAdminTransaction } from '../../../admin/transaction.ts'
import { connectTo } from '../../../driver/checkout.ts'
import type { PoolLike } from '../../../driver/types.ts'
import { connectionLost } from '../../../errors/from-scope.ts'
import { isServerError } from '../../../errors/server-error.ts'
import type { Script } from '../../../migrations/script.ts'
import type { Statement } from '../../../migrations/statements.ts'
import { whileHeld } from '../../../registry/locks.ts'
import { qualify } from '../../../sql/identifier.ts'
import { ownersAlone } from '../../../sql/owners-alone.ts'
import { foreignCode, inMigration, runScripts } from '../../apply-migrations.ts'
import {
  type OutsideTransaction,
  type Progress,
  runOutsideTransaction,
  VALID,
} from '../../outside-transaction.ts'
import { DONE, END, RUN_COLUMNS, START, STARTED } from '../../run-table.ts'
import { changeShared } from './change.ts'
import { BRIEFLY, lockSharedSchema, type RowLifecycle, sharedBusy, whenFree } from './lifecycle.ts'
import { explainHidden, HIDDEN_OUTSIDE, LEDGER, roomOf } from './migrations.ts'

/** In the control schema: files without a transaction that have begun and not ended. */
export const RUN = 'row_migration_run'

// $1 search path. A wait for a lock is not limited here: CREATE INDEX CONCURRENTLY waits without being in anybody's way.
const SESSION = `select pg_catalog.num_nulls(
  pg_catalog.set_config('search_path', $1, false),
  pg_catalog.set_config('row_security', 'off', false),
  pg_catalog.set_config('statement_timeout', '0', false),
  pg_catalog.set_config('lock_timeout', '0', false))`

/**
 * Runs a migration without a transaction over the shared tables, as {@link runOutsideTransaction} does, by the administrator, who owns them. The
 * lock of the shared schema is held meanwhile by another connection, which has no snapshot: nobody waits for it.
 *
 * @returns whether it was run now; somebody else may have done it meanwhile
 * @throws TenancyError CONFLICT when somebody else is at it; what its statements meet
 */
export function migrateRowsOutsideTransaction(
  lifecycle: RowLifecycle,
  application: string,
  script: Script,
): Promise<boolean> {
  const { adminPool } = lifecycle
  const run = () =>
    withAdminPool(adminPool, undefined, (pool) => new Run(pool, lifecycle, application, script).run())
  const take = (admin: Admin) => lockSharedSchema(admin, lifecycle, BRIEFLY)
  return whenFree(() => whileHeld(adminPool, take, run))
}

/** Why a statement failed. */
interface Failure {
  readonly error: unknown
}

class Run implements OutsideTransaction<Failure> {
  readonly schema: string
  readonly #pool: PoolLike
  readonly #lifecycle: RowLifecycle
  readonly #application: string
  readonly #script: Script
  readonly #notes: string
  readonly #ledger: string
  readonly #id: readonly string[]
  #isRecorded = false

  constructor(pool: PoolLike, lifecycle: RowLifecycle, application: string, script: Script) {
    const { registry, row } = lifecycle
    this.schema = row.schema
    this.#pool = pool
    this.#lifecycle = lifecycle
    this.#application = application
    this.#script = script
    this.#notes = qualify(registry.controlSchema, RUN)
    this.#ledger = qualify(registry.controlSchema, LEDGER)
    this.#id = [registry.prefix, row.schema, script.id]
  }

  async run(): Promise<boolean> {
    const failure = await runOutsideTransaction(this.#script, this)
    if (failure) throw failure.error
    if (!this.#isRecorded) await this.#finish()
    return !this.#isRecorded
  }

  start(at: Progress): Promise<undefined> {
    return inAdminTransaction(this.#pool, async (admin) => {
      await admin.run(
        `create table if not exists ${this.#notes} (${RUN_COLUMNS}); ${ownersAlone([this.#notes])}`,
      )
      const { id, checksum, statements } = this.#script
      const recorded = await admin.run(`select from ${this.#ledger} where prefix = $1 and id = $2`, [
        this.#lifecycle.registry.prefix,
        id,
      ])
      this.#isRecorded = recorded.length > 0
      if (this.#isRecorded) at.done = statements.length
      else {
        const [row] = await admin.run(START(this.#notes), [...this.#id, checksum])
        Object.assign(at, { started: Number(row?.started), done: Number(row?.done) })
      }
      return undefined
    })
  }

  noteStarted(number: number): Promise<undefined> {
    return this.#note(STARTED, number)
  }

  noteDone(number: number): Promise<undefined> {
    return this.#note(DONE, number)
  }

  async isValid(index: string, found: (valid: boolean) => void): Promise<undefined> {
    await inAdminTransaction(this.#pool, async (admin) => {
      const [row] = await admin.run(VALID, [this.schema, index])
      if (row) found(row.valid === true)
    })
  }

  isGone({ error }: Failure): boolean {
    return sqlStateOf(error) === SQLSTATE.UNDEFINED_OBJECT
  }

  /** On a connection of its own, which ends with it, and its settings too. */
  async outsideTransaction(text: string, statement: Statement): Promise<Failure | undefined> {
    const client = await connectTo(this.#pool)
    try {
      const admin = adminOf(client)
      await admin.run(SESSION, [roomOf(this.#lifecycle).searchPath])
      // guard: what an index calls runs with the administrator's rights, so there must be nobody else's code
      await admin.run(noForeignCode(this.schema))
      await admin.run(text)
      return undefined
    } catch (error) {
      return { error: this.#located(error, statement) }
    } finally {
      client.release(true)
    }
  }

  /** What it makes is under its policy before anybody sees it, as in a file with a transaction. */
  async inTransaction(statement: Statement, number: number): Promise<undefined> {
    const one = { ...this.#script, statements: [statement], transaction: true }
    await inAdminTransaction(this.#pool, async (admin) => {
      await this.#requireTurn(admin, number)
      await changeShared(admin, this.#lifecycle, this.#application, async (clearTheWay) => {
        await clearTheWay()
        await runScripts(admin, roomOf(this.#lifecycle), [one], false, (error, at) =>
          explainHidden(error, at, HIDDEN_OUTSIDE),
        )
      })
      await admin.run(DONE(this.#notes), [...this.#id, number])
    })
  }

  /** The lock is another connection's, which can be lost: nothing is done twice all the same. */
  async #requireTurn(admin: Admin, number: number): Promise<void> {
    const [row] = await admin.run(
      `select done from ${this.#notes} where prefix = $1 and key = $2 and id = $3 for update`,
      this.#id,
    )
    if (Number(row?.done) === number - 1) return
    throw sharedBusy(this.#lifecycle.row)
  }

  async #note(sql: (table: string) => string, number: number): Promise<undefined> {
    await inAdminTransaction(this.#pool, (admin) => admin.run(sql(this.#notes), [...this.#id, number]))
  }

  async #finish(): Promise<void> {
    const { id, checksum } = this.#script
    await inAdminTransaction(this.#pool, async (admin) => {
      const [ended] = await admin.run(END(this.#notes), this.#id)
      await admin.run(
        `insert into ${this.#ledger} (prefix, id, checksum, duration_ms) values ($1, $2, $3, $4)
         on conflict do nothing`,
        [this.#lifecycle.registry.prefix, id, checksum, ended?.ms ?? 0],
      )
    })
  }

  #located(error: unknown, { line, number }: Statement): unknown {
    if (!isServerError(error)) return error instanceof Error ? connectionLost(error) : error
    if (error.message.includes(FOREIGN_CODE)) return foreignCode(error)
    const { id } = this.#script
    const found =
      explainHidden(error, { id, line, number }, HIDDEN_OUTSIDE) ?? inMigration(error, id, line, number)
    return isServerError(found) ? fromStatement(found) : found
  }
}
