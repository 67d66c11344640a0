import type { Worker, WorkerProblem } from '@org/governance/outbox/worker'
import { CliError } from '../cli-error.ts'
import type { CommandModule, Invocation } from '../command.ts'
import type { EventHandlers } from '../config/config.ts'
import type { Connected } from '../config/tenancy.ts'
import { workerPool } from '../config/worker-pool.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

interface Options {
  readonly once?: boolean
  readonly concurrency?: number
}

/** Connections of the worker's role: taking, settling and renewing go on at the same time. */
const CONNECTIONS = 4

export const worker: CommandModule<Options> = {
  options: [
    { flags: '--once', text: 'handle what there is, then end: for cron' },
    { flags: '--concurrency <number>', text: 'events at once (default 10)', parse: Number },
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
  { tenancy, pool, settings: { config } }: Connected & Awaited<ReturnType<Invocation['connect']>>,
  control: Awaited<ReturnType<typeof workerPool>>,
  concurrency: number | undefined,
): Promise<Worker> {
  const { databaseUrl: _url, handlers: given, ...options } = config.worker ?? {}
  const handlers: EventHandlers | undefined =
    typeof given === 'function' ? await given({ tenancy, pool }) : given
  if (handlers === undefined) {
    throw new CliError(
      'CONFIGURATION',
      "Who handles events? Put worker: { handlers: { 'user.created': async (event, context) => … } } into the configuration.",
    )
  }
  const { createWorker } = await import('@org/governance/outbox/worker')
  return createWorker({
    ...options,
    ...(concurrency !== undefined && { concurrency }),
    control,
    tenants: tenancy,
    handlers,
    ...(tenancy.isolation === 'database' && { relayFrom: config.rolePrefix ?? 'c_' }),
    onProblem: (problem) => output.note(told(problem)),
  })
}

/** Codes and names; what a handler threw may hold data. */
function told({ kind, tenant, type, id, attempt, error }: WorkerProblem): string {
  const code = (error as { code?: unknown } | undefined)?.code
  const facts = [tenant, type, id, attempt === undefined ? undefined : `attempt ${attempt}`]
  const said = facts.filter((fact) => fact !== undefined).join(' ')
  return `${kind}${said === '' ? '' : `: ${said}`}${typeof code === 'string' ? ` (${code})` : ''}`
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
