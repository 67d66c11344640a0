import type { TenantQueryable } from '@org/core'
import type { EventMap } from '../publish.ts'
import { type CallOptions, call, type Ending, endingAfter, endingOf, unknownStanding } from './handle.ts'
import type { Leases } from './leases.ts'
import type { WorkerOptions, WorkerSettings } from './options.ts'
import { Postpone } from './outcome.ts'
import type { Taken } from './queue.ts'
import type { standings } from './status.ts'

/** Events that are being handled. */
export interface InHand {
  readonly size: number
  /** One event, from its place on until it is known what became of it. */
  handle(event: Taken): Promise<void>
  /** Signals all of their handlers. */
  abort(): void
}

/** What events are handled with, beside the worker's options. */
export interface Means extends Pick<CallOptions, 'wrote' | 'batches'> {
  readonly leases: Leases
  readonly known: Pick<ReturnType<typeof standings>, 'of'>
  readonly stopping: () => boolean
}

/** @param ended told of each when it is not in hand any more */
export function inHandOf<Events extends EventMap, Db extends TenantQueryable>(
  { handlers, tenants }: Pick<WorkerOptions<Events, Db>, 'handlers' | 'tenants'>,
  { handlerTimeout, policy }: Pick<WorkerSettings, 'handlerTimeout' | 'policy'>,
  { leases, known, wrote, batches, stopping }: Means,
  ended: (event: Taken, ending: Ending) => void,
): InHand {
  const controllers = new Set<AbortController>()
  const isOurs = (event: Taken) =>
    leases.hold(event).then(
      () => true,
      () => false,
    )
  const attempt = async (event: Taken, controller: AbortController): Promise<Ending> => {
    // guard: it may have waited for its place for longer than it was ours
    if (!(await isOurs(event))) throw new Postpone(0)
    const standing = await Promise.resolve(known.of(event.tenant)).catch(() => undefined)
    const before = standing === undefined ? unknownStanding : endingOf(standing)
    if (before) return before
    const last = event.attempt > policy.retries
    const hold = () => leases.hold(event)
    await call(event, handlers, tenants, { timeout: handlerTimeout, last, wrote, hold, batches }, controller)
    return { outcome: 'done' }
  }
  return {
    get size() {
      return controllers.size
    },
    handle: async (event) => {
      const controller = new AbortController()
      controllers.add(controller)
      leases.onLost(event, () => controller.abort())
      const ending = await attempt(event, controller).catch(
        (error: unknown): Ending =>
          stopping() && controller.signal.aborted
            ? { outcome: 'later', delay: 0 }
            : endingAfter(error, event.attempt, policy),
      )
      controllers.delete(controller)
      ended(event, ending)
    },
    abort: () => {
      for (const controller of controllers) controller.abort()
    },
  }
}
