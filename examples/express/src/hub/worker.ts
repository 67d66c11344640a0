import { createJobs, type Job } from '@org/governance/jobs'
import {
  createWorker,
  type RetryPolicy,
  type Worker,
  type WorkerProblem,
} from '@org/governance/outbox/worker'
import type { Hub } from './open-hub.ts'
import { rotateKeys } from './rotate-keys.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
/** Most of the time an event waits for somebody else's answer, and holds no connection meanwhile. */
const AT_ONCE = 50

/** For demonstrations, which cannot wait for minutes; everything else stays as it is. */
export interface WorkerPace {
  /** Default: that of the operating profile. */
  readonly retry?: RetryPolicy | undefined
  /** Milliseconds until what a killed worker had in hand is somebody else's (default 45,000). */
  readonly lease?: number | undefined
  /** Milliseconds between the seals of the audit log (default a minute). */
  readonly sealEvery?: number | undefined
}

/**
 * What is done behind the requests: events to webhooks, and what comes round. Run as many as you like; each event and each job
 * is one worker's at a time.
 */
export function openWorker(hub: Hub, { retry, lease, sealEvery }: WorkerPace = {}): Worker {
  const { config, control, tenancy, events, hooks, log } = hub
  const jobs = createJobs({
    control,
    jobs: jobsOf(hub, sealEvery),
    onProblem: ({ job, error }) => log.error({ job, error: codeOf(error) }, 'a job failed'),
  })
  return createWorker({
    control,
    tenants: tenancy,
    outbox: events,
    handlers: hooks.handlers,
    concurrency: AT_ONCE,
    retry: retry ?? config.OPERATING_PROFILE,
    lease,
    jobs,
    onProblem: (problem) => report(hub, problem),
  })
}

/** Administrators' work over all tenants; each may be killed anywhere, and run twice. */
function jobsOf(hub: Hub, sealEvery = MINUTE): Job[] {
  const { audit, used, keeping, control, tenancy, adminPool } = hub
  return [
    { name: 'audit.seal', every: sealEvery, run: () => audit.seal(adminPool) },
    { name: 'usage.roll_up', every: MINUTE, run: () => used.rollUp(adminPool) },
    { name: 'retention.shared', every: 24 * HOUR, run: () => keeping.runShared(adminPool, { control }) },
    { name: 'retention.tenants', every: HOUR, run: () => keeping.runTenants(control, tenancy) },
    { name: 'privacy.finish', every: HOUR, run: () => hub.people().finish() },
    { name: 'keys.rotate', every: 24 * HOUR, run: (signal) => rotateKeys(hub, signal) },
  ]
}

/** What a handler threw may be anything; its code is safe. */
function report({ log }: Hub, { kind, error, tenant, type, id, attempt }: WorkerProblem): void {
  const facts = { kind, tenantId: tenant, type, eventId: id, attempt, error: codeOf(error) }
  // A receiver that does not answer is its tenant's affair until the last attempt.
  if (kind === 'handler') log.warn(facts, 'an event will be tried again')
  else log.error(facts, kind === 'dead' ? 'an event is a dead letter' : 'the queue could not be worked on')
}

function codeOf(error: unknown): { readonly code: string } {
  const { code, reason } = (error ?? {}) as { code?: unknown; reason?: unknown }
  const said = [code, reason].find((one) => typeof one === 'string' && /^[A-Z][A-Z0-9_]{0,99}$/.test(one))
  return { code: said === undefined ? 'OTHER' : String(said) }
}
