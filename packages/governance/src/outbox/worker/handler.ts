import type { QueryRows, Row, TenantKey, TenantQueryable } from '@org/core'
import type { EventMap } from '../publish.ts'

/** An event as its handler sees it. */
export interface OutboxEvent<Type extends string = string, Payload = unknown> {
  /** As `publish` returned it. */
  readonly id: string
  readonly tenant: TenantKey
  readonly type: Type
  readonly payload: Payload
  /** Whose order it belongs to, if any. */
  readonly key: string | undefined
  /** From 1. */
  readonly attempt: number
  /** By the database's clock. */
  readonly publishedAt: Date
  readonly traceparent: string | undefined
}

/** A statement for many events of a tenant. Make it once: the same object is the same statement. */
export interface BatchedStatement {
  /** `$1` is a JSON list of entries (jsonb). A reading one says in `n` which entry a row is of, from 0; of a writing one nothing is read. */
  readonly text: string
  readonly access: 'read' | 'write'
}

/** What a handler is given beside the event. */
export interface HandlerContext<Db extends TenantQueryable = TenantQueryable> {
  /**
   * A scope of the event's tenant, and of no other: one transaction, committed when `fn` resolves and the event is still this
   * worker's (by the database's clock).
   *
   * @throws TenancyError CONFLICT with `details.reason` `lease_lost`: nothing was changed
   */
  withTenant<T>(fn: (db: Db) => Promise<T>): Promise<T>
  /**
   * Reads with one statement of the event's tenant, in one round trip where the tenancy can: read only, so it commits nothing that
   * had to be held.
   */
  read<R extends object = Row>(text: string, values?: readonly unknown[]): Promise<QueryRows<R>>
  /**
   * One entry of a statement that other events of the tenant have in common: those that come to it while it is on its way go together
   * with the next one, in one transaction. Where it fails, its halves are tried, so that an entry that cannot be done fails alone. What
   * writes is committed while all of its events are this worker's, and is to do nothing when it is done twice.
   *
   * @returns the row that a reading statement has for it
   * @throws TenancyError CONFLICT with `details.reason` `lease_lost`: nothing of this entry was changed
   */
  batched<R extends object = Row>(statement: BatchedStatement, entry: unknown): Promise<R | undefined>
  /**
   * The same at every attempt, and different for every event of every tenant. An event may be handed over more than once
   * (a worker that is killed, a lease that runs out): give this to whatever has an effect outside the database.
   */
  readonly idempotencyKey: string
  /** Whether it becomes a dead letter when this attempt fails. */
  readonly last: boolean
  /**
   * Makes sure that the event is still this worker's: await it right in front of an effect outside the database. A worker that was
   * stopped for a while may have been overtaken, and what the event says may have been erased meanwhile.
   *
   * @throws TenancyError CONFLICT with `details.reason` `lease_lost`
   */
  requireLease(): Promise<void>
  /** Aborted when the time is up, the lease was lost, or the worker stops and would wait no longer. */
  readonly signal: AbortSignal
}

/** Handles an event: resolved means done. What it rejects with says when to try again: any error as the policy says. */
export type Handler<
  Type extends string = string,
  Payload = unknown,
  Db extends TenantQueryable = TenantQueryable,
> = (event: OutboxEvent<Type, Payload>, context: HandlerContext<Db>) => Promise<unknown>

/** A handler for each type; `'*'` for all that have none. */
export type Handlers<Events extends EventMap, Db extends TenantQueryable> = {
  readonly [Type in keyof Events & string]?: Handler<string, Events[Type], Db>
} & { readonly '*'?: Handler<string, unknown, Db> }
