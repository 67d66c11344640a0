import type { Jobs } from '@org/governance/jobs'
import type { Worker, WorkerProblem } from '@org/governance/outbox/worker'
import type { Pool } from 'pg'
import { CliError } from '../cli-error.ts'
import type { CommandModule, Invocation } from '../command.ts'
import type { Config, EventHandlers } from '../config/config.ts'
import { governanceSchema } from '../config/governance.ts'
import type { Connected } from '../config/tenancy.ts'
import { workerPool } from '../config/worker-pool.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { whole } from './values.ts'

interface Options {
  readonly once?: boolean
  readonly concurrency?: number
}

/** Connections of the worker's role: taking, settling, renewing and the turns of jobs go on at the same time. */
const CONNECTIONS = 5

export const worker: CommandModule<Options> = {
  options: [
    { flags: '--once', text: 'handle what there is, then end: for cron' },
    {
      flags: '--concurrency <number>',
      text: 'events at once (default 10)',
      parse: whole('--concurrency', 1, 1_000),
    },
  ],
  examples: [
    ['pg-tenant worker', 'until SIGTERM or Ctrl-C; then what is in hand is finished'],
    ['pg-tenant worker --once', 'what is ready now'],
  ],
  exits: '0 also when it was stopped. A handler that fails is reported and no failure of the command.',
  afterStop: 'Run it again: what was not finished is handed over again.',
  async run(invocation, _args, { once = false, concurrency }) {
    const { env, signal } = invocation
    const connected = await invocation.connect({ connections: concurrency ?? 10 })
    const control = await workerPool(connected.settings, env, CONNECTIONS)
    try {
      const made = await workerOf(invocation, connected, control, concurrency)
      return once ? await drain(invocation, made) : await untilStopped(invocation, made, signal)
    } finally {
      await control.end()
    }
  },
}

async function workerOf(
  { output }: Invocation,
  connected: Awaited<ReturnType<Invocation['connect']>>,
  control: Pool,
  concurrency: number | undefined,
): Promise<Worker> {
  const { tenancy, pool, config } = connected
  const { databaseUrl: _url, handlers: given, jobs: _jobs, ...options } = config.worker ?? {}
  const handlers: EventHandlers | undefined =
    typeof given === 'function' ? await given({ tenancy, pool }) : given
  if (handlers === undefined) {
    throw new CliError(
      'CONFIGURATION',
      "Who handles events? Put worker: { handlers: { 'user.created': async (event, context) => … } } into the configuration.",
    )
  }
  const { createWorker } = await import('@org/governance/outbox/worker')
  const tell = (text: string) => output.note(text)
  return createWorker({
    ...options,
    jobs: await jobsOf(connected, control, tell),
    controlSchema: governanceSchema(config),
    ...(concurrency !== undefined && { concurrency }),
    control,
    tenants: tenancy,
    handlers,
    ...(tenancy.isolation === 'database' && { relayFrom: config.rolePrefix ?? 'c_' }),
    onProblem: (problem) => tell(told(problem)),
  })
}

async function jobsOf(
  {
    tenancy,
    pool,
    adminPool,
    config,
  }: Pick<Connected, 'tenancy' | 'pool' | 'adminPool'> & { config: Config },
  control: Pool,
  tell: (text: string) => void,
): Promise<Jobs | undefined> {
  const { jobs } = config.worker ?? {}
  if (jobs === undefined) return undefined
  const { createJobs } = await import('@org/governance/jobs')
  return createJobs({
    control,
    jobs: typeof jobs === 'function' ? await jobs({ tenancy, pool, admin: adminPool }) : jobs,
    controlSchema: governanceSchema(config),
    onProblem: ({ job, error }) => tell(`job ${job ?? ''}${codeIn(error)}`.trim()),
  })
}

/** What was thrown may hold data. */
function codeIn(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? ` (${code})` : ''
}

/** Codes and names; what a handler threw may hold data. */
function told({ kind, tenant, type, id, attempt, error }: WorkerProblem): string {
  const facts = [tenant, type, id, attempt === undefined ? undefined : `attempt ${attempt}`]
  const said = facts.filter((fact) => fact !== undefined).join(' ')
  return `${kind}${said === '' ? '' : `: ${said}`}${codeIn(error)}`
}

async function drain({ output }: Invocation, made: Worker): Promise<ExitCode> {
  const counts = await made.drain()
  output.document({ ...counts })
  output.say(
    `${counts.done} done, ${counts.retried} to be tried again, ${counts.dead} dead, ${counts.held} waiting.`,
  )
  return EXIT.ok
}

async function untilStopped({ output }: Invocation, made: Worker, signal: AbortSignal): Promise<ExitCode> {
  made.start()
  output.note('The worker is running.')
  if (!signal.aborted) {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
  }
  await made.stop()
  output.document({ ...made.counts })
  output.say(`Stopped: ${made.counts.done} done.`)
  return EXIT.ok
}
