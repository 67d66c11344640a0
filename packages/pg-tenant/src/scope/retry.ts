import { setTimeout as delay } from 'node:timers/promises'
import { isTenancyError } from '@org/core'
import { isRetryable } from '../errors/from-database.ts'
import type { ScopeSettings } from './options.ts'

const MAX_BACKOFF_MS = 1_000

/**
 * Runs `attempt` again after a serialization failure or deadlock, as often as the settings allow. An unknown outcome
 * is neither, so it is never tried again.
 */
export async function withRetry<T>({ retry, signal }: ScopeSettings, attempt: () => Promise<T>): Promise<T> {
  for (let made = 1; ; made++) {
    try {
      return await attempt()
    } catch (error) {
      const again = isTenancyError(error) && isRetryable(error) && made < retry.attempts && !signal?.aborted
      if (!again) throw error
      // Full jitter: those who collided do not meet again.
      const ceiling = Math.min(MAX_BACKOFF_MS, retry.backoff * 2 ** (made - 1))
      await delay(Math.random() * ceiling)
    }
  }
}
