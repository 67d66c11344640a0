import { type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import { integerOption, invalidOption } from '../input/input.ts'
import { addressKey } from './address.ts'
import { type Decision, Meter, type Rate } from './gcra.ts'
import { askingShared, type SharedOptions } from './shared.ts'

export interface RateLimitOptions<Category extends string = string> {
  /** What may come, by category of route; each tenant, and each address without one, has its own. */
  readonly categories: Readonly<Record<Category, Rate>>
  /** How many tenants, and how many addresses, are known at once for each category: 100 to 10,000,000 (default 100,000). */
  readonly maxKeys?: number | undefined
  /** One limit over all processes (default: each process has its own). */
  readonly shared?: SharedOptions | undefined
  /** A clock that only goes forward, in milliseconds (default `performance.now`); for tests. */
  readonly now?: (() => number) | undefined
}

/** Who a request is from: a tenant that was resolved and proven, or else the address it came from. */
export interface Caller {
  /** Never one that a request only names. */
  readonly tenant?: string | undefined
  /** Of the connection, or what a trusted proxy says. */
  readonly address?: string | undefined
}

/** Fields to answer with, by their names. */
export type RateLimitFields = Readonly<Record<string, string>>

/** Made by {@link rateLimit}. */
export interface RateLimiter<Category extends string = string> {
  /**
   * Counts a request and decides, in this process alone.
   *
   * @throws TenancyError INVALID_OPTION for a category there is not
   */
  decide(caller: Caller, category: Category): Decision
  /** The same over all processes, where there is a shared store; while it does not answer, by this process's share. */
  check(caller: Caller, category: Category): Promise<Decision>
  /**
   * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and `Retry-After` where it was refused.
   */
  fields(decision: Decision, category: Category): RateLimitFields
  /**
   * Lets a request through or refuses it.
   *
   * @param answer is told the fields of the answer, in either case
   * @throws TenancyError RATE_LIMITED with `details.retryAfter` in seconds
   */
  require(caller: Caller, category: Category, answer: (fields: RateLimitFields) => void): Promise<void>
  /** Keys that are known now. */
  readonly size: number
}

interface Door {
  readonly rate: Rate
  readonly tenants: Meter
  readonly addresses: Meter
}

const RATE_LIMIT_OPTIONS: OptionNames<RateLimitOptions<string>> = {
  categories: true,
  maxKeys: true,
  shared: true,
  now: true,
}

/**
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { rateLimit } from '@org/governance/rate-limit'
 *
 * const limiter = rateLimit({ categories: { write: { limit: 1, seconds: 3600 } } })
 * const caller = { tenant: 'acme', address: '203.0.113.7' }
 * await limiter.require(caller, 'write', (fields) => console.log(fields))
 * limiter.require(caller, 'write', () => {}) // → throws RATE_LIMITED
 * ```
 */
export function rateLimit<Category extends string>(
  options: RateLimitOptions<Category>,
): RateLimiter<Category> {
  requireKnownOptions(options, RATE_LIMIT_OPTIONS)
  const { shared, now = () => performance.now() } = options ?? {}
  const maxKeys = integerOption('maxKeys', options?.maxKeys ?? 100_000, 100, 10_000_000)
  const rates = ratesOf(options?.categories)
  const processes = shared === undefined ? 1 : integerOption('shared.processes', shared.processes, 1, 10_000)
  // Asked first where there is a store, each process's share where there is none or it does not answer.
  const doors = new Map(rates.map(([name, rate]) => [name, doorOf(rate, shareOf(rate, processes), maxKeys)]))
  const ask = shared && askingShared(shared, now)
  const doorAt = (category: string): Door => {
    const door = doors.get(category)
    if (door === undefined) throw invalidOption('category', `one of ${[...doors.keys()].join(', ')}`)
    return door
  }
  const limiter: RateLimiter<Category> = {
    decide: ({ tenant, address }, category) => {
      const door = doorAt(category)
      return tenant === undefined
        ? door.addresses.decide(addressKey(address), now())
        : door.tenants.decide(tenant, now())
    },
    check: async (caller, category) => {
      const { rate } = doorAt(category)
      const key = caller.tenant === undefined ? `a:${addressKey(caller.address)}` : `t:${caller.tenant}`
      return (await ask?.(category, key, rate)) ?? limiter.decide(caller, category)
    },
    fields: (decision, category) => fieldsOf(decision, category, doorAt(category).rate),
    require: async (caller, category, answer) => {
      const decision = await limiter.check(caller, category)
      answer(limiter.fields(decision, category))
      if (!decision.allowed) throw limited(decision, category)
    },
    get size() {
      return [...doors.values()].reduce(
        (sum, { tenants, addresses }) => sum + tenants.size + addresses.size,
        0,
      )
    },
  }
  return limiter
}

function doorOf(rate: Rate, share: Rate, maxKeys: number): Door {
  return { rate, tenants: new Meter(share, maxKeys), addresses: new Meter(share, maxKeys) }
}

/** Shares of all processes together are at most the limit, where that is at least one for each. */
function shareOf(rate: Rate, processes: number): Rate {
  const { limit, seconds, burst = limit } = rate
  const part = (whole: number) => Math.max(1, Math.floor(whole / processes))
  return processes === 1 ? rate : { limit: part(limit), seconds, burst: part(burst) }
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/

function ratesOf(categories: unknown): [string, Rate][] {
  const entries = Object.entries((categories ?? {}) as Record<string, Rate>)
  if (entries.length === 0) throw invalidOption('categories', 'an object of limits by category')
  for (const [name, rate] of entries) {
    if (!NAME.test(name)) throw invalidOption('categories', 'named by a-z, 0-9, "_" and "-", up to 63')
    const at = `categories.${name}`
    const { limit, seconds, burst = limit } = rate ?? {}
    integerOption(`${at}.limit`, limit, 1, 1_000_000)
    if (!(seconds >= 1 && seconds <= 86_400)) throw invalidOption(`${at}.seconds`, 'a number from 1 to 86400')
    integerOption(`${at}.burst`, burst, 1, limit)
  }
  return entries
}

function fieldsOf(decision: Decision, category: string, { limit, seconds }: Rate): RateLimitFields {
  const { allowed, remaining, resetMs, retryAfterMs } = decision
  const wait = secondsOf(allowed ? resetMs : retryAfterMs)
  return {
    'RateLimit-Policy': `"${category}";q=${limit};w=${seconds}`,
    RateLimit: `"${category}";r=${remaining};t=${wait}`,
    ...(!allowed && { 'Retry-After': String(Math.max(1, wait)) }),
  }
}

const secondsOf = (ms: number): number => Math.ceil(ms / 1_000)

function limited({ retryAfterMs }: Decision, category: string): TenancyError {
  return new TenancyError('RATE_LIMITED', 'Too many requests of this category. Wait, and send it again.', {
    details: { category, retryAfter: Math.max(1, secondsOf(retryAfterMs)) },
  })
}
