import { TenancyError } from '@org/core'
import { aborted } from '../errors/from-scope.ts'
import { blockOf } from '../scope/handle.ts'
import type { OpenScope } from '../scope/open-scope.ts'
import type { ScopeOptions } from '../scope/options.ts'
import type { QueryResult } from '../scope/result.ts'
import type { QueryConfig } from '../scope/statement.ts'
import { namesIn, UnterminatedSql } from '../sql/scan.ts'
import type { LockHolders, Turns } from './running.ts'

/** Where session locks are kept. */
export interface LockReach {
  /** A scope on a connection of its own, whatever is open around it; `undefined` where all is part of one scope. */
  openSeparate?(options: ScopeOptions): OpenScope | undefined
  /** One more connection that keeps locks, within `waitMs`. @returns gives it back. @throws TenancyError POOL_EXHAUSTED */
  hold?(waitMs: number): ReturnType<LockHolders['take']>
  /** How long a client waits until it may ask for its first lock (ms; default for ever). */
  readonly patience?: number
}

/** A day: a migration may hold its lock for as long as it takes. */
const HOLD: ScopeOptions = { readOnly: true, idleTimeout: 86_400_000 }
const SAVEPOINT = 'locks'

const LOCKS: ReadonlySet<string> = new Set([
  'pg_advisory_lock',
  'pg_advisory_lock_shared',
  'pg_try_advisory_lock',
  'pg_try_advisory_lock_shared',
])
const UNLOCKS: ReadonlySet<string> = new Set([
  'pg_advisory_unlock',
  'pg_advisory_unlock_shared',
  'pg_advisory_unlock_all',
])

/** Those that this session has; a scope may have one of its own from its opening. */
const HELD = `select pg_catalog.count(*)::pg_catalog.int4 as held from pg_catalog.pg_locks
  where locktype operator(pg_catalog.=) 'advisory' and pid operator(pg_catalog.=) pg_catalog.pg_backend_pid()`

/** What a statement does to the session's advisory locks (manual 9.28.10); those of transactions are the scope's. */
export function sessionLocking(text: string): 'lock' | 'unlock' | undefined {
  if (!/advisory_(?:un)?lock/i.test(text)) return undefined
  const words = wordsIn(text)
  if (words.some((word) => LOCKS.has(word))) return 'lock'
  return words.some((word) => UNLOCKS.has(word)) ? 'unlock' : undefined
}

/** What cannot be read is refused by the server as well. */
function wordsIn(text: string): string[] {
  try {
    return namesIn(text)
  } catch (error) {
    if (error instanceof UnterminatedSql) return []
    throw error
  }
}

/**
 * The advisory locks that a client takes for its session. Its statements run on connections that are somebody else's a moment
 * later, so a scope of its own holds them, on a connection of its own, for as long as there are any. It is read only: what is
 * written beside a lock would be written in that scope.
 */
export class SessionLocks {
  readonly #reach: LockReach
  readonly #turns: Turns
  #holder: OpenScope | undefined
  /** Ends the holder: what waits on it cannot be stopped otherwise. */
  #abort = new AbortController()
  #giveBack: (() => void) | undefined
  /** Those of the scope itself. */
  #own = 0

  constructor(turns: Turns, reach: LockReach) {
    this.#turns = turns
    this.#reach = reach
  }

  get any(): boolean {
    return this.#holder !== undefined
  }

  /** Runs it where the locks are kept; `undefined` inside a scope around the client, which has them until it ends. */
  async run(query: QueryConfig, signal: AbortSignal): Promise<QueryResult | undefined> {
    // guard: a statement that waits for a lock is cancelled as any other; the locks that the client has go with it
    const stop = () => this.#abort.abort()
    signal.addEventListener('abort', stop, { once: true })
    try {
      const holder = this.#holder
      if (holder) return await this.#runOn(holder, query)
      // guard: waiting clients would have all connections, and the one whose lock they wait for none to go on
      const { patience = Number.POSITIVE_INFINITY } = this.#reach
      const until = performance.now() + patience
      return await this.#turns.take(patience, async () => {
        if (signal.aborted) throw aborted(signal)
        const made = await this.#begin(until - performance.now())
        return made && (await this.#runOn(made, query))
      })
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #runOn(holder: OpenScope, query: QueryConfig): Promise<QueryResult> {
    try {
      const result = await holder.db.query(query)
      await holder.rollbackTo(SAVEPOINT)
      return result
    } catch (error) {
      await holder.rollbackTo(SAVEPOINT).catch(() => {})
      throw error
    } finally {
      await this.#endUnlessHeld(holder)
    }
  }

  /**
   * What runs under a lock that is gone must not be done.
   *
   * @throws TenancyError CONNECTION_LOST once, when the connection that held them has gone
   */
  requireHeld(): void {
    const holder = this.#holder
    if (!holder || !blockOf(holder.db).transaction.doom) return
    this.#let(holder.rollback())
    throw new TenancyError(
      'CONNECTION_LOST',
      "The connection that held this client's advisory locks is gone, and the locks with it. Take them again.",
    )
  }

  async end(): Promise<void> {
    const holder = this.#holder
    if (holder) await this.#let(holder.rollback())
  }

  /** The connection is everybody's again when it has been left. */
  async #let(left: Promise<unknown>): Promise<void> {
    const giveBack = this.#giveBack
    this.#holder = undefined
    this.#giveBack = undefined
    await left.finally(giveBack)
  }

  async #begin(waitMs: number): Promise<OpenScope | undefined> {
    this.#abort = new AbortController()
    const holder = this.#reach.openSeparate?.({ ...HOLD, signal: this.#abort.signal })
    if (!holder) return undefined
    const giveBack = await this.#reach.hold?.(waitMs)
    try {
      this.#own = await held(holder)
    } catch (error) {
      await holder.rollback()
      giveBack?.()
      throw error
    }
    this.#giveBack = giveBack
    // A rollback gives back what a statement has set or broken, and leaves the session its locks (manual 13.3.5).
    holder.savepoint(SAVEPOINT)
    this.#holder = holder
    return holder
  }

  async #endUnlessHeld(holder: OpenScope): Promise<void> {
    const count = await held(holder).catch(() => 0)
    if (count <= this.#own && this.#holder === holder) await this.end()
  }
}

async function held({ db }: OpenScope): Promise<number> {
  const { rows } = await db.query<{ held: number }>(HELD)
  return rows[0]?.held ?? 0
}
