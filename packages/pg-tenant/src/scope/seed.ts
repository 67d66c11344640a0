import { randomFillSync } from 'node:crypto'

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
