/** A small seeded generator (mulberry32): the same seed gives the same numbers on every machine. */
export class Random {
  #state: number

  constructor(...seeds: readonly number[]) {
    this.#state = 0x9e3779b9
    for (const seed of seeds)
      this.#state = Math.imul(this.#state ^ (seed + 0x7f4a7c15), 0x85ebca6b) ^ (seed >>> 13)
    this.next()
  }

  /** A number from 0 (included) to 1 (excluded). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }

  /** A whole number from 0 to `below - 1`. */
  int(below: number): number {
    return Math.floor(this.next() * below)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(list.length)] as T
  }
}

/** Picks from `entries` in proportion to their weights; built once, then a look-up. */
export class Weighted<T> {
  readonly #entries: readonly T[]
  readonly #sums: readonly number[]

  constructor(entries: readonly T[], weightOf: (entry: T) => number) {
    this.#entries = entries
    let sum = 0
    this.#sums = entries.map((entry) => {
      sum += weightOf(entry)
      return sum
    })
  }

  pick(random: Random): T {
    const point = random.next() * (this.#sums.at(-1) ?? 0)
    return this.#entries[this.#sums.findIndex((sum) => point < sum)] as T
  }
}
