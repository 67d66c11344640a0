import type { Actor, ErrorCode, TenantKey, TenantQueryable } from '@org/core'
import type { RequestTenancy } from '@org/pg-tenant/express'
import type { Evaluator } from '@org/rbac'
import type { Request } from 'express'
import type { z } from 'zod'
import type { HubAction, UnguardedAction } from '../catalog.ts'
import type { Told, Trail } from '../hub/changes.ts'
import type { ControlTransaction } from '../hub/control.ts'
import { parsed } from './parsed.ts'

/** What a handler is given: what was sent, checked; and whose request it is. */
export interface Call<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  /** The tenant of the request, its data and its actor. On routes that are `open` there is none of them. */
  readonly tenant: TenantKey
  readonly tenancy: RequestTenancy
  readonly actor: Actor
  /** What the actor may do: for lists, `where(action)`. */
  evaluator(): Promise<Evaluator>
  /** Changes something of the tenant: one transaction, with its entry in the audit log, its events and its use. */
  change<T>(work: (db: TenantQueryable, trail: Trail) => Promise<T>): Promise<T>
  /**
   * Changes something of the control schemas, as an operator: one transaction, recorded in the operators' own log and in that
   * of the tenant it is about.
   */
  operate<T>(
    about: TenantKey | undefined,
    work: (tx: ControlTransaction, trail: Trail) => Promise<T>,
  ): Promise<T>
  /**
   * Says in the same logs, at once, that something begins which is not all of one transaction: before anything of a tenant is
   * changed from outside, by a scope of it or by the library.
   */
  announce(about: TenantKey | undefined, what?: Told): Promise<void>
  /** For answers that hold a secret: whose they are is all that is kept of them for a repetition. */
  reference(id: string): void
  /** For what few handlers need: headers, address. */
  readonly request: Request
}

/** JSON: a handler may give a `Date` where the schema says text, and writes it as ISO 8601. */
export type Given<T> = T extends string
  ? T | Date
  : T extends readonly (infer U)[]
    ? readonly Given<U>[]
    : T extends object
      ? { readonly [K in keyof T]: Given<T[K]> }
      : T

/** A page of a list. */
export interface Page<T> {
  readonly items: readonly T[]
  /** Where the next page begins; `null` on the last. */
  readonly nextCursor: string | null
}

export interface EndpointFacts {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** As OpenAPI writes it: `/v1/users/{id}`. */
  readonly path: `/${string}`
  /**
   * Who may: an action of the catalogue; `named` where the tenant is named but nobody has signed in yet (login);
   * `open` where there is no tenant at all.
   */
  readonly access: HubAction | 'named' | 'open'
  /** What is recorded (default: `access`), where nobody has signed in yet. */
  readonly records?: UnguardedAction | undefined
  /**
   * Makes something: a request with an `Idempotency-Key` is done once, and answered the same however often it is sent. `secret`:
   * the answer holds one, so a repetition is told the id alone.
   */
  readonly creates?: boolean | 'secret' | undefined
  /** The first sentence of the reference. */
  readonly summary: string
  /** The chapter of the reference. */
  readonly tag: string
  readonly params?: z.ZodType | undefined
  readonly query?: z.ZodType | undefined
  readonly body?: z.ZodType | undefined
  /** Of success (default 200). 204 answers nothing. */
  readonly status?: 200 | 201 | 202 | 204 | undefined
  /** What `data` holds. */
  readonly data?: z.ZodType | undefined
  /** A list: `data` is an array of it, and `meta` says how to go on. */
  readonly list?: boolean | undefined
  /** Beside those that every route can answer. */
  readonly errors?: readonly ErrorCode[] | undefined
  /** A list that narrows itself: lets in who may do it on some records. */
  readonly onSomeRecords?: boolean | undefined
  /** Answers `data` as it is, without the envelope: for standards that say what the body is (JWKS, health probes). */
  readonly bare?: boolean | undefined
  /** `data` is a text, answered as `text/plain`. */
  readonly text?: boolean | undefined
}

/** A route and all that is known of it: what guards it, checks it, documents it and answers it. */
export interface Endpoint extends EndpointFacts {
  /** Checks what was sent and answers. @throws TenancyError VALIDATION_ERROR before anything is done */
  run(sent: Call<unknown, unknown, unknown>): Promise<unknown>
}

type Out<T extends z.ZodType | undefined> = T extends z.ZodType ? z.output<T> : undefined
type Answer<D extends z.ZodType | undefined, L> = D extends z.ZodType
  ? L extends true
    ? Page<Given<z.output<D>>>
    : Given<z.output<D>>
  : undefined

/**
 * Defines a route once: the schemas check what comes in, type the handler, and become the OpenAPI document.
 */
export function endpoint<
  P extends z.ZodType | undefined = undefined,
  Q extends z.ZodType | undefined = undefined,
  B extends z.ZodType | undefined = undefined,
  D extends z.ZodType | undefined = undefined,
  const L extends boolean = false,
>(
  definition: EndpointFacts & {
    readonly params?: P
    readonly query?: Q
    readonly body?: B
    readonly data?: D
    readonly list?: L
    readonly handle: (call: Call<Out<P>, Out<Q>, Out<B>>) => Promise<Answer<D, L>>
  },
): Endpoint {
  const { handle, ...facts } = definition
  return {
    ...facts,
    run: (sent) =>
      handle({
        ...sent,
        params: parsed(facts.params, sent.params, 'path') as Out<P>,
        query: parsed(facts.query, sent.query, 'query') as Out<Q>,
        body: parsed(facts.body, sent.body, 'body') as Out<B>,
      }),
  }
}
