import { TenancyError } from '@org/core'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { aborted } from '../errors/from-scope.ts'
import { Deadlines, type Waiting } from './deadlines.ts'
import { memoryOf } from './memory.ts'
import { Session } from './session.ts'
import { isWireClient, type PoolClientLike, type PoolLike } from './types.ts'

/**
 * Takes a connection from the pool, waiting at most `waitMs` milliseconds (hazard j: a wait without bound turns an
 * exhausted pool into a deadlock).
 *
 * @throws TenancyError POOL_EXHAUSTED after `waitMs`
 * @throws TenancyError ABORTED when `signal` fires first
 * @throws TenancyError CONNECTION_LOST when no connection could be made
 */
export function checkout(pool: PoolLike, waitMs: number, signal: AbortSignal | undefined): Promise<Session> {
  if (signal?.aborted) return Promise.reject(aborted(signal))
  return new Promise((resolve, reject) => new Checkout(pool, waitMs, signal, resolve, reject).take())
}

/** A client of the pool, whatever an earlier user has left on it. @throws TenancyError POOL_EXHAUSTED or CONNECTION_LOST, coded */
export function connectTo(pool: PoolLike): Promise<PoolClientLike> {
  return pool.connect().catch((error: unknown) => {
    throw fromConnectError(error)
  })
}

/** Of all pools. */
const patience = new Deadlines()

/** One who waits for a connection. */
class Checkout implements Waiting {
  readonly deadline: number
  readonly #pool: PoolLike
  readonly #waitMs: number
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  readonly #resolve: (session: Session) => void
  readonly #reject: (error: unknown) => void
  #waiting = true

  constructor(
    pool: PoolLike,
    waitMs: number,
    signal: AbortSignal | undefined,
    resolve: (session: Session) => void,
    reject: (error: unknown) => void,
  ) {
    this.deadline = performance.now() + waitMs
    this.#pool = pool
    this.#waitMs = waitMs
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    patience.add(this)
    if (!signal) return
    this.#onAbort = () => {
      if (this.#stop()) reject(aborted(signal))
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  expire(): void {
    if (this.#stop()) this.#reject(exhausted(this.#waitMs))
  }

  take(): void {
    this.#pool.connect().then(
      (client) => this.#given(client),
      (error: unknown) => {
        if (this.#stop()) this.#reject(fromConnectError(error))
      },
    )
  }

  #given(client: PoolClientLike): void {
    // Too late: nobody waits any more. The connection is untouched, so it goes straight back.
    if (!this.#waiting) {
      client.release()
      return
    }
    if (isWireClient(client) && client.getTransactionStatus() !== 'I') {
      // Somebody gave it back inside a transaction of theirs: BEGIN would join it.
      client.release(true)
      this.take()
      return
    }
    this.#stop()
    try {
      this.#resolve(open(client))
    } catch (error) {
      client.release()
      this.#reject(error)
    }
  }

  /** @returns whether it still waited */
  #stop(): boolean {
    const was = this.#waiting
    this.#waiting = false
    patience.delete(this)
    if (this.#onAbort) this.#signal?.removeEventListener('abort', this.#onAbort)
    return was
  }
}

function open(client: PoolClientLike): Session {
  if (!isWireClient(client)) {
    throw new TenancyError(
      'INVALID_OPTION',
      "The pool's clients are not those of pg's JavaScript driver (8.21 or later). pg-native is not supported: " +
        'pass a pool made by `new pg.Pool()`.',
      { details: { option: 'pool' } },
    )
  }
  return new Session(client, memoryOf(client))
}

function exhausted(waitMs: number): TenancyError {
  return new TenancyError(
    'POOL_EXHAUSTED',
    `No connection became free within ${waitMs} ms. Raise the pool's max, shorten your scopes, or raise connectionTimeout.`,
    { details: { waitMs } },
  )
}
