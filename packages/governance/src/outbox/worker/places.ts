import type { Taken } from './queue.ts'

/** Places at which events are handled; no tenant's ever have all of them. */
export interface Places {
  /** How many events could begin; where a tenant's have all others, only somebody else's. */
  readonly free: number
  /** Whether one waits whose tenant's have all others. */
  readonly crowded: boolean
  /** Begins at once, or as soon as another of its tenant's is done; `false` where one waits already. */
  begin(event: Taken): boolean
  /** How many of a tenant's are being handled. */
  of(tenant: string): number
  /** The one that waits: it does not begin any more. */
  giveBack(): Taken | undefined
}

/**
 * Without a place that is kept for others, the events of one tenant, or locks that its SQL holds, could stop everybody's for as long
 * as a handler may take: who is slow is only known once it was.
 *
 * @param most how many there are; a single one is whosever turn it is
 */
export function placesOf(most: number, handle: (event: Taken) => Promise<void>): Places {
  const running = new Map<string, number>()
  let busy = 0
  let waiting: Taken | undefined
  const fits = ({ tenant, solo }: Taken) => solo || most === 1 || (running.get(tenant) ?? 0) < most - 1
  const giveBack = () => {
    const event = waiting
    waiting = undefined
    return event
  }
  const go = (event: Taken) => {
    busy += 1
    running.set(event.tenant, (running.get(event.tenant) ?? 0) + 1)
    void handle(event).finally(() => over(event))
  }
  const over = ({ tenant }: Taken) => {
    busy -= 1
    const left = (running.get(tenant) ?? 1) - 1
    if (left > 0) running.set(tenant, left)
    else running.delete(tenant)
    if (waiting === undefined || !fits(waiting)) return
    const next = giveBack()
    if (next) go(next)
  }
  return {
    get free() {
      return most - busy
    },
    get crowded() {
      return waiting !== undefined
    },
    begin: (event) => {
      if (fits(event)) go(event)
      else if (waiting === undefined) waiting = event
      else return false
      return true
    },
    of: (tenant) => running.get(tenant) ?? 0,
    giveBack,
  }
}
