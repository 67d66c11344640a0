import type { TenantQueryable } from '@org/core'
import type { EventMap } from '../publish.ts'
import { batchesOf } from './batches.ts'
import { doorbell } from './doorbell.ts'
import type { Ending } from './handle.ts'
import { HOLDS, lookAtHolds } from './holds.ts'
import { inHandOf } from './in-hand.ts'
import { leasesOf } from './leases.ts'
import { parseWorkerOptions, type WorkerOptions, type WorkerProblem } from './options.ts'
import { paceOf } from './pace.ts'
import { placesOf } from './places.ts'
import { queueOf, type Taken } from './queue.ts'
import { relayOf } from './relay.ts'
import { OTHERS, roomOf } from './room.ts'
import { standings } from './status.ts'
import { coalesced, timetable } from './timetable.ts'

/** What a worker has done since it was made. */
export interface WorkerCounts {
  readonly taken: number
  readonly done: number
  readonly retried: number
  readonly dead: number
  /** Laid aside because its tenant is not in service. */
  readonly held: number
  /** Given back without an attempt. */
  readonly postponed: number
  /** Leases that somebody else has now. */
  readonly lost: number
  /** In hand just now. */
  readonly handling: number
}

/** What {@link createWorker} makes. */
export interface Worker {
  /** Begins; again after {@link stop}. */
  start(): void
  /**
   * Looks at once: call it after a commit that published something. Calls while it is busy are one.
   *
   * @param tenant whose event it was: at level `database` its own outbox is looked at
   */
  wake(tenant?: string): void
  /**
   * Takes nothing more and waits for what is in hand.
   *
   * @param within milliseconds (default 30,000); then signals are aborted, and what stops at that counts no attempt
   */
  stop(within?: number): Promise<void>
  /** Handles what there is until nothing is ready, then returns; not while it is started. For tests and for cron. */
  drain(): Promise<WorkerCounts>
  readonly counts: WorkerCounts
}

/** How often partitions are emptied (ms). */
const SWEEPS = 60_000
/** After the control pool did not answer (ms). */
const RECOVERY = 1_000
/** A tenant hangs whose handlers take this share of the time they may, on average. */
const HANGS = 0.25

/**
 * A worker: takes events from the outbox in turns of their tenants and hands each to its handler, at least once. Run as many
 * as you like, in processes of their own or in the application's.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { installOutbox, outbox } from '@org/governance/outbox'
 * import { createWorker } from '@org/governance/outbox/worker'
 *
 * await installOutbox(adminPool, { isolation: tenancy.isolation, rolePrefix })
 * const worker = createWorker({
 *   control: adminPool, // as one of `workers`
 *   tenants: tenancy,
 *   outbox: outbox<{ 'note.created': { id: string } }>(),
 *   handlers: {
 *     'note.created': async ({ payload }, { withTenant }) => {
 *       await withTenant((db) => db.query('update notes set body = upper(body) where id = $1', [payload.id]))
 *     },
 *   },
 * })
 * worker.start()
 * await worker.stop() // at SIGTERM
 * ```
 */
export function createWorker<
  Events extends EventMap = EventMap,
  Db extends TenantQueryable = TenantQueryable,
