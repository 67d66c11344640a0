import { availableParallelism } from 'node:os'
import { integerOption, invalidOption, unknownOption } from '@org/core'

/** What one hash costs (RFC 9106, 3.1). */
export interface Argon2Cost {
  /** Memory in KiB (`m`). */
  readonly memoryCost: number
  /** Passes over the memory (`t`). */
  readonly timeCost: number
  /** Lanes (`p`). */
  readonly parallelism: number
}

/** Options of `createPasswords`. The defaults are argon2id as the OWASP Password Storage Cheat Sheet asks for. */
export interface PasswordOptions extends Partial<Argon2Cost> {
  /**
   * Memory of one hash in KiB, 7,168 to 1,048,576 (default 19,456 = 19 MiB). `memoryCost * timeCost` must reach
   * 35,840, the cheapest of OWASP's equivalent settings (m=7168, t=5).
   */
  readonly memoryCost?: number
  /** Passes, 1 to 64 (default 2). */
  readonly timeCost?: number
  /** Lanes, 1 to 16 (default 1; more lanes do not make it faster here). */
  readonly parallelism?: number
  /**
   * How many hashes may be computed at once, 1 to one less than `UV_THREADPOOL_SIZE` (4 unless set). Each needs a
   * thread of libuv's pool, which files, DNS and zlib share, a processor, and `memoryCost` of memory. Default: half of
   * the pool, and one processor less than there are, so that the event loop keeps its own; at least 1.
   */
  readonly maxConcurrent?: number
  /** How many calls may wait for their turn, 0 to 100,000 (default 100); one more is refused at once. */
  readonly maxQueue?: number
  /** How long a call may wait for its turn, in milliseconds, 1 to 600,000 (default 5,000). */
  readonly maxWait?: number
  /** The longest password, in bytes of UTF-8, 64 to 65,536 (default 1,024). */
  readonly maxBytes?: number
  /**
   * A stored hash may need at most this many times the memory, and the work, of a new one, 1 to 64 (default 8):
   * what stands in the database must not decide how much this process computes.
   */
  readonly maxStoredCost?: number
}

/** Options checked and completed. */
export type PasswordSettings = Required<PasswordOptions>

/** OWASP's settings that count as equal: m=47104 t=1, 19456 t=2, 12288 t=3, 9216 t=4, 7168 t=5, all with p=1. */
const CHEAPEST_WORK = 7_168 * 5

/** libuv starts four threads unless told otherwise (its design overview, "Thread pool work scheduling"). */
const DEFAULT_POOL = 4

const RANGES = {
  memoryCost: [7_168, 1_048_576],
  timeCost: [1, 64],
  parallelism: [1, 16],
  maxConcurrent: [1, 1_024],
  maxQueue: [0, 100_000],
  maxWait: [1, 600_000],
  maxBytes: [64, 65_536],
  maxStoredCost: [1, 64],
} as const satisfies Record<keyof PasswordSettings, readonly [number, number]>

/**
 * Checks the options and completes them.
 *
 * @throws TenancyError INVALID_OPTION, with the option's name in `details.option`
 */
export function parsePasswordOptions(options: PasswordOptions): PasswordSettings {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object')
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(RANGES, name)) throw unknownOption(name, Object.keys(RANGES))
  }
  const pool = poolSize()
  const settings = {
    memoryCost: settingOf(options, 'memoryCost', 19_456),
    timeCost: settingOf(options, 'timeCost', 2),
    parallelism: settingOf(options, 'parallelism', 1),
    maxConcurrent: settingOf(options, 'maxConcurrent', defaultConcurrency(pool)),
    maxQueue: settingOf(options, 'maxQueue', 100),
    maxWait: settingOf(options, 'maxWait', 5_000),
    maxBytes: settingOf(options, 'maxBytes', 1_024),
    maxStoredCost: settingOf(options, 'maxStoredCost', 8),
  }
  if (settings.memoryCost * settings.timeCost < CHEAPEST_WORK) {
    throw invalidOption('memoryCost', `at least ${CHEAPEST_WORK} KiB when multiplied by timeCost`)
  }
  if (settings.maxConcurrent > Math.max(1, pool - 1)) {
    throw invalidOption('maxConcurrent', `less than UV_THREADPOOL_SIZE, which is ${pool} here`)
  }
  return settings
}

function defaultConcurrency(pool: number): number {
  return Math.max(1, Math.min(Math.floor(pool / 2), availableParallelism() - 1))
}

function poolSize(): number {
  const set = Number(process.env.UV_THREADPOOL_SIZE)
  return Number.isInteger(set) && set >= 1 && set <= 1_024 ? set : DEFAULT_POOL
}

function settingOf(options: PasswordOptions, name: keyof PasswordSettings, standard: number): number {
  const [min, max] = RANGES[name]
  return integerOption(name, options[name] ?? standard, min, max)
}
