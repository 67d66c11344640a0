import type { LetterFilter, OutboxControl } from '@org/governance/outbox'
import { usage } from '../cli-error.ts'
import { actionOf, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { governanceSchema, levelOptions } from '../config/governance.ts'
import { workerPool } from '../config/worker-pool.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { moment, plural } from '../output/format.ts'
import { names, whole } from './values.ts'

interface Options {
  readonly tenant?: string
  readonly type?: string
  readonly reason?: string
  readonly number?: string[]
  readonly limit?: number
  readonly before?: string
  readonly worker?: string[]
  readonly application?: string
  readonly dryRun?: boolean
}

const ACTIONS = ['install', 'status', 'list', 'redrive', 'discard'] as const
/** As many as one statement drives or discards. */
const AT_ONCE = 1_000

export const outbox: CommandModule<Options> = {
  arguments: [['<action>', ACTIONS.join(', ')]],
  words: ACTIONS,
  options: [
    { flags: '--tenant <key>', text: 'only dead letters of this tenant' },
    { flags: '--type <type>', text: 'only of this event type' },
    { flags: '--reason <code>', text: 'only with this reason' },
    { flags: '--number <numbers>', text: 'only these, separated by commas', parse: names },
    {
      flags: '--limit <number>',
      text: 'with list: at most so many (default 50)',
      parse: whole('--limit', 1, 500),
    },
    { flags: '--before <number>', text: 'with list: older than this one' },
    { flags: '--worker <roles>', text: 'with install: who works on it, separated by commas', parse: names },
    {
      flags: '--application <role>',
      text: 'with install: the application, at levels schema, row and database',
    },
    DRY_RUN,
  ],
  examples: [
    ['pg-tenant outbox install --worker worker', 'makes the tables, or brings them up to date'],
    ['pg-tenant outbox status', 'what is ready, in hand, waiting and dead'],
    ['pg-tenant outbox list --tenant acme', 'its dead letters, without what they carry'],
    ['pg-tenant outbox redrive --reason HTTP_503', 'gives them all their attempts again'],
    ['pg-tenant outbox discard --number 17,18', 'removes two for good'],
  ],
  exits: 'redrive and discard want at least one of --tenant, --type, --reason, --number.',
  afterStop: 'Run it again: it goes on where it was.',
  async run(invocation, args, options) {
    const action = actionOf('outbox', args, ACTIONS)
    const filter = filterOf(options)
    if ((action === 'redrive' || action === 'discard') && Object.keys(filter).length === 0) {
      throw usage(`${action} which? Say --tenant, --type, --reason or --number. Nothing was done.`)
    }
    if (action === 'install') return await install(invocation, options)
    const settings = await invocation.settings()
    const pool = await workerPool(settings, invocation.env, 1)
    try {
      const { outboxControl } = await import('@org/governance/outbox')
      const control = outboxControl(pool, { controlSchema: governanceSchema(settings.config) })
      if (action === 'status') return await status(invocation, control)
      if (action === 'list') return await list(invocation, control, filter, options)
      return await change(invocation, control, action, filter, options.dryRun ?? false)
    } finally {
      await pool.end()
    }
  },
}

function filterOf({ tenant, type, reason, number }: Options): LetterFilter {
  return {
    ...(tenant !== undefined && { tenant }),
    ...(type !== undefined && { type }),
    ...(reason !== undefined && { reason }),
    ...(number !== undefined && { numbers: number }),
  }
}

async function install(
  { settings, output }: Invocation,
  { worker, application, dryRun = false }: Options,
): Promise<ExitCode> {
  const found = await settings()
  const { config, adminUrl } = found
  const { default: pg } = await import('pg')
  const [{ installOutbox }, { installJobs }] = await Promise.all([
    import('@org/governance/outbox'),
    import('@org/governance/jobs'),
  ])
  const pool = new pg.Pool({ connectionString: adminUrl, max: 1, connectionTimeoutMillis: 10_000 })
  // The statement that uses the connection reports its loss.
  pool.on('error', () => {})
  try {
    const controlSchema = governanceSchema(config)
    if (!dryRun) {
      await installOutbox(pool, { ...levelOptions(found, application), workers: worker, controlSchema })
      await installJobs(pool, { runners: worker, controlSchema })
    }
    output.document({
      installed: !dryRun,
      controlSchema: controlSchema ?? 'governance',
      workers: worker ?? [],
      dryRun,
    })
    output.say(dryRun ? 'The outbox would be installed.' : 'The outbox is installed.')
    return EXIT.ok
  } finally {
    await pool.end()
  }
}

async function status({ output }: Invocation, control: OutboxControl): Promise<ExitCode> {
  const gauges = await control.gauges()
  output.document({ ...gauges })
  const { ready, handling, waiting, dead, lag, stuck } = gauges
  output.say(
    `${ready} ready (the oldest for ${Math.round(lag)} s), ${handling} in hand, ${waiting} waiting, ${dead} dead` +
      `${stuck > 0 ? `, ${plural(stuck, 'lease')} ran out and nobody took them back: is a worker running?` : '.'}`,
  )
  return EXIT.ok
}

const COLUMNS = ['no', 'tenant', 'type', 'reason', 'attempts', 'died'].map((title) => ({ title }))

async function list(
  { output }: Invocation,
  control: OutboxControl,
  filter: LetterFilter,
  { limit, before }: Options,
): Promise<ExitCode> {
  const letters = await control.list({ ...filter, limit, before })
  output.document({ deadLetters: letters })
  if (letters.length === 0) output.note('No dead letters.')
  else {
    output.table(
      COLUMNS,
      letters.map(({ no, tenant, type, reason, attempts, diedAt }) => [
        no,
        tenant,
        type,
        reason,
        String(attempts),
        moment(diedAt),
      ]),
    )
  }
  return EXIT.ok
}

async function change(
  { output, signal }: Invocation,
  control: OutboxControl,
  action: 'redrive' | 'discard',
  filter: LetterFilter,
  dryRun: boolean,
): Promise<ExitCode> {
  let changed = dryRun ? (await control.list({ ...filter, limit: 500 })).length : 0
  for (let n = AT_ONCE; !dryRun && n === AT_ONCE && !signal.aborted; changed += n) {
    n = await control[action](filter)
  }
  output.document({ action, changed, dryRun, stopped: signal.aborted })
  const done = action === 'redrive' ? 'driven again' : 'discarded'
  output.say(
    `${plural(changed, 'dead letter')} ${dryRun ? `would be ${done} (500 are counted at most)` : done}.`,
  )
  return signal.aborted ? EXIT.interrupted : EXIT.ok
}
