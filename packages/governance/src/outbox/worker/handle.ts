import {
  type EventTrace,
  parseTenantKey,
  TenancyError,
  type TenantKey,
  type TenantQueryable,
  TRACES,
} from '@org/core'
import type { TenantScopes } from '../../tenants/scopes.ts'
import type { EventMap } from '../publish.ts'
import type { Batches } from './batches.ts'
import type { Handler, HandlerContext, Handlers, OutboxEvent } from './handler.ts'
import { heldScope, readOnce } from './held.ts'
import { GiveUp, isOnHold, Postpone, RetryLater, reasonOf } from './outcome.ts'
import { delayAfter, type RetryPolicy } from './profile.ts'
import type { Taken } from './queue.ts'
import type { Standing } from './status.ts'

/** What is to be written of an event, and what was thrown, if anything. */
export interface Ending {
  readonly outcome: 'done' | 'retry' | 'later' | 'dead' | 'hold'
  /** Seconds. */
  readonly delay?: number
  readonly reason?: string
  readonly error?: unknown
}

/** Where the status of tenants cannot be asked just now. */
const ASK_AGAIN = 5
const DAY = 86_400_000

/** Before its handler is called: whether there is anybody to handle the event for. */
export function endingOf(standing: Standing): Ending | undefined {
  if (standing === 'active') return undefined
  if (standing === 'waiting') return { outcome: 'hold' }
  if (standing === 'deleted') return { outcome: 'done' }
  return { outcome: 'dead', reason: 'TENANT_NOT_FOUND' }
}

/** What a rejection says. */
export function endingAfter(error: unknown, attempt: number, policy: RetryPolicy): Ending {
  if (isOnHold(error)) return { outcome: 'hold' }
  if (error instanceof Postpone) return { outcome: 'later', delay: seconds(error.delay) }
  const reason = reasonOf(error)
  if (error instanceof GiveUp || attempt > policy.retries) return { outcome: 'dead', reason, error }
  const delay = Math.max(delayAfter(policy, attempt), error instanceof RetryLater ? error.delay : 0)
  return { outcome: 'retry', delay: seconds(delay), reason, error }
}

export const unknownStanding: Ending = { outcome: 'later', delay: ASK_AGAIN }

const seconds = (ms: number) => Math.min(Math.max(Number.isFinite(ms) ? ms : 0, 0), DAY) / 1_000

/** How a handler is called. */
export interface CallOptions {
  /** Milliseconds. */
  readonly timeout: number
  readonly last: boolean
  /** Told after a scope of the event's tenant: it may have published something. */
  readonly wrote: (tenant: TenantKey) => void
  /** That the event is still ours, and until when: see `Leases`. */
  readonly hold: () => Promise<number>
  readonly batches: Batches
}

/** One call of a handler, no longer than `timeout`. */
export async function call<Events extends EventMap, Db extends TenantQueryable>(
  taken: Taken,
  handlers: Handlers<Events, Db>,
  tenants: TenantScopes<Db>,
  { timeout, ...told }: CallOptions,
  controller: AbortController,
): Promise<void> {
  const handler = handlerOf(handlers, taken.type)
  if (handler === undefined) throw new RetryLaterByPolicy('NO_HANDLER')
  const tenant = parseTenantKey(taken.tenant)
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const error = new TenancyError(
        'TIMEOUT',
        `A handler took longer than ${timeout} ms. See handlerTimeout.`,
      )
      controller.abort(error)
      reject(error)
    }, timeout)
  })
  try {
    await TRACES.event.trace(
      () => traceOf(taken, tenant),
      () =>
        Promise.race([
          handler(eventOf(taken, tenant), contextOf(taken, tenant, tenants, told, controller)),
          late,
        ]),
    )
  } finally {
    clearTimeout(timer)
  }
}

class RetryLaterByPolicy extends Error {
  override readonly name = 'RetryLaterByPolicy'
  readonly reason: string
  constructor(reason: string) {
    super('nobody handles events of this type')
    this.reason = reason
  }
}

function handlerOf<Events extends EventMap, Db extends TenantQueryable>(
  handlers: Handlers<Events, Db>,
  type: string,
): Handler<string, unknown, Db> | undefined {
  const own = Object.hasOwn(handlers, type) ? handlers[type] : handlers['*']
  return own as Handler<string, unknown, Db> | undefined
}

/** For those who listen. Its age is by this machine's clock, which nothing else goes by. */
function traceOf({ type, id, attempt, trace, published_at }: Taken, tenant: TenantKey): EventTrace {
  const lagMs = Math.max(0, Date.now() - published_at.getTime())
  return { tenant, type, id, attempt, traceparent: trace ?? undefined, lagMs }
}

function eventOf(taken: Taken, tenant: TenantKey): OutboxEvent {
  return {
    id: taken.id,
    tenant,
    type: taken.type,
    payload: taken.payload,
    key: taken.key ?? undefined,
    attempt: taken.attempt,
    publishedAt: taken.published_at,
    traceparent: taken.trace ?? undefined,
  }
}

function contextOf<Db extends TenantQueryable>(
  taken: Taken,
  tenant: TenantKey,
  tenants: TenantScopes<Db>,
  { last, wrote, hold, batches }: Omit<CallOptions, 'timeout'>,
  controller: AbortController,
): HandlerContext<Db> {
  return {
    withTenant: (fn) => heldScope(tenants, tenant, fn, hold).finally(() => wrote(tenant)),
    read: (text, values) => readOnce(tenants, tenant, text, values),
    batched: (statement, entry) => batches.add(tenant, statement, entry, hold),
    requireLease: async () => void (await hold()),
    last,
    idempotencyKey: `${tenant}:${taken.id}`,
    signal: controller.signal,
  }
}
