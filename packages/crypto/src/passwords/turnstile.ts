import { TenancyError } from '@org/core'

/** How one call waits for its turn. */
export interface WaitOptions {
  /** Gives up waiting; work that has begun runs to its end (some milliseconds). */
  readonly signal?: AbortSignal | undefined
}

/** Lets a few through at once, keeps a few waiting in their order, and turns the rest away. */
export interface Turnstile {
  /**
   * Runs `work` when it is its turn.
   *
   * @throws TenancyError SERVICE_UNAVAILABLE when too many wait (`details.reason` `queue`) or it took too long (`wait`)
   * @throws TenancyError ABORTED by `options.signal`
   */
  pass<T>(work: () => Promise<T>, options?: WaitOptions): Promise<T>
  /** How many run and how many wait, for a gauge. */
  load(): { readonly running: number; readonly waiting: number }
}

export function createTurnstile(limits: {
  readonly maxConcurrent: number
  readonly maxQueue: number
  /** milliseconds */
  readonly maxWait: number
}): Turnstile {
  const waiting = new Set<() => void>()
  let running = 0

  /** The free place goes to the one who waits longest (a Set keeps its order); it is never free in between. */
  const leave = (): void => {
    const [next] = waiting
    if (next === undefined) running -= 1
    else next()
  }

  const enter = (signal: AbortSignal | undefined): Promise<void> | undefined => {
    if (signal?.aborted) throw aborted()
    if (running < limits.maxConcurrent) {
      running += 1
      return undefined
    }
    if (waiting.size >= limits.maxQueue) throw busy('queue', 'Too many passwords are being checked.')
    return new Promise((resolve, reject) => {
      const settle = (error?: TenancyError): void => {
        waiting.delete(goIn)
        clearTimeout(timer)
        signal?.removeEventListener('abort', giveUp)
        if (error === undefined) resolve()
        else reject(error)
      }
      const goIn = (): void => settle()
      const giveUp = (): void => settle(aborted())
      const timer = setTimeout(
        () => settle(busy('wait', 'A password waited too long for its check.')),
        limits.maxWait,
      )
      signal?.addEventListener('abort', giveUp, { once: true })
      waiting.add(goIn)
    })
  }

  return {
    async pass(work, { signal } = {}) {
      await enter(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
    load: () => ({ running, waiting: waiting.size }),
  }
}

function busy(reason: string, message: string): TenancyError {
  return new TenancyError('SERVICE_UNAVAILABLE', `${message} Try again, and limit attempts by client.`, {
    details: { reason },
  })
}

function aborted(): TenancyError {
  return new TenancyError('ABORTED', 'The caller gave up while its password waited to be checked.')
}
