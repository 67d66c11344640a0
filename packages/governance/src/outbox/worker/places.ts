import type { Taken } from './queue.ts'

/** Places at which events are handled, of which every tenant leaves others some. */
export interface Places {
  /** How many are not taken. */
  readonly free: number
  /** How many of these nobody waits for. */
  readonly room: number
  /** Whether one waits that its tenant has no place for. */
  readonly crowded: boolean
  /** Whether one has waited for so long (ms). */
  stuck(ms: number): boolean
  /** Begins at once, or as soon as its tenant has a place for it; `false` where as many wait as there are places. */
  begin(event: Taken): boolean
  /** How many of a tenant's are being handled. */
  of(tenant: string): number
  /** Those that wait: they do not begin any more. */
  giveBack(): Taken[]
}

/** The share of the places that is not for tenants whose handlers hang. */
const RESERVED = 0.25

/**
 * No tenant has more places than are free (dynamic thresholds: Choudhury and Hahne, 1998), so that `k` of them leave a share of
 * 1/(k + 1) to others, however long their handlers take or their SQL holds locks: who is slow is only known once it was. Of those who
 * are known to hang any number leaves a quarter.
 *
 * @param most how many there are; a single one is whosever turn it is
 * @param hangs whether handlers of a tenant are known to hang
 */
export function placesOf(
  most: number,
  handle: (event: Taken) => Promise<void>,
  hangs: (tenant: string) => boolean,
): Places {
  const running = new Map<string, number>()
  const reserved = most === 1 ? 0 : Math.ceil(most * RESERVED)
  let busy = 0
  let waiting: { readonly event: Taken; readonly since: number }[] = []
  const of = (tenant: string) => running.get(tenant) ?? 0
  const fits = ({ tenant, solo }: Taken) => {
    const free = most - busy
    return free > 0 && (solo || (of(tenant) < free && (free > reserved || !hangs(tenant))))
  }
  const go = (event: Taken) => {
    busy += 1
    running.set(event.tenant, of(event.tenant) + 1)
    void handle(event).finally(() => over(event))
  }
  const over = ({ tenant }: Taken) => {
    busy -= 1
    const left = of(tenant) - 1
    if (left > 0) running.set(tenant, left)
    else running.delete(tenant)
    waiting = waiting.filter(({ event }) => {
      if (!fits(event)) return true
      go(event)
      return false
    })
  }
  return {
    get free() {
      return most - busy
    },
    get room() {
      return Math.max(0, most - busy - waiting.length)
    },
    get crowded() {
      return waiting.length > 0
    },
    stuck: (ms) => waiting[0] !== undefined && performance.now() - waiting[0].since >= ms,
    begin: (event) => {
      if (fits(event)) go(event)
      else if (waiting.length < most - busy) waiting.push({ event, since: performance.now() })
      else return false
      return true
    },
    of,
    giveBack: () => {
      const back = waiting.map(({ event }) => event)
      waiting = []
      return back
    },
  }
}
