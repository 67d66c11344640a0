import { randomFillSync } from 'node:crypto'

// What is new in every scope: names that nobody else uses, and a seed that nobody can know.

/** What names of the library's own portals and savepoints begin with. */
export const PORTAL_PREFIX = 'pgt_'

const RUN = Math.random().toString(36).slice(2, 10)
let made = 0

/** The gate's portal: one in each transaction, which it cannot outlive, so that all may have the same name. */
export const GATE = `${PORTAL_PREFIX}gate_${RUN}`

/** Name of a portal that nobody else uses. */
export function nextPortal(): string {
  made++
  return `${PORTAL_PREFIX}stream_${RUN}_${made.toString(36)}`
}

const AT_ONCE = 256
const numbers = new Uint32Array(AT_ONCE)
let left = 0

/** Digits of a seed behind the point. */
const DIGITS = 12

/** How long the text of every seed is: messages are kept, and only it is written into them. */
export const SEED_LENGTH = DIGITS + 3

/**
 * A seed for the server's `random()`, -1 to 1, that nobody can know: a tenant may have set one with `setseed`, and RESET ALL
 * leaves it (manual 9.3).
 */
export function nextSeed(): string {
  if (left === 0) {
    randomFillSync(numbers)
    left = AT_ONCE
  }
  const seed = (numbers[--left] as number) / 2 ** 31 - 1
  return seed < 0 ? seed.toFixed(DIGITS) : `+${seed.toFixed(DIGITS)}`
}
