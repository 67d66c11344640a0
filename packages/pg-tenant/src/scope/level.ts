import { AsyncLocalStorage } from 'node:async_hooks'
import { TenancyError, type TenantKey } from '@org/core'
import type { CopyExchange } from '../driver/copy-exchange.ts'
import type { Steps, Transaction } from './transaction.ts'

/** The level the running callback was given, to notice nesting; SQL never takes its tenant from here (hazard s). */
export const currentLevel = new AsyncLocalStorage<Level>()

/**
 * One level of a scope: the scope itself or a savepoint in it. It runs its jobs (statements, streams, nested levels)
 * one after the other, knows which are unfinished, and dies with its callback.
 */
export class Level {
  readonly tenant: TenantKey
  readonly transaction: Transaction
  readonly parent: Level | undefined
  /** What belongs to which `createTenancy`, so that two tenancies can be used inside each other. */
  readonly owner: object
  readonly #children = new Set<Level>()
  #last: Promise<unknown> = Promise.resolve()
  #unfinished = 0
  /** Why it is over; the error is made when somebody asks, because making one costs more than a statement's share. */
  #over: (() => TenancyError) | undefined
  /** The first statement of this level that failed and was not undone: the level can only be rolled back. */
  failure: TenancyError | undefined

  constructor(owner: object, tenant: TenantKey, transaction: Transaction, parent?: Level) {
    this.owner = owner
    this.tenant = tenant
    this.transaction = transaction
    this.parent = parent
    if (parent) parent.#children.add(this)
  }

  get ended(): boolean {
    return this.#over !== undefined
  }

  /** Whether something started on this level has not finished: at the end of its callback that is an error. */
  get busy(): boolean {
    return this.#unfinished > 0
  }

  /** Runs `job` after those before it; its failure, unlike that of a statement in it, is the caller's to handle. */
  async enqueue<T>(job: () => Promise<T>): Promise<T> {
    this.#assertUsable()
    const before = this.#last
    this.#unfinished++
    const run = (async () => {
      if (this.#unfinished > 1) await Promise.race([before, this.transaction.lost])
      this.#assertUsable()
      return await job()
    })()
    this.#last = run.then(ignore, ignore)
    try {
      return await run
    } finally {
      this.#unfinished--
    }
  }

  /** Sends steps of this level; a refused one fails the level. */
  async send(steps: Steps): Promise<void> {
    try {
      await this.transaction.run((session) => {
        // Asked again at the last moment: the level may have ended while this waited for a connection.
        this.#assertAlive()
        return steps(session)
      })
    } catch (error) {
      this.failure ??= error as TenancyError
      throw error
    }
  }

  /** Lends the wire to a COPY until it is `over`; a failed one fails the level. */
  async lend(copy: CopyExchange, over: Promise<void>): Promise<void> {
    try {
      await this.transaction.lend(copy, over)
    } catch (error) {
      this.failure ??= error as TenancyError
      throw error
    }
  }

  /** Revokes this level and everything below it. */
  end(reason: () => TenancyError = scopeEnded): void {
    this.#over ??= reason
    // guard: e: the handles of savepoints end with theirs
    for (const child of this.#children) child.end(reason)
    if (this.parent) this.parent.#children.delete(this)
  }

  #assertAlive(): void {
    if (this.#over) throw this.#over()
  }

  #assertUsable(): void {
    this.#assertAlive()
    const { doom } = this.transaction
    if (doom) throw doom
    if (this.failure) throw failed(this.failure)
    const running = currentLevel.getStore()
    if (running && running !== this && running.isBelow(this)) throw busy()
  }

  isBelow(level: Level): boolean {
    for (let at = this.parent; at; at = at.parent) if (at === level) return true
    return false
  }
}

function ignore(): void {}

function scopeEnded(): TenancyError {
  return new TenancyError(
    'SCOPE_ENDED',
    "This scope has ended. Use a tenant's handle only inside its callback, and await everything you start with it.",
  )
}

function failed(first: TenancyError): TenancyError {
  return new TenancyError(
    'SCOPE_FAILED',
    'An earlier statement of this scope failed, so it can only roll back. To go on after an expected failure, put that ' +
      'statement in db.savepoint(fn).',
    { details: { first: first.code }, cause: first },
  )
}

function busy(): TenancyError {
  return new TenancyError(
    'SCOPE_BUSY',
    'The outer handle was used inside db.savepoint(fn) (or a nested transaction). Use the handle that fn was given.',
  )
}
