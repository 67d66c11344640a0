interface Pending {
  readonly dueMs: number
  readonly run: () => void
}

// Timers round to whole milliseconds and fire up to one late, so the last stretch is spun.
const TIMER_WORTH_MS = 3
const SPIN_MS = 2

/**
 * Runs things in order, each `delayMs` after it was scheduled. Several wait at once: it adds latency, it
 * does not serialise. Accurate to the length of one event-loop turn (some microseconds): near the due
 * time it spins on `setImmediate`, which lets I/O through on every turn. Idle, it costs nothing.
 *
 * Without a delay things still run only after the current poll for I/O: bytes that had already arrived
 * are then read before an answer goes out, which the round-trip count relies on.
 */
export class DelayLine {
  #delayMs: number
  #queue: Pending[] = []
  #lastDueMs = 0
  #armed = false
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined

  constructor(delayMs: number) {
    this.#delayMs = delayMs
  }

  setDelayMs(delayMs: number): void {
    this.#delayMs = delayMs
  }

  schedule(run: () => void): void {
    // Never before what was scheduled earlier, also when the delay has just become shorter.
    this.#lastDueMs = Math.max(performance.now() + this.#delayMs, this.#lastDueMs)
    this.#queue.push({ dueMs: this.#lastDueMs, run })
    this.#arm()
  }

  stop(): void {
    this.#queue = []
    this.#armed = false
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
  }

  #arm(): void {
    const next = this.#queue[0]
    if (next === undefined || this.#armed) return
    this.#armed = true
    const waitMs = next.dueMs - performance.now()
    if (waitMs > TIMER_WORTH_MS) this.#timer = setTimeout(this.#turn, waitMs - SPIN_MS)
    else this.#immediate = setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#armed = false
    const now = performance.now()
    const later = this.#queue.findIndex((pending) => pending.dueMs > now)
    const ready = this.#queue.splice(0, later === -1 ? this.#queue.length : later)
    for (const { run } of ready) run()
    this.#arm()
  }
}
