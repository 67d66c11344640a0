import { setImmediate } from 'node:timers/promises'
import { company, type Gathering } from './company.ts'
import { leaseOver, type Outcome } from './outcome.ts'
import type { Queue, Taken } from './queue.ts'

/** What a worker holds: renews it, and says what became of it, together where it can. */
export interface Leases {
  /** @param since when it was begun to take them (`performance.now`) */
  add(taken: readonly Taken[], since: number): void
  /** One event's end; resolves at once, what is said goes out with what else of the lease ends within some milliseconds. */
  settle(event: Taken, outcome: Outcome['outcome'], more?: { delay?: number; reason?: string }): void
  /**
   * Makes sure that an event is still this worker's; where its lease was not renewed lately (the process was stopped, or the
   * database did not answer), asks.
   *
   * @returns until when it surely is, by the database's clock: milliseconds since 1970
   * @throws TenancyError CONFLICT with `details.reason` `lease_lost`
   */
  hold(event: Taken): Promise<number>
  /** Called when the lease of an event was lost to somebody else. */
  onLost(event: Taken, lost: () => void): void
  /** Prolongs what is open. */
  renew(): Promise<void>
  /** Resolves when all that was settled has been said, or could not be. */
  flushed(): Promise<void>
  readonly open: number
}

interface Lease extends Gathering {
  readonly id: string
  readonly token: string
  /** Until when it surely is ours: by the clock of this process that only goes forward, and by the database's. */
  until: number
  deadline: number
  readonly lost: Map<string, () => void>
  left: number
  done: string[]
  others: Outcome[]
  /** Others wait for one of these: it has a key. */
  urgent: boolean
  sending: Promise<void> | undefined
}

/** How much of a lease is counted on: the rest is for a COMMIT that is under way. */
const SURE = 0.75

/**
 * How long the end of an event waits for those of others of its lease (ms): a settlement costs the database more than they do, and
 * the place of the event is free already.
 */
const GATHER = 25

/** How often a settlement is sent again while the database does not answer: a second apart, about as long as a lease. */
const TRIES = 30

/**
 * @param report told what goes wrong: a settlement that cannot be sent (the lease runs out, and the event is handled again)
 *   or that came too late
 */
export function leasesOf(
  queue: Queue,
  leaseMs: number,
  report: (problem: 'lost' | 'unsettled', error?: unknown) => void,
): Leases {
  const leases = new Map<string, Lease>()
  const sureMs = leaseMs * SURE

  const drop = (lease: Lease) => {
    if (leases.get(lease.id) !== lease) return
    leases.delete(lease.id)
    for (const lost of lease.lost.values()) lost()
  }
  const send = async (lease: Lease) => {
    while (lease.done.length + lease.others.length > 0) {
      const [done, others] = [lease.done, lease.others]
      lease.done = []
      lease.others = []
      lease.urgent = false
      const kept = await said(queue, lease, done, others).catch((error: unknown) => {
        report('unsettled', error)
        return undefined
      })
      if (kept !== true) {
        if (kept === false) report('lost')
        drop(lease)
        return
      }
    }
    if (lease.left === 0) leases.delete(lease.id)
  }
  const flush = (lease: Lease) => {
    if (isDue(lease)) lease.hurry?.()
    lease.sending ??= gathered(lease)
      .then(() => send(lease))
      .finally(() => {
        lease.sending = undefined
        if (lease.done.length + lease.others.length > 0 && leases.has(lease.id)) flush(lease)
      })
  }
  const renew = async (open: readonly Lease[]) => {
    const since = performance.now()
    const { ids, now } = await queue.renew(open, leaseMs)
    for (const lease of open) {
      if (ids.has(lease.id)) {
        lease.until = since + sureMs
        lease.deadline = now + sureMs
      } else if (leases.get(lease.id) === lease && !lease.sending) {
        report('lost')
        drop(lease)
      }
    }
  }
  return {
    get open() {
      return leases.size
    },
    add: (taken, since) => {
      for (const { lease: id, token, now } of taken) {
        const lease = leases.get(id) ?? newLease(id, token, since + sureMs, now + sureMs)
        lease.left += 1
        leases.set(id, lease)
      }
    },
    hold: async (event) => {
      const lease = leases.get(event.lease)
      // guard: a handler that was overtaken or given up on changes nothing any more
      if (lease && performance.now() >= lease.until) await renew([lease])
      // While an end is being said it is not dropped, though it was not renewed.
      const over = lease === undefined || performance.now() >= lease.until
      if (over || leases.get(lease.id) !== lease || !lease.lost.has(event.seq)) throw leaseOver()
      return lease.deadline
    },
    onLost: (event, lost) => leases.get(event.lease)?.lost.set(event.seq, lost),
    settle: (event, outcome, more = {}) => {
      const lease = leases.get(event.lease)
      if (lease === undefined) return
      lease.lost.delete(event.seq)
      lease.left -= 1
      if (outcome === 'done' && event.key === null) lease.done.push(event.seq)
      else lease.others.push({ seq: event.seq, outcome, ...more })
      if (event.key !== null) lease.urgent = true
      flush(lease)
    },
    renew: async () => {
      const open = [...leases.values()].filter(({ left }) => left > 0)
      if (open.length > 0) await renew(open)
    },
    flushed: async () => {
      for (const { hurry } of leases.values()) hurry?.()
      while ([...leases.values()].some(({ sending }) => sending)) {
        await Promise.all([...leases.values()].map(({ sending }) => sending))
      }
    },
  }
}

const newLease = (id: string, token: string, until: number, deadline: number): Lease => ({
  id,
  token,
  until,
  deadline,
  lost: new Map(),
  left: 0,
  done: [],
  others: [],
  urgent: false,
  sending: undefined,
  hurry: undefined,
})

/** Nothing more can come of a lease that is over. */
const isDue = ({ left, urgent }: Lease) => left === 0 || urgent

/** Resolves in the next turn of the loop where there is nothing to wait for. */
async function gathered(lease: Lease): Promise<void> {
  if (!isDue(lease)) await company(lease, GATHER)
  await setImmediate()
}

/** Settling twice settles once, so it may be sent until it is answered. */
async function said(
  queue: Queue,
  { id, token }: Lease,
  done: readonly string[],
  others: readonly Outcome[],
): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await queue.settle(id, token, done, others)
    } catch (error) {
      if (tries >= TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, 1_000).unref())
    }
  }
}
