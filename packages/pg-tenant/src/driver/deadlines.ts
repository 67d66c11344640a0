import { AsyncLocalStorage } from 'node:async_hooks'

/** Something that waits, and what becomes of it when it has waited for too long. */
export interface Waiting {
  /** By `performance.now()`. */
  readonly deadline: number
  expire(): void
}

// A timer keeps the context it was made in, and would run what it ends in that of whichever tenant came first (hazard s).
const outside = AsyncLocalStorage.snapshot()

/** What a timer takes; one that was cut short looks again. */
const LONGEST_MS = 2 ** 31 - 1

/**
 * One timer for all that wait, however many come and go: to wait costs an entry in a set. It keeps the process alive only while
 * something waits.
 */
export class Deadlines {
  readonly #waiting = new Set<Waiting>()
  #timer: NodeJS.Timeout | undefined
  /** When it goes off. */
  #due = Number.POSITIVE_INFINITY

  add(one: Waiting): void {
    this.#waiting.add(one)
    if (one.deadline < this.#due) this.#wake(one.deadline)
    else if (this.#waiting.size === 1) this.#timer?.ref()
  }

  delete(one: Waiting): void {
    if (this.#waiting.delete(one) && this.#waiting.size === 0) this.#timer?.unref()
  }

  #wake(at: number): void {
    clearTimeout(this.#timer)
    this.#due = at
    const ms = Math.min(LONGEST_MS, Math.max(1, Math.ceil(at - performance.now())))
    this.#timer = outside(() => setTimeout(() => this.#look(), ms))
  }

  #look(): void {
    this.#timer = undefined
    this.#due = Number.POSITIVE_INFINITY
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const one of [...this.#waiting]) {
      if (one.deadline > now) next = Math.min(next, one.deadline)
      else if (this.#waiting.delete(one)) one.expire()
    }
    // What was ended may have begun something else.
    if (next < this.#due) this.#wake(next)
  }
}
