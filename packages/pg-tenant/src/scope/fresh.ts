import { randomFillSync } from 'node:crypto'

// What is new in every scope: names that nobody else uses, and a seed that nobody can know.

/** What names of the library's own portals and savepoints begin with. */
export const PORTAL_PREFIX = 'pgt_'

const RUN = Math.random().toString(36).slice(2, 10)
let made = 0

/** A portal name nobody else uses. */
export function nextPortal(kind: 'gate' | 'stream'): string {
  made++
  return `${PORTAL_PREFIX}${kind}_${RUN}_${made.toString(36)}`
}

const AT_ONCE = 256
const numbers = new Uint32Array(AT_ONCE)
let left = 0

/**
 * A seed for the server's `random()`, -1 to 1, that nobody can know: a tenant may have set one with `setseed`, and RESET ALL
 * leaves it (manual 9.3).
 */
export function nextSeed(): string {
  if (left === 0) {
    randomFillSync(numbers)
    left = AT_ONCE
  }
  return String((numbers[--left] as number) / 2 ** 31 - 1)
}
