/** How much of one category may come. */
export interface Rate {
  /** Requests in `seconds`: 1 to 1,000,000. */
  readonly limit: number
  /** 1 to 86,400. */
  readonly seconds: number
  /** How many may come at once, 1 to `limit` (default `limit`). */
  readonly burst?: number | undefined
}

/** Whether a request may go on, and what there is left. */
export interface Decision {
  readonly allowed: boolean
  /** Requests that could come at once now. */
  readonly remaining: number
  /** Milliseconds until a request that was refused would be let through; 0 when it was. */
  readonly retryAfterMs: number
  /** Milliseconds until all may come at once again. */
  readonly resetMs: number
}

/**
 * Decides for many keys by the generic cell rate algorithm (ATM Forum TM 4.0; one number for a key: when it will have been
 * idle long enough) in bounded memory. A key whose moment is past holds nothing worth keeping and makes room; where every
 * key is busy, new ones share one budget: so a flood of made-up keys neither grows the heap nor pushes anybody's key out.
 *
 * @internal
 */
export class Meter {
  readonly #idleAt = new Map<string, number>()
  readonly #interval: number
  readonly #room: number
  readonly #maxKeys: number
  #overflow = 0
  #sweep: Iterator<[string, number]> | undefined

  constructor({ limit, seconds, burst = limit }: Rate, maxKeys: number) {
    this.#interval = (seconds * 1_000) / limit
    this.#room = this.#interval * burst
    this.#maxKeys = maxKeys
  }

  get size(): number {
    return this.#idleAt.size
  }

  /** @param now milliseconds of a clock that only goes forward */
  decide(key: string, now: number): Decision {
    const known = this.#idleAt.get(key)
    if (known === undefined) this.#makeRoom(now)
    const fits = known !== undefined || this.#idleAt.size < this.#maxKeys
    const idleAt = Math.max(fits ? (known ?? 0) : this.#overflow, now)
    const next = idleAt + this.#interval
    const over = next - now - this.#room
    // Sums of fractions: a millionth of a millisecond is none.
    const allowed = over <= 1e-6
    if (allowed && fits) this.#idleAt.set(key, next)
    else if (allowed) this.#overflow = next
    const busyUntil = allowed ? next : idleAt
    return {
      allowed,
      remaining: Math.max(0, Math.floor((this.#room - (busyUntil - now)) / this.#interval + 1e-6)),
      retryAfterMs: allowed ? 0 : over,
      resetMs: busyUntil - now,
    }
  }

  /** Looks at a few keys for each new one: what is idle goes, so that there are never many that need not be there. */
  #makeRoom(now: number): void {
    for (let looked = 0; looked < 2; looked++) {
      this.#sweep ??= this.#idleAt.entries()
      const { done, value } = this.#sweep.next()
      if (done) {
        this.#sweep = undefined
        return
      }
      if (value[1] <= now) this.#idleAt.delete(value[0])
    }
  }
}
