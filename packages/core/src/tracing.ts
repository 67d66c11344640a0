import type { AsyncLocalStorage } from 'node:async_hooks'
import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'
import { sqlStateOf } from './sqlstate.ts'
import { isTenancyError } from './tenancy-error.ts'

/**
 * What every message of these packages' tracing channels says once it is over. Messages hold names, codes and counts; never
 * SQL, values, rows, tokens or what an error of somebody else says.
 */
export interface TraceMessage {
  /** How long it took, in milliseconds; set when it is over. */
  ms?: number
  /** Why it failed: the code of a {@link TenancyError}, or `OTHER`. Not set when it did not. */
  code?: string
  /** The SQLSTATE behind the code, if there is one. */
  sqlState?: string
}

/** A scope from begin to end: `withTenant`, a one-shot `query`, or one that is opened by hand. Attempts of a retry are one. */
export interface ScopeTrace extends TraceMessage {
  readonly kind: 'callback' | 'query' | 'open'
  readonly tenant: string
  /** The isolation level. */
  readonly level: string
  readonly readOnly: boolean
  /** Statements sent, those that were queued or streamed included. */
  statements: number
  /** 1, or more after serialization failures. */
  attempts: number
  /** Milliseconds until there was a connection, if one was asked for. */
  waitMs?: number
}

/** One statement of a scope; for a stream one batch. */
export interface StatementTrace extends TraceMessage {
  readonly tenant: string
  readonly scope: ScopeTrace
  /** `SELECT`, `INSERT`, …, or `OTHER`. Worked out when it is asked for. */
  readonly operation: string
  /** 16 hexadecimal digits, the same for statements that differ in literals only. Worked out when it is asked for. */
  readonly fingerprint: string
  /** The text without comments, literals and white space. Worked out when it is called. */
  normalised(): string
  /** Rows returned or affected. */
  rows?: number
}

/** Work of an administrator: `provision`, `migrate`, `backup`, `drop`, … */
export interface OperationTrace extends TraceMessage {
  readonly operation: string
  /** If it is about one. */
  readonly tenant: string | undefined
}

/** A handler of the outbox and its event. */
export interface EventTrace extends TraceMessage {
  readonly tenant: string
  readonly type: string
  readonly id: string
  readonly attempt: number
  /** Of the request that published it (W3C Trace Context). */
  readonly traceparent: string | undefined
  /** Milliseconds from its publication, or its due time, to this attempt. */
  readonly lagMs: number
}

/** One attempt at one webhook. */
export interface DeliveryTrace extends TraceMessage {
  readonly tenant: string
  readonly endpoint: string
  readonly type: string
  readonly attempt: number
  /** Of the answer. */
  status?: number
}

/** A job over all tenants: `audit.seal`, `usage.roll_up`, `retention.shared`, … */
export interface JobTrace extends TraceMessage {
  readonly job: string
}

/** What is told of each piece of work; the same message each time, filled in as it goes. */
export interface TraceListeners<Message extends TraceMessage> {
  /** It begins. */
  start?(message: Message): void
  /** It is over, well or not: `ms` is there, and `code` if it failed. */
  over?(message: Message): void
}

/**
 * One tracing channel of `node:diagnostics_channel`: `tracing:<name>:start`, `…:end`, `…:asyncStart`, `…:asyncEnd` and
 * `…:error`, to which anybody may subscribe there, too. A listener that throws ends the process, as Node has it.
 */
export class Traces<Message extends TraceMessage> {
  readonly name: string
  readonly #channel: TracingChannel<unknown, Message>

  constructor(name: string) {
    this.name = name
    this.#channel = tracingChannel<unknown, Message>(name)
  }

  get hasSubscribers(): boolean {
    return this.#channel.hasSubscribers
  }

  /** @returns what ends it */
  listen({ start, over }: TraceListeners<Message>): () => void {
    const { start: begins, asyncEnd } = this.#channel
    const onStart = (message: unknown) => start?.(message as Message)
    const onEnd = (message: unknown) => over?.(message as Message)
    if (start) begins.subscribe(onStart)
    if (over) asyncEnd.subscribe(onEnd)
    return () => {
      begins.unsubscribe(onStart)
      asyncEnd.unsubscribe(onEnd)
    }
  }

  /** Runs the work with a value in `storage`, made of its message. @returns what ends it */
  bindStore<Store>(storage: AsyncLocalStorage<Store>, make: (message: Message) => Store): () => void {
    const { start } = this.#channel
    const untyped = storage as AsyncLocalStorage<unknown>
    start.bindStore(untyped, make)
    return () => void start.unbindStore(untyped)
  }

  /**
   * Runs `work` and tells those who listen. Nobody does: it is called, and that is all. Not `tracePromise`, which hands what
   * `work` resolves with (rows) and rejects with to everybody.
   *
   * @param message made only when somebody listens
   */
  trace<T>(message: () => Message, work: (message: Message | undefined) => Promise<T>): Promise<T> {
    return this.#channel.hasSubscribers ? this.#tell(message(), work) : work(undefined)
  }

  #tell<T>(message: Message, work: (message: Message) => Promise<T>): Promise<T> {
    const { start, end, asyncStart, asyncEnd, error: failed } = this.#channel
    const began = performance.now()
    const over = () => {
      message.ms = performance.now() - began
      asyncStart.publish(message)
      asyncEnd.publish(message)
    }
    return start.runStores(message, () => {
      const promise = work(message).then(
        (value) => {
          over()
          return value
        },
        (error: unknown) => {
          // guard: nothing of what somebody else threw
          Object.assign(message, failureOf(error))
          failed.publish(message)
          over()
          throw error
        },
      )
      end.publish(message)
      return promise
    })
  }
}

function failureOf(error: unknown): Pick<TraceMessage, 'code' | 'sqlState'> {
  if (!isTenancyError(error)) return { code: 'OTHER' }
  const sqlState = sqlStateOf(error)
  return { code: error.code, ...(sqlState !== undefined && { sqlState }) }
}

/** The channels there are. */
export const TRACES = {
  scope: new Traces<ScopeTrace>('pg-tenant:scope'),
  statement: new Traces<StatementTrace>('pg-tenant:statement'),
  operation: new Traces<OperationTrace>('pg-tenant:operation'),
  event: new Traces<EventTrace>('governance:event'),
  delivery: new Traces<DeliveryTrace>('governance:delivery'),
  job: new Traces<JobTrace>('governance:job'),
} as const
