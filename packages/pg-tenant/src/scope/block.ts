import { AsyncLocalStorage } from 'node:async_hooks'
import { TenancyError, type TenantKey } from '@org/core'
import type { CopyExchange } from '../driver/copy-exchange.ts'
import type { Steps } from './conversation.ts'
import type { Transaction } from './transaction.ts'

/** How long what a callback forgot may go on before its scope ends without it, in milliseconds. */
const PATIENCE_MS = 5_000

/** Turns of the event loop in which a job that was forgotten may go on to its next statement. */
const TURNS = 10

/** The block the running callback was given, to notice nesting; SQL never takes its tenant from here (hazard s). */
export const currentBlock = new AsyncLocalStorage<Block>()

/**
 * One block of a scope: the scope itself or a savepoint in it. It runs its jobs (statements, streams, nested blocks)
 * one after the other, knows which are unfinished, and dies with its callback.
 */
export class Block {
  readonly tenant: TenantKey
  readonly transaction: Transaction
  readonly parent: Block | undefined
  /** What belongs to which `createTenancy`, so that two tenancies can be used inside each other. */
  readonly owner: object
  readonly #children = new Set<Block>()
  #last: Promise<unknown> = Promise.resolve()
  #unfinished = 0
  /** Promises given to the callback that have not been settled. */
  #handed = 0
  #returned = false
  /** Whether the block's own error speaks of what was not awaited. */
  #told = false
  #onIdle: (() => void) | undefined
  /** Why it is over; the error is made when somebody asks, because making one costs more than a statement's share. */
  #over: (() => TenancyError) | undefined
  /** The first statement of this block that failed and was not undone: the block can only be rolled back. */
  failure: TenancyError | undefined

  constructor(owner: object, tenant: TenantKey, transaction: Transaction, parent?: Block) {
    this.owner = owner
    this.tenant = tenant
    this.transaction = transaction
    this.parent = parent
    if (parent) parent.#children.add(this)
  }

  get ended(): boolean {
    return this.#over !== undefined
  }

  /** Whether the callback is over: what fails from now on is told by the block's own error. */
  get returned(): boolean {
    return this.#returned
  }

  /** Whether something started on this block has not finished: at the end of its callback that is an error. */
  get busy(): boolean {
    return this.#unfinished > 0 || this.#handed > 0
  }

  /**
   * The promise of a job, as the callback gets it. One that nobody awaits must not end the process: unfinished when the
   * callback returns, it settles if it succeeds, and if it fails the block's own error (QUERY_NOT_AWAITED) is the only one
   * to say so. A rejection would reach the promise of whichever helper awaits it, and that one nobody handles.
   */
  hand<T>(job: Promise<T>): Promise<T> {
    const late = this.ended
    const mute = late ? this.#wasToldOf() : undefined
    if (!late) this.#handed++
    const settle = () => {
      if (!late) this.#handed--
      this.#noticeIdle()
    }
    const promise = job.then(
      (value) => {
        settle()
        return value
      },
      (error: unknown) => {
        settle()
        if (mute ?? this.#returned) return new Promise<never>(ignore)
        throw error
      },
    )
    // guard: d: a forgotten promise does not end the process
    promise.catch(ignore)
    return promise
  }

  /**
   * Ends the block, to be called when the callback is over. What it forgot goes on until it is done, a helper's next statement included,
   * because all of it will be undone: results inside a transaction are as good as its end.
   *
   * @returns whether anything was unfinished; a promise only if it was
   */
  finish(): false | Promise<true> {
    this.#returned = true
    if (this.busy) return this.#finishLate()
    this.end()
    return false
  }

  async #finishLate(): Promise<true> {
    await this.#drain()
    // At once: between an answer and the end something could slip in that nobody would tell of.
    this.end()
    return true
  }

  async #drain(): Promise<void> {
    this.#told = true
    let waiting = true
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(() => {
        waiting = false
        resolve()
      }, PATIENCE_MS)
    })
    while (waiting && this.busy) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
      await Promise.race([idle, patience])
      // What goes on behind an answer may start something else.
      for (let turn = 0; turn < TURNS && !this.busy; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    clearTimeout(timer)
  }

  #noticeIdle(): void {
    if (!this.busy) this.#onIdle?.()
  }

  /** Whether a call that comes too late is made by something this block (or one around it) was said to have forgotten. */
  #wasToldOf(): boolean {
    const running = currentBlock.getStore()
    if (!running || (running !== this && !running.isBelow(this))) return false
    for (let at: Block | undefined = this; at; at = at.parent) if (at.#told) return true
    return false
  }

  /** Runs `job` after those before it; its failure, unlike that of a statement in it, is the caller's to handle. */
  enqueue<T>(job: () => Promise<T>): Promise<T> {
    const before = this.#unfinished > 0 ? this.#last : undefined
    const over = () => {
      this.#unfinished--
      this.#noticeIdle()
    }
    this.#unfinished++
    let run: Promise<T>
    try {
      this.#assertUsable()
      run = before ? this.#behind(before, job) : job()
    } catch (error) {
      over()
      return Promise.reject(error)
    }
    this.#last = run.then(over, over)
    return run
  }

  async #behind<T>(before: Promise<unknown>, job: () => Promise<T>): Promise<T> {
    await Promise.race([before, this.transaction.lost])
    this.#assertUsable()
    return await job()
  }

  /** Sends steps of this block; a refused one fails the block. */
  async send(steps: Steps): Promise<void> {
    try {
      await this.transaction.run((session) => {
        // Asked again at the last moment: the block may have ended while this waited for a connection.
        this.#assertAlive()
        return steps(session)
      })
    } catch (error) {
      this.failure ??= error as TenancyError
      throw error
    }
  }

  /** Lends the wire to a COPY until it is `over`; a failed one fails the block. */
  async lend(copy: CopyExchange, over: Promise<void>): Promise<void> {
    try {
      await this.transaction.lend(copy, over)
    } catch (error) {
      this.failure ??= error as TenancyError
      throw error
    }
  }

  /** Revokes this block and everything below it. */
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
    const running = currentBlock.getStore()
    if (running && running !== this && running.isBelow(this)) throw busy()
  }

  isBelow(block: Block): boolean {
    for (let at = this.parent; at; at = at.parent) if (at === block) return true
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
