import { isTenancyError } from '@org/core'
import { statementsOf } from '../migrations/statements.ts'
import type { OpenScope } from '../scope/open-scope.ts'
import type { QueryResult } from '../scope/result.ts'
import type { QueryConfig } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import { type Command, commandOf, type Mode } from './command.ts'
import { canceled, inFailedTransaction, modeTooLate, noSavepoint, noTransaction } from './errors.ts'
import type { Reach, Status } from './reach.ts'
import { Turns } from './running.ts'
import { SessionLocks, sessionLocking } from './session-locks.ts'
import { SessionSettings, setLocal } from './settings.ts'

/**
 * What a client of `pg` does on its connection, done with scopes: a statement by itself is a scope of its own; between BEGIN
 * and COMMIT all are one. Calls come one after the other; the client sees to that.
 */
export class TenantConnection {
  readonly settings = new SessionSettings()
  /** Whether somebody may cancel what is running. */
  cancellable = false
  readonly #reach: Reach
  readonly #locks: SessionLocks
  /** Aborts what is running. */
  #abort: AbortController | undefined
  #scope: OpenScope | undefined
  #mode: Mode = {}
  #sessionMode: Mode = {}
  #begun = false
  /** Begun by several statements of one text, and not by BEGIN. */
  #unsaid = false
  #failed = false
  #ran = false

  constructor(reach: Reach) {
    this.#reach = reach
    this.#locks = new SessionLocks(reach.turns ?? new Turns(), reach)
  }

  get status(): Status {
    if (!this.#begun || this.#unsaid) return 'I'
    return this.#failed ? 'E' : 'T'
  }

  /** Runs one statement or command. */
  async run(query: QueryConfig): Promise<QueryResult> {
    const command = commandOf(query.text)
    if (command?.kind !== 'rollback') await this.#guarded(async () => this.#locks.requireHeld())
    if (command) return await this.#obey(command)
    if (this.#failed) throw inFailedTransaction()
    const locked = await this.#lock(query)
    if (locked) return locked
    if (this.#begun) return await this.#guarded(async () => (await this.db()).query(query))
    const { statement } = this.settings
    if (statement || Object.keys(this.#sessionMode).length > 0)
      return await this.alone((db) => db.query(query))
    if (!this.cancellable) return await this.#reach.once(query)
    return await this.#guarded(() => this.#reach.once(query, this.#abortable()))
  }

  /** Cancels what is running, as a CancelRequest does: a transaction can only be rolled back then. */
  cancel(): void {
    this.#abort?.abort()
  }

  #abortable(): AbortSignal {
    this.#abort = new AbortController()
    return this.#abort.signal
  }

  /** On a connection that keeps the locks; `undefined` where they are those of the scope that the statement runs in. */
  async #lock(query: QueryConfig): Promise<QueryResult | undefined> {
    const kind = sessionLocking(query.text)
    if (kind === undefined) return undefined
    // What it locks may be rows that only the transaction sees.
    const own = this.#begun && (kind === 'unlock' ? !this.#locks.any : /\bfrom\b/i.test(query.text))
    return own ? undefined : await this.#guarded(() => this.#locks.run(query, this.#abortable()))
  }

  /** The statements of a text that has several; a wrong split could do no harm: the server takes one at a time. */
  severalIn(text: unknown): string[] | undefined {
    if (typeof text !== 'string' || !text.includes(';')) return undefined
    const parts = statementsOf(text, 'query')
    return parts.length > 1 ? parts.map((part) => part.text) : undefined
  }

  /**
   * Several statements of one text: one transaction, as the simple protocol has it (manual 54.2.2.1). Those before a BEGIN are part of
   * what it begins; COMMIT or ROLLBACK ends what came before, and what comes behind is one again.
   */
  async runAll(queries: readonly QueryConfig[]): Promise<QueryResult[]> {
    const results: QueryResult[] = []
    try {
      for (const query of queries) {
        this.#beginUnsaid(query)
        results.push(await this.run(query))
      }
      if (this.#unsaid) await this.#commit(false)
      return results
    } catch (error) {
      if (this.#unsaid) await this.reset()
      throw error
    }
  }

  #beginUnsaid({ text }: QueryConfig): void {
    const kind = commandOf(text)?.kind
    if (kind === 'begin') this.#unsaid = false
    else if (kind === undefined && !this.#begun && sessionLocking(text) === undefined) {
      this.#begin({})
      this.#unsaid = true
    }
  }

  /** Runs `fn` in the transaction that is open, or in one of its own. */
  async within<T>(fn: (db: TenantDb) => Promise<T>): Promise<T> {
    if (this.#failed) throw inFailedTransaction()
    return this.#begun ? await this.#guarded(async () => fn(await this.db())) : await this.alone(fn)
  }

  /** A transaction of its own around `fn`. */
  async alone<T>(fn: (db: TenantDb) => Promise<T>): Promise<T> {
    await using scope = this.#reach.open({ ...this.#sessionMode, signal: this.#abortable() })
    await this.#apply(scope.db)
    const value = await fn(scope.db)
    await scope.commit()
    return value
  }

  /** Rolls back what is open. */
  async reset(): Promise<void> {
    const scope = this.#scope
    this.#undoSettings()
    this.#forget()
    await scope?.rollback()
  }

  #undoSettings(): void {
    if (this.#begun) this.settings.backTo(null)
  }

  /** Ends what is open: PostgreSQL rolls back, and gives the session's locks back, when a client goes. */
  async end(): Promise<void> {
    await this.reset()
    await this.#locks.end()
  }

  async db(): Promise<TenantDb> {
    if (!this.#scope) {
      this.#scope = this.#reach.open({ ...this.#sessionMode, ...this.#mode, signal: this.#abortable() })
      await this.#apply(this.#scope.db)
    }
    this.#ran = true
    return this.#scope.db
  }

  async #apply(db: TenantDb): Promise<void> {
    const { statement } = this.settings
    if (statement) await db.queue(statement)
  }

  async #guarded<T>(fn: () => Promise<T>): Promise<T> {
    try {
      return await fn()
    } catch (error) {
      this.#failed = this.#begun
      throw this.#abort?.signal.aborted ? canceled(error) : error
    }
  }

  async #obey(command: Command): Promise<QueryResult> {
    switch (command.kind) {
      case 'begin':
        // Inside a transaction PostgreSQL warns and goes on.
        if (!this.#begun) this.#begin(command.mode)
        return answer('BEGIN')
      case 'mode':
        return this.#setMode(command.mode, command.session)
      case 'commit':
        return await this.#commit(command.chain)
      case 'rollback':
        return await this.#rollback(command.chain)
      case 'savepoint':
      case 'release':
      case 'rollbackTo':
        return await this.#savepoint(command.kind, command.name)
      case 'set':
        return await this.#set(command.name, command.value, command.local)
      case 'reset':
        this.settings.reset(command.name?.toLowerCase() ?? null)
        return answer('RESET')
    }
  }

  #begin(mode: Mode): void {
    this.#begun = true
    this.#mode = mode
    this.settings.mark(null)
  }

  #forget(): void {
    this.#scope = undefined
    this.#mode = {}
    this.#begun = false
    this.#unsaid = false
    this.#failed = false
    this.#ran = false
  }

  #setMode(mode: Mode, session: boolean): QueryResult {
    if (session) this.#sessionMode = { ...this.#sessionMode, ...mode }
    else if (this.#ran) {
      this.#failed = this.#begun
      throw modeTooLate()
    } else this.#mode = { ...this.#mode, ...mode }
    return answer('SET')
  }

