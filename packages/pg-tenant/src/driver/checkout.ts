import { TenancyError } from '@org/core'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { aborted } from '../errors/from-scope.ts'
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
  return new Promise((resolve, reject) => {
    let waiting = true
    const stop = (): boolean => {
      const was = waiting
      waiting = false
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      return was
    }
    const onAbort = () => {
      if (stop()) reject(aborted(signal as AbortSignal))
    }
    const timer = setTimeout(() => {
      if (stop()) reject(exhausted(waitMs))
    }, waitMs)
    signal?.addEventListener('abort', onAbort, { once: true })
    const take = () => {
      pool.connect().then(
        (client) => {
          // Too late: nobody waits any more. The connection is untouched, so it goes straight back.
          if (!waiting) {
            client.release()
            return
          }
          if (isWireClient(client) && client.getTransactionStatus() !== 'I') {
            // Somebody gave it back inside a transaction of theirs: BEGIN would join it.
            client.release(true)
            take()
            return
          }
          stop()
          try {
            resolve(open(client))
          } catch (error) {
            client.release()
            reject(error)
          }
        },
        (error: unknown) => {
          if (stop()) reject(fromConnectError(error))
        },
      )
    }
    take()
  })
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
