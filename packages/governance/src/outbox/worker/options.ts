import {
  type OptionNames,
  parsePrefix,
  type Queryable,
  requireKnownOptions,
  type TenantQueryable,
} from '@org/core'
import { parseControlSchema } from '../../control/control-schema.ts'
import { integerOption, invalidOption } from '../../input/input.ts'
import type { TenantScopes } from '../../tenants/scopes.ts'
import { type EventMap, isEventType, type Outbox } from '../publish.ts'
import type { Handlers } from './handler.ts'
import { parsePolicy, type RetryPolicy, type RetryProfile } from './profile.ts'

/** Something that went wrong, for logs and an error tracker; `error` may hold data of the application's. */
export interface WorkerProblem {
  /**
   * `handler`: a handler failed, `dead`: for the last time, `lost`: a lease ran out while its event was handled, so that it
   * is handled again, `queue`: the control pool
   * did not answer, `relay`: a tenant's own database could not be read.
   */
  readonly kind: 'handler' | 'dead' | 'lost' | 'queue' | 'relay'
  readonly error?: unknown
  readonly tenant?: string
  readonly type?: string
  readonly id?: string
  readonly attempt?: number
}

/** The part of `Jobs` that a worker needs. */
export interface WorkerJobs {
  start(): void
  stop(): Promise<void>
  runDue(): Promise<unknown>
}

/** Options of {@link createWorker}. */
export interface WorkerOptions<Events extends EventMap, Db extends TenantQueryable> {
  /** A pool of a role that `installOutbox` was told is a worker's. Any pooler will do. */
  readonly control: Queryable
  /** Where handlers get their scopes from: the tenancy. */
  readonly tenants: TenantScopes<Db>
  /** A handler for each type, `'*'` for the rest. What nobody handles is retried, and a dead letter in the end (`NO_HANDLER`). */
  readonly handlers: Handlers<NoInfer<Events>, NoInfer<Db>>
  /** The outbox whose events these are: says what handlers' events carry, and where the tables are. */
  readonly outbox?: Outbox<Events> | undefined
  /** Events handled at once (default 10, up to 1,000). */
  readonly concurrency?: number | undefined
  /**
   * Of these, for one tenant whose events take long (default: half); what is more waits, and no attempt is counted. No tenant ever has
   * more places than it leaves free, and of those whose handlers keep running into `handlerTimeout` any number leaves a quarter.
   */
  readonly perTenant?: number | undefined
  /** How long an event is this worker's unless renewed: after a kill it is handed over again within this (ms, default 45,000). */
  readonly lease?: number | undefined
  /** How long a handler may take (ms, default 60,000); then its signal is aborted and the attempt has failed. */
  readonly handlerTimeout?: number | undefined
  /** How often to look when nobody calls `wake` (ms, default 1,000). */
  readonly pollInterval?: number | undefined
  /** `mvp` (default), `standard`, `enterprise`, or a policy. */
  readonly retry?: RetryProfile | RetryPolicy | undefined
  /**
   * Level `database`: what stands before the key in names of tenants' databases, the tenancy's `rolePrefix`. Given, the
   * worker also brings events from there (see `OUTBOX_DATABASE_MIGRATION`).
   */
  readonly relayFrom?: string | undefined
  /** What comes round: `createJobs` of `@org/governance/jobs`. Begins, ends and drains with the worker (default none). */
  readonly jobs?: WorkerJobs | undefined
  readonly onProblem?: ((problem: WorkerProblem) => void) | undefined
  /** As given to `installOutbox` (default: that of `outbox`, else `governance`). */
  readonly controlSchema?: string | undefined
}

/** @internal The same, checked. */
export interface WorkerSettings {
  readonly concurrency: number
  readonly perTenant: number
  readonly lease: number
  readonly handlerTimeout: number
  readonly pollInterval: number
  readonly policy: RetryPolicy
  readonly controlSchema: string
  readonly relayFrom: string | undefined
}

const NAMES: OptionNames<WorkerOptions<EventMap, TenantQueryable>> = {
  control: true,
  tenants: true,
  handlers: true,
  outbox: true,
  concurrency: true,
  perTenant: true,
  lease: true,
  handlerTimeout: true,
  pollInterval: true,
  retry: true,
  relayFrom: true,
  jobs: true,
  onProblem: true,
  controlSchema: true,
}

/** @internal @throws TenancyError INVALID_OPTION */
export function parseWorkerOptions<Events extends EventMap, Db extends TenantQueryable>(
  options: WorkerOptions<Events, Db>,
): WorkerSettings {
  requireKnownOptions(options, NAMES)
  if (typeof options.control?.query !== 'function') throw invalidOption('control', 'a pool')
  if (typeof options.tenants?.withTenant !== 'function') throw invalidOption('tenants', 'a tenancy')
  const { jobs } = options
  if (
    jobs !== undefined &&
    ![jobs?.start, jobs?.stop, jobs?.runDue].every((part) => typeof part === 'function')
  )
    throw invalidOption('jobs', 'what createJobs makes')
  for (const [type, handler] of Object.entries(options.handlers ?? {})) {
    if ((type !== '*' && !isEventType(type)) || typeof handler !== 'function') {
      throw invalidOption('handlers', "functions by event type, or by '*'")
    }
  }
  const concurrency = integerOption('concurrency', options.concurrency ?? 10, 1, 1_000)
  return {
    concurrency,
    perTenant: integerOption('perTenant', options.perTenant ?? Math.ceil(concurrency / 2), 1, concurrency),
    lease: integerOption('lease', options.lease ?? 45_000, 1_000, 600_000),
    handlerTimeout: integerOption('handlerTimeout', options.handlerTimeout ?? 60_000, 1, 86_400_000),
    pollInterval: integerOption('pollInterval', options.pollInterval ?? 1_000, 1, 60_000),
    policy: parsePolicy(options.retry),
    controlSchema: parseControlSchema(options.controlSchema ?? options.outbox?.controlSchema),
    relayFrom: options.relayFrom === undefined ? undefined : parsePrefix(options.relayFrom),
  }
}
