import { isTenancyError, type OptionNames, type Queryable, requireKnownOptions, TRACES } from '@org/core'
import { parseControlSchema } from '../control/control-schema.ts'
import { integerOption, invalidOption } from '../input/input.ts'
import { turnsOf } from './turns.ts'

/** Work that comes round. */
export interface Job {
  /** `[a-z][a-z0-9_.]*`, up to 100 bytes: `audit.seal`. */
  readonly name: string
  /** Milliseconds from its end to its next turn, 1,000 to 31 days. */
  readonly every: number
  /**
   * Does it; may be killed anywhere and is run again. The signal is aborted when the jobs stop, or the turn was lost to
   * somebody else.
   */
  run(signal: AbortSignal): Promise<unknown>
}

export interface JobsOptions {
  /** A pool of a role among the `runners`; any pooler will do. */
  readonly control: Queryable
  readonly jobs: readonly Job[]
  /** How often to look whose turn it is (ms, default 10,000). */
  readonly pollInterval?: number | undefined
  /** How long a job is this process's unless renewed: after a kill another takes it within this (ms, default 60,000). */
  readonly lease?: number | undefined
  /** Told of what goes wrong; `error` may hold data of the application's. `job` is not set when the control pool did not answer. */
  readonly onProblem?: ((problem: { readonly job?: string; readonly error: unknown }) => void) | undefined
  /** As it was installed (default `governance`). */
  readonly controlSchema?: string | undefined
}

const NAMES: OptionNames<JobsOptions> = {
  control: true,
  jobs: true,
  pollInterval: true,
  lease: true,
  onProblem: true,
  controlSchema: true,
}

/** Made by {@link createJobs}. */
export interface Jobs {
  /** Begins; again after {@link stop}. */
  start(): void
  /** Aborts what runs and waits for it. */
  stop(): Promise<void>
  /** Runs what is due now, one after the other: for cron. @returns what became of each that ran: a code, or `null` */
  runDue(): Promise<readonly { readonly job: string; readonly code: string | null }[]>
}

/** After a failure, at the latest (ms). */
const AGAIN = 60_000
const LONGEST = 31 * 86_400_000
const NAME = /^[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*$/

/**
 * Runs jobs in turns: each at most once at a time over all processes that have it, by the database's clock; what was killed is
 * taken over when its lease runs out. What the jobs do is safe all the same when two run it.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { createJobs, installJobs } from '@org/governance/jobs'
 *
 * await installJobs(adminPool)
 * const jobs = createJobs({
 *   control: adminPool,
 *   jobs: [
 *     { name: 'notes.prune', every: 86_400_000, run: () => tenancy.query('acme', 'delete from notes where id < 0') },
 *     { name: 'ready.fill', every: 60_000, run: () => tenancy.ready.fill(1) },
 *   ],
 * })
 * jobs.start()
 * await jobs.stop()
 * ```
 */
export function createJobs(options: JobsOptions): Jobs {
  requireKnownOptions(options, NAMES)
  const { jobs, poll, lease, schema } = parse(options)
  const turns = turnsOf(options.control, schema)
  const report = (error: unknown, job?: string) => {
    try {
      options.onProblem?.({ error, ...(job !== undefined && { job }) })
    } catch {
      // The next turn comes all the same, and there is nobody else to tell.
    }
  }
  let enrolled = false
  let stopped = new AbortController()
  let timer: ReturnType<typeof setInterval> | undefined
  const running = new Map<string, Promise<unknown>>()

  const one = async (job: Job): Promise<string | null | undefined> => {
    const token = await turns.take(job.name, lease)
    if (token === undefined) return undefined
    const lost = new AbortController()
    const renewing = setInterval(() => {
      turns.renew(job.name, token, lease).then(
        (ours) => ours || lost.abort(),
        (error: unknown) => report(error),
      )
    }, lease / 3)
    let code: string | null = null
    try {
      const signal = AbortSignal.any([stopped.signal, lost.signal])
      await TRACES.job.trace(
        () => ({ job: job.name }),
        async () => job.run(signal),
      )
    } catch (error) {
      code = isTenancyError(error) ? error.code : 'OTHER'
      report(error, job.name)
    } finally {
      clearInterval(renewing)
    }
    await turns.over(job.name, token, code === null ? job.every : Math.min(job.every, AGAIN), code)
    return code
  }
  const enrol = async () => {
    if (enrolled) return
    await turns.enrol(jobs.map(({ name }) => name))
    enrolled = true
  }
  const round = async () => {
    await enrol()
    for (const job of jobs) {
      if (running.has(job.name)) continue
      const run = one(job)
        .catch((error: unknown) => report(error))
        .finally(() => running.delete(job.name))
      running.set(job.name, run)
    }
  }
  return {
    start: () => {
      if (timer) return
      stopped = new AbortController()
      const look = () => void round().catch((error: unknown) => report(error))
      look()
      timer = setInterval(look, poll)
    },
    stop: async () => {
      clearInterval(timer)
      timer = undefined
      stopped.abort()
      await Promise.all(running.values())
    },
    runDue: async () => {
      // After stop, too.
      if (!timer) stopped = new AbortController()
      await enrol()
      const done: { job: string; code: string | null }[] = []
      for (const job of jobs) {
        const code = await one(job)
        if (code !== undefined) done.push({ job: job.name, code })
      }
      return done
    },
  }
}

function parse(options: JobsOptions) {
  if (typeof options?.control?.query !== 'function') throw invalidOption('control', 'a pool')
  const { jobs } = options
  if (!Array.isArray(jobs)) throw invalidOption('jobs', 'an array of jobs')
  for (const job of jobs as readonly Partial<Job>[]) {
    if (typeof job?.name !== 'string' || job.name.length > 100 || !NAME.test(job.name))
      throw invalidOption('jobs.name', '[a-z][a-z0-9_]*, several joined by ".", up to 100 bytes')
    if (typeof job.run !== 'function') throw invalidOption('jobs.run', 'a function')
    integerOption('jobs.every', job.every, 1_000, LONGEST)
  }
  if (new Set(jobs.map(({ name }) => name)).size < jobs.length)
    throw invalidOption('jobs.name', 'another for each job')
  return {
    jobs: jobs as readonly Job[],
    poll: integerOption('pollInterval', options.pollInterval ?? 10_000, 10, 3_600_000),
    lease: integerOption('lease', options.lease ?? 60_000, 1_000, 3_600_000),
    schema: parseControlSchema(options.controlSchema),
  }
}
