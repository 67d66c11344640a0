import type { ErrorCode } from '@org/core'

/** A value that nothing at hand opens. It was left as it is. */
export interface UnreadableValue {
  readonly tenant: string
  readonly table: string
  /** the name of its place */
  readonly name: string
  readonly code: ErrorCode
}

/** Counts of values. Lists are bounded, counts are not. */
export interface RotationCounts {
  /** values looked at that are secrets */
  readonly examined: number
  /** already as new ones are sealed */
  readonly current: number
  /** sealed anew; in a dry run: that would be */
  readonly resealed: number
  /** secrets found in clear and left so (see `plaintext`) */
  readonly plaintext: number
  /** nothing at hand opens them: neither changed nor skipped silently, see `unreadableValues` */
  readonly unreadable: number
  /** somebody else was changing them, time and again: run it once more */
  readonly busy: number
  /** how many values were found under which key, before this run changed any */
  readonly foundUnder: Readonly<Record<string, number>>
  /** the first of those that nothing opens */
  readonly unreadableValues: readonly UnreadableValue[]
}

type Count = 'examined' | 'current' | 'resealed' | 'plaintext' | 'unreadable' | 'busy'

/** Adds counts up. Each batch has its own, so that a batch that is run again is not counted twice. */
export class Tally {
  readonly #counts: Record<Count, number> = {
    examined: 0,
    current: 0,
    resealed: 0,
    plaintext: 0,
    unreadable: 0,
    busy: 0,
  }
  /** A map: a key's id is any text, `__proto__` too. */
  readonly #foundUnder = new Map<string, number>()
  readonly #unreadable: UnreadableValue[] = []
  readonly #maxReports: number

  constructor(maxReports: number) {
    this.#maxReports = maxReports
  }

  count(what: Count, by = 1): void {
    this.#counts[what] += by
  }

  found(keyId: string, by = 1): void {
    this.#foundUnder.set(keyId, (this.#foundUnder.get(keyId) ?? 0) + by)
  }

  /** Lists a value that nothing opens, as long as there is room. */
  report(value: UnreadableValue): void {
    if (this.#unreadable.length < this.#maxReports) this.#unreadable.push(value)
  }

  add(other: RotationCounts): void {
    for (const what of Object.keys(this.#counts) as Count[]) this.count(what, other[what])
    for (const [keyId, values] of Object.entries(other.foundUnder)) this.found(keyId, values)
    for (const value of other.unreadableValues) this.report(value)
  }

  counts(): RotationCounts {
    return {
      ...this.#counts,
      foundUnder: Object.fromEntries(this.#foundUnder),
      unreadableValues: [...this.#unreadable],
    }
  }
}
