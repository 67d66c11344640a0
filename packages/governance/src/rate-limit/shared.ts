import { isTenancyError } from '@org/core'
import { integerOption, invalidOption } from '../input/input.ts'
import type { Decision, Rate } from './gcra.ts'

/** Counts over all processes. */
export interface SharedStore {
  /** Counts one request of `key` in `category`. Rejects when the store gives no answer. */
  consume(category: string, key: string, rate: Rate): Promise<Decision>
}

/** What is used of a limiter of `rate-limiter-flexible` (10 or later). */
export interface FlexibleLimiter {
  consume(key: string, points?: number): Promise<FlexibleResult>
}

interface FlexibleResult {
  readonly remainingPoints?: number
  readonly msBeforeNext?: number
}

/**
 * A shared store of limiters of `rate-limiter-flexible`, one for each category, with its `points` and `duration`.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { flexibleStore, rateLimit } from '@org/governance/rate-limit'
 * import { RateLimiterMemory } from 'rate-limiter-flexible'
 *
 * const write = new RateLimiterMemory({ points: 60, duration: 60 }) // over several processes: RateLimiterRedis
 * const store = flexibleStore({ write })
 * rateLimit({ categories: { write: { limit: 60, seconds: 60 } }, shared: { store, processes: 4 } })
 * ```
 */
export function flexibleStore(limiters: Readonly<Record<string, FlexibleLimiter>>): SharedStore {
  for (const [category, limiter] of Object.entries(limiters ?? {})) {
    if (typeof limiter?.consume !== 'function') throw invalidOption(`limiters.${category}`, 'a limiter')
  }
  return {
    consume: async (category, key) => {
      const limiter = Object.hasOwn(limiters, category) ? limiters[category] : undefined
      if (limiter === undefined)
        throw invalidOption(`limiters.${category}`, 'a limiter: there is none for this category')
      try {
        return decisionOf(await limiter.consume(key), true)
      } catch (error) {
        // It refuses by rejecting with a result; an error is a store that does not answer.
        if (error instanceof Error || typeof error !== 'object' || error === null) throw error
        return decisionOf(error as FlexibleResult, false)
      }
    },
  }
}

function decisionOf({ remainingPoints = 0, msBeforeNext = 0 }: FlexibleResult, allowed: boolean): Decision {
  return {
    allowed,
    remaining: Math.max(0, remainingPoints),
    retryAfterMs: allowed ? 0 : msBeforeNext,
    resetMs: msBeforeNext,
  }
}

export interface SharedOptions {
  readonly store: SharedStore
  /** How many processes there are: while the store does not answer, each lets its share through. 1 to 10,000. */
  readonly processes: number
  /** How long the store may take, in milliseconds, 1 to 10,000 (default 50). */
  readonly timeout?: number | undefined
  /** How many requests may wait for it at once, 1 to 100,000 (default 1,000). */
  readonly maxWaiting?: number | undefined
}

/** How long a store that failed is left alone, in milliseconds: nobody waits for it meanwhile. */
const PAUSE_MS = 1_000

/**
 * Asks the store, and says `undefined` when it does not answer in time, failed a moment ago, or too many wait for it
 * already: doors are neither closed by a slow store nor left open.
 *
 * @internal
 */
export function askingShared(
  options: SharedOptions,
  now: () => number,
): (category: string, key: string, rate: Rate) => Promise<Decision | undefined> {
  const { store } = options
  if (typeof store?.consume !== 'function') throw invalidOption('shared.store', 'a shared store')
  const timeout = integerOption('shared.timeout', options.timeout ?? 50, 1, 10_000)
  const most = integerOption('shared.maxWaiting', options.maxWaiting ?? 1_000, 1, 100_000)
  let pausedUntil = Number.NEGATIVE_INFINITY
  let waiting = 0
  return async (category, key, rate) => {
    if (now() < pausedUntil || waiting >= most) return undefined
    waiting++
    const asked = store.consume(category, key, rate).finally(() => {
      waiting--
    })
    asked.catch(() => {})
    let timer: NodeJS.Timeout | undefined
    try {
      const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), timeout)
      })
      const decision = await Promise.race([asked, late])
      if (decision === undefined) pausedUntil = now() + PAUSE_MS
      return decision
    } catch (error) {
      // Not the store, which would stay silent for ever.
      if (isTenancyError(error, 'INVALID_OPTION')) throw error
      pausedUntil = now() + PAUSE_MS
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}
