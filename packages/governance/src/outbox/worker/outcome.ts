import { isTenancyError, TenancyError } from '@org/core'

/** What became of an event, as `outbox_settle` takes it; `delay` in seconds. */
export interface Outcome {
  readonly seq: string
  readonly outcome: 'done' | 'retry' | 'later' | 'dead' | 'hold'
  readonly delay?: number
  readonly reason?: string
}

/**
 * Thrown by a handler: try again as the policy says, and not before `delay` milliseconds from now (at most a day). It counts as
 * an attempt.
 */
export class RetryLater extends Error {
  override readonly name: string = 'RetryLater'
  /** Goes into the dead letter when this was the last attempt. */
  readonly reason: string
  readonly delay: number
  constructor(delay: number, reason = 'RETRY_LATER') {
    super('to be tried again later')
    this.delay = delay
    this.reason = reason
  }
}

/** Thrown by a handler that did nothing yet and is busy: hand it the event again after `delay` milliseconds. No attempt. */
export class Postpone extends Error {
  override readonly name: string = 'Postpone'
  readonly delay: number
  constructor(delay: number) {
    super('to be handled later')
    this.delay = delay
  }
}

/** Thrown by a handler: trying again is of no use. The event becomes a dead letter with this reason (a code, no data). */
export class GiveUp extends Error {
  override readonly name: string = 'GiveUp'
  readonly reason: string
  constructor(reason: string) {
    super('to be tried no more')
    this.reason = reason
  }
}

/** @internal What a handler meets whose event is not its own any more. */
export function leaseOver(): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'The lease on this event is over: somebody else handles it now, or its handler was given up on. Nothing of this was done.',
    { details: { reason: 'lease_lost' } },
  )
}

const REASON = /^[A-Za-z0-9_.:-]{1,100}$/

/** A code or a class's name: messages may hold data. */
export function reasonOf(error: unknown): string {
  if (isTenancyError(error)) return error.code
  const { reason, name } = (error ?? {}) as { reason?: unknown; name?: unknown }
  for (const said of [reason, name]) if (typeof said === 'string' && REASON.test(said)) return said
  return 'Error'
}

/** Codes of a scope that say that the tenant is not in service. */
export const isOnHold = (error: unknown): boolean => isTenancyError(error, 'TENANT_SUSPENDED')
