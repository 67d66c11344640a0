import { TenancyError } from '@org/core'

// What the clients of one tenant, or of all, have together.

/** What can be asked to stop. */
interface Running {
  cancel(): void
  terminate(): void
}

/** Above every process that an operating system numbers (Linux: 2^22), below the end of `integer`. */
let last = 2 ** 30

/** `select pg_cancel_backend(1073741825)` in one spacing or another, with or without a parameter or a name behind it. */
const COMMAND = /^select (?:pg_catalog\.)?pg_(cancel|terminate)_backend\((\$1|\d{1,10})\)(?: as \w{1,60})?;?$/

/**
 * The clients of one tenant that somebody has asked for their `processID`. It is none of the server's: behind that one somebody
 * else's statement may be running by the time it is cancelled (hazard i).
 */
export class RunningClients {
  readonly #clients = new Map<number, Running>()

  add(client: Running): number {
    this.#clients.set(++last, client)
    return last
  }

  remove(id: number): void {
    this.#clients.delete(id)
  }

  /** Does what the statement asks for when it names one of these clients; says whether it did. */
  obey(text: unknown, values: readonly unknown[] | undefined): boolean {
    if (typeof text !== 'string' || !text.includes('_backend')) return false
    const [, command, named] = COMMAND.exec(text.trim().toLowerCase()) ?? []
    const client = this.#clients.get(Number(named === '$1' ? values?.[0] : named))
    if (!client) return false
    if (command === 'cancel') client.cancel()
    else client.terminate()
    return true
  }
}

/** What is told to stop where it takes too long. */
interface Cancellable {
  cancellable: boolean
  cancel(): void
}

/**
 * As `query_timeout` of `pg`: who waits is told so; here the statement is cancelled, too.
 *
 * @param ms `undefined` or 0 for as long as it takes
 * @throws Error `Query read timeout`
 */
export async function inTime<T>(
  ms: number | undefined,
  open: () => Promise<Cancellable>,
  job: () => Promise<T>,
): Promise<T> {
  if (!ms) return await job()
  const connection = await open()
  const before = connection.cancellable
  connection.cancellable = true
  let late = false
  const timer = setTimeout(() => {
    late = true
    connection.cancel()
  }, ms)
  try {
    return await job()
  } catch (error) {
    throw late ? new Error('Query read timeout', { cause: error }) : error
  } finally {
    clearTimeout(timer)
    connection.cancellable = before
  }
}

/** Those who take one after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /**
   * Runs `job` when those before it are over.
   *
   * @throws TenancyError POOL_EXHAUSTED when that takes longer than `waitMs`; it is not run then
   */
  async take<T>(waitMs: number, job: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    let late = false
    // Whoever waits behind clients that wait is told in time, however many there are.
    const over = new Promise<never>((_, reject) => {
      if (waitMs < LONGEST_TIMER) timer = setTimeout(() => reject(turnTooLate()), waitMs)
    }).catch((error: unknown) => {
      late = true
      throw error
    })
    const turn = this.#last.then(() => {
      clearTimeout(timer)
      if (late) throw turnTooLate()
      return job()
    })
    this.#last = turn.catch(() => {})
    return await Promise.race([turn, over])
  }
}

/** What a timer can wait (ms). */
const LONGEST_TIMER = 2 ** 31

/**
 * The connections that keep session locks, of all tenants' clients together. Whoever has one needs a second to go on, so that they
 * may have half of them: the rest is everybody's, whatever they wait for.
 */
export class LockHolders {
  #free: number
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>()

  /** @param connections how many there are for tenants' scopes */
  constructor(connections: number) {
    this.#free = Math.floor(connections / 2)
  }

  /**
   * Waits until there is one to spare.
   *
   * @returns gives it back
   * @throws TenancyError POOL_EXHAUSTED
   */
  async take(waitMs: number): Promise<() => void> {
    // guard: ad: a tenant's session locks leave the others connections
    if (this.#free === 0) await this.#turn(waitMs)
    this.#free--
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#free++
      const [next] = this.#waiting
      next?.()
    }
  }

  #turn(waitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const come = () => {
        clearTimeout(timer)
        this.#waiting.delete(come)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(come)
        reject(holdersExhausted())
      }, waitMs)
      this.#waiting.add(come)
    })
  }
}

const holdersExhausted = () =>
  exhausted('Half of the connections keep advisory locks of sessions, and no more may.')
const turnTooLate = () =>
  exhausted("Other clients of this tenant's pool wait for advisory locks of their sessions, one at a time.")

function exhausted(why: string): TenancyError {
  return new TenancyError(
    'POOL_EXHAUSTED',
    `${why} Take locks of transactions (pg_advisory_xact_lock), give locks back sooner, or give the pool more connections (at least 2).`,
    { details: { reason: 'session_locks' } },
  )
}
