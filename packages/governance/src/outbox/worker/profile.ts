import { integerOption } from '@org/core'
import { invalidOption } from '../../input/input.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/**
 * How often a failed event is tried again, and how long after each failure (ms); the last delay repeats. Then it is a dead
 * letter. An event is tried once more than it is retried.
 */
export interface RetryPolicy {
  readonly retries: number
  readonly delays: readonly number[]
}

const DELAYS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR]

/** The operating profiles: their policies as data. */
export const RETRY_PROFILES = {
  mvp: { retries: 5, delays: DELAYS },
  standard: { retries: 10, delays: [...DELAYS, 12 * HOUR, 24 * HOUR] },
  enterprise: { retries: 20, delays: [...DELAYS, 12 * HOUR, 24 * HOUR] },
} as const satisfies Record<string, RetryPolicy>

export type RetryProfile = keyof typeof RETRY_PROFILES

/** Delays are drawn from this much around what the policy says, so that what failed together does not return together. */
const JITTER = 0.1

/** @internal @throws TenancyError INVALID_OPTION */
export function parsePolicy(value: RetryProfile | RetryPolicy = 'mvp'): RetryPolicy {
  if (typeof value === 'string') {
    if (Object.hasOwn(RETRY_PROFILES, value)) return RETRY_PROFILES[value]
    throw invalidOption('retry', 'mvp, standard, enterprise or { retries, delays }')
  }
  const { retries, delays } = value
  integerOption('retry.retries', retries, 0, 100)
  const fine = Array.isArray(delays) && delays.length > 0 && delays.every((ms) => ms >= 0 && ms <= 24 * HOUR)
  if (!fine) throw invalidOption('retry.delays', 'a list of milliseconds from 0 to 86,400,000')
  return { retries, delays }
}

/**
 * @internal
 * @param attempt which attempt failed, from 1
 * @param draw from 0 to 1
 * @returns milliseconds until the next
 */
export function delayAfter({ delays }: RetryPolicy, attempt: number, draw = Math.random()): number {
  const delay = delays[Math.min(attempt, delays.length) - 1] ?? 0
  return Math.round(delay * (1 - JITTER + 2 * JITTER * draw))
}