>(options: WorkerOptions<Events, Db>): Worker {
  const settings = parseWorkerOptions(options)
  const { concurrency, policy } = settings
  const queue = queueOf(options.control, settings.controlSchema)
  const known = standings(options.tenants)
  const counts = { taken: 0, done: 0, retried: 0, dead: 0, held: 0, postponed: 0, lost: 0, handling: 0 }
  const report = (problem: WorkerProblem) => {
    if (problem.kind === 'lost') counts.lost += 1
    try {
      options.onProblem?.(problem)
    } catch {
      // An event is settled all the same, and there is nobody else to tell.
    }
  }
  const leases = leasesOf(queue, settings.lease, (kind, error) =>
    report(kind === 'lost' ? { kind } : { kind: 'queue', error }),
  )
  const pace = paceOf(settings.perTenant)
  let solo = false
  let stopping = false
  let running: Promise<void> | undefined
  const bell = doorbell()

  const { relayFrom } = settings
  const relay =
    relayFrom === undefined
      ? undefined
      : relayOf(
          options.control,
          settings.controlSchema,
          options.tenants,
          relayFrom,
          known.of,
          (tenant, error) => report({ kind: 'relay', tenant, error }),
        )
  const bring = async () => {
    await relay?.round()
    bell.ring()
  }
  const bringSoon = coalesced(bring, (error) => report({ kind: 'queue', error }))
  /** A scope of the tenant is over: it may have published something. */
  const wrote = (tenant: string) => {
    relay?.touch(tenant)
    if (relay) bringSoon()
    else bell.ring()
  }
  const batches = batchesOf(options.tenants, wrote, (tenant) => places.of(tenant))
  const settle = (event: Taken, { outcome, error, ...more }: Ending) => {
    const name = (
      { done: 'done', retry: 'retried', dead: 'dead', hold: 'held', later: 'postponed' } as const
    )[outcome]
    counts[name] += 1
    if (outcome === 'retry' || outcome === 'dead') {
      const { tenant, type, id, attempt } = event
      report({ kind: outcome === 'dead' ? 'dead' : 'handler', error, tenant, type, id, attempt })
    }
    if (event.solo) solo = false
    leases.settle(event, outcome, more)
  }
  const inHand = inHandOf(
    options,
    settings,
    { leases, known, wrote, batches, stopping: () => stopping },
    (event, ending) => {
      settle(event, ending)
      bell.ring()
    },
  )
  const places = placesOf(
    concurrency,
    (event) => pace.during(event.tenant, () => inHand.handle(event)),
    (tenant) => pace.takes(tenant, settings.handlerTimeout * HANGS),
  )
  const room = roomOf(places, concurrency, bell, () => stopping)
  const accept = (event: Taken) => {
    const wait = event.solo ? undefined : pace.wait(event.tenant)
    if (wait === undefined && places.begin(event)) return
    if (wait === undefined) room.refused()
    settle(event, { outcome: 'later', delay: (wait ?? OTHERS) / 1_000 })
  }
  /** @returns how many events there were */
  const takeSome = async (want: number): Promise<number> => {
    const since = performance.now()
    const taken = await queue.take(want, settings.lease, policy.retries + 1, !solo)
    room.took(performance.now() - since)
    counts.taken += taken.length
    leases.add(taken, since)
    for (const event of taken) {
      // Never two that may kill us at once: the one that does would take the other with it, again and again.
      if (event.solo) solo = true
      accept(event)
    }
    return taken.length
  }
  const upkeep = timetable(
    [
      [Math.floor(settings.lease / 3), () => leases.renew()],
      [HOLDS, () => lookAtHolds(queue, known)],
      [SWEEPS, () => queue.sweep()],
      ...(relay ? [[settings.pollInterval, bring] as const] : []),
    ],
    (error) => report({ kind: 'queue', error }),
  )

  const loop = async (untilEmpty: boolean) => {
    if (untilEmpty) await relay?.round(Number.POSITIVE_INFINITY)
    upkeep.begin()
    while (!stopping) {
      const want = await room.wanted(untilEmpty)
      if (stopping) break
      if (want === 0) continue
      const n = await takeSome(want).catch((error: unknown) => {
        if (untilEmpty) throw error
        report({ kind: 'queue', error })
        return undefined
      })
      if (n === undefined) await bell.rung(RECOVERY)
      else if (n === 0) {
        if (untilEmpty && inHand.size === 0) {
          await leases.flushed()
          await relay?.round(Number.POSITIVE_INFINITY)
          if ((await takeSome(places.room)) === 0) break
        } else await bell.rung(settings.pollInterval)
      }
    }
  }
  const finish = async (within: number) => {
    const patience = setTimeout(() => {
      inHand.abort()
      bell.ring()
    }, within)
    // Those that do not hear the signal are left to their leases.
    const end = performance.now() + within + 1_000
    while (inHand.size > 0 && performance.now() < end) await bell.rung(100)
    clearTimeout(patience)
    await leases.flushed()
    upkeep.end()
    await relay?.ended()
  }
  return {
    get counts() {
      return { ...counts, handling: inHand.size }
    },
    wake: (tenant) => (tenant === undefined ? bell.ring() : wrote(tenant)),
    start: () => {
      stopping = false
      options.jobs?.start()
      running ??= loop(false)
    },
    stop: async (within = 30_000) => {
      stopping = true
      bell.ring()
      await Promise.all([running, options.jobs?.stop()])
      for (const left of places.giveBack()) settle(left, { outcome: 'later', delay: 0 })
      await finish(within)
      running = undefined
    },
    drain: async () => {
      if (running) return { ...counts, handling: inHand.size }
      stopping = false
      await options.jobs?.runDue()
      await loop(true).finally(() => finish(settings.handlerTimeout))
      return { ...counts, handling: inHand.size }
    },
  }
}