  async #commit(chain: boolean): Promise<QueryResult> {
    const [scope, mode, lost] = [this.#scope, this.#mode, this.#failed && !this.#scope]
    if (this.#failed) this.#undoSettings()
    this.#forget()
    if (lost) return answer('ROLLBACK')
    // A transaction in which nothing ran still proves that the tenant is there.
    await scope?.commit().catch((error: unknown) => {
      // A client of `pg` is dead then: what was sent behind the COMMIT must not run by itself, and stand.
      // guard: a statement behind a COMMIT whose connection was lost
      if (isTenancyError(error, 'CONNECTION_LOST') || isTenancyError(error, 'UNKNOWN_OUTCOME')) {
        this.#begin(mode)
        this.#failed = true
      }
      throw error
    })
    if (chain) this.#begin(mode)
    return answer('COMMIT')
  }

  async #rollback(chain: boolean): Promise<QueryResult> {
    const [scope, mode] = [this.#scope, this.#mode]
    this.#undoSettings()
    this.#forget()
    await scope?.rollback()
    if (chain) this.#begin(mode)
    return answer('ROLLBACK')
  }

  async #savepoint(kind: 'savepoint' | 'release' | 'rollbackTo', name: string): Promise<QueryResult> {
    if (!this.#begun || this.#unsaid) throw noTransaction(SAVEPOINT_COMMANDS[kind])
    if (this.#failed && kind !== 'rollbackTo') throw inFailedTransaction()
    await this.db()
    const scope = this.#scope as OpenScope
    if (kind === 'savepoint') {
      scope.savepoint(name)
      this.settings.mark(name)
    } else if (kind === 'release') await this.#there(name, () => scope.release(name))
    else {
      await this.#there(name, () => scope.rollbackTo(name))
      this.settings.backTo(name)
      this.#failed = false
    }
    return answer(kind === 'rollbackTo' ? 'ROLLBACK' : kind.toUpperCase())
  }

  #there(name: string, fn: () => Promise<void>): Promise<void> {
    return this.#guarded(async () => {
      try {
        await fn()
      } catch (error) {
        throw isTenancyError(error, 'VALIDATION_ERROR') ? noSavepoint(name, error) : error
      }
    })
  }

  /** PostgreSQL says at once that a value is none; it is then not kept. */
  async #set(name: string, value: string, local: boolean): Promise<QueryResult> {
    const statement = setLocal(name.toLowerCase(), value)
    if (statement && (this.#begun || !local)) await this.within((db) => db.query(statement))
    if (statement && !local) this.settings.set(name.toLowerCase(), value)
    return answer('SET')
  }
}

const SAVEPOINT_COMMANDS = {
  savepoint: 'SAVEPOINT',
  release: 'RELEASE SAVEPOINT',
  rollbackTo: 'ROLLBACK TO SAVEPOINT',
} as const

function answer(command: string): QueryResult {
  return { command, rowCount: null, rows: [], fields: [] }
}
