/** Keeps one that is slow from taking all the places of others. */
export interface Pace {
  /** Milliseconds to wait before it is the turn of one more of `whose`; `undefined`: now. */
  wait(whose: string): number | undefined
  /** Whether it is known to have taken that long (ms), on average, and not to be better yet. */
  takes(whose: string, ms: number): boolean
  during(whose: string, run: () => Promise<void>): Promise<void>
}

/** Whoever is done sooner than this, on average, gives places back fast enough (ms). */
const SLOW = 200
/** The longest wait (ms): then it is looked at again. */
const LONGEST = 60_000
/** What the newest duration counts for in the average. */
const NEWEST = 0.2

/** How many are remembered that are not busy. */
const REMEMBERED = 10_000

/** @internal */
export interface PaceOptions {
  /** Whoever is not known yet is taken for slow. */
  readonly cautious?: boolean
  /** Milliseconds. */
  readonly now?: () => number
}

interface Lane {
  busy: number
  /** Moving average of how long one takes, in ms. */
  average: number
  /** Whether one was ever done. */
  known: boolean
  /** When all that was told to wait will have had its turn. */
  booked: number
  /** Begin of those under way. */
  readonly begun: Set<{ readonly at: number }>
}

/**
 * At most `places` at once of the same `whose`, once that one is known to be slow. What is more is told when its turn
 * will come, as far as can be said: so a long queue of somebody slow is not looked at again and again.
 */
export function paceOf(
  places: number,
  { cautious = false, now = () => performance.now() }: PaceOptions = {},
): Pace {
  const lanes = new Map<string, Lane>()
  const slowness = ({ average, begun, known }: Lane): number => {
    const [oldest] = begun
    if (cautious && !known) return SLOW
    return Math.max(average, oldest === undefined ? 0 : now() - oldest.at)
  }
  return {
    wait: (whose) => {
      const lane = lanes.get(whose)
      if (lane === undefined || lane.busy < places) return undefined
      const slow = slowness(lane)
      if (slow < SLOW) return undefined
      lane.booked = Math.max(lane.booked, now()) + slow / places
      return Math.min(Math.max(lane.booked - now(), SLOW), LONGEST)
    },
    takes: (whose, ms) => (lanes.get(whose)?.average ?? 0) >= ms,
    during: async (whose, run) => {
      const lane = lanes.get(whose) ?? { busy: 0, average: 0, known: false, booked: 0, begun: new Set() }
      lanes.set(whose, lane)
      const entry = { at: now() }
      lane.busy += 1
      lane.begun.add(entry)
      try {
        await run()
      } finally {
        lane.begun.delete(entry)
        lane.busy -= 1
        const took = now() - entry.at
        lane.average += (lane.known ? NEWEST : 1) * (took - lane.average)
        lane.known = true
        const worth = cautious || lane.average >= SLOW || lane.booked > now()
        if (lane.busy === 0 && (lanes.size > REMEMBERED || !worth)) lanes.delete(whose)
      }
    },
  }
}
