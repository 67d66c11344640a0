import type { FillResult, Tenancy } from '@org/pg-tenant'
import { CliError, usage } from '../cli-error.ts'
import { argument, type CommandModule, DRY_RUN, type Invocation } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { plural } from '../output/format.ts'
import { pace } from '../output/progress.ts'
import { whole } from './values.ts'

interface Options {
  readonly dryRun?: boolean
}

const ACTIONS = ['fill', 'count', 'clear'] as const
const MOST = 10_000
/** Tenants made between two looks at the progress and at Ctrl-C. */
const STEP = 10

export const ready: CommandModule<Options> = {
  arguments: [
    ['<action>', 'fill, count or clear'],
    ['[number]', `with fill: how many there are to be, at most ${MOST}`],
  ],
  words: ACTIONS,
  options: [DRY_RUN],
  examples: [
    ['pg-tenant ready fill 20', 'have 20 tenants waiting, so that signing up takes milliseconds'],
    ['pg-tenant create acme --from-ready', 'give one of them to acme'],
    ['pg-tenant ready count', 'how many are left'],
    ['pg-tenant ready clear', 'remove them all; they are nobody’s'],
  ],
  exits: 'Levels schema, role and login; 6 at the others.',
  afterStop: 'Run it again: it goes on where it was.',
  async run(invocation, args, { dryRun = false }) {
    const [action, number] = [argument(args, 0), argument(args, 1)]
    if (!ACTIONS.some((one) => one === action)) throw usage('ready takes fill, count or clear.')
    if (action !== 'fill' && number !== '') throw usage('A number goes with fill only.')
    if (action === 'fill' && number === '') throw usage('How many? pg-tenant ready fill <number>')
    const target = action === 'fill' ? whole('fill', 0, MOST)(number) : 0
    const { tenancy } = await invocation.connect()
    if (!LEVELS.includes(tenancy.isolation)) throw notHere(tenancy.isolation)
    if (dryRun) return await plan(invocation, tenancy, action, target)
    if (action === 'fill') return await fill(invocation, tenancy, target)
    return action === 'count' ? await count(invocation, tenancy) : await clear(invocation, tenancy)
  },
}

const LEVELS: readonly string[] = ['schema', 'role', 'login']

function notHere(level: string): CliError {
  return new CliError('NOT_AVAILABLE', `At level ${level} tenants are not made ahead. Nothing was done.`)
}

async function count({ output }: Invocation, tenancy: Tenancy): Promise<ExitCode> {
  const there = await tenancy.ready.count()
  output.document({ ready: there })
  output.data(String(there))
  return EXIT.ok
}

async function clear({ output }: Invocation, tenancy: Tenancy): Promise<ExitCode> {
  const removed = await tenancy.ready.clear()
  output.document({ ready: 0, removed })
  output.say(`${plural(removed, 'ready tenant')} removed.`)
  return EXIT.ok
}

/** Some at a time: each is a transaction of its own, so that stopping between two loses nothing. */
async function fill({ output, signal }: Invocation, tenancy: Tenancy, target: number): Promise<ExitCode> {
  const done = { ready: await tenancy.ready.count(), made: 0, updated: 0, removed: 0 }
  const missing = Math.max(0, target - done.ready)
  const progress = output.progress('tenants')
  const at = pace(missing)
  const add = ({ ready: there, made, updated, removed }: FillResult) => {
    done.ready = there
    done.made += made
    done.updated += updated
    done.removed += removed
  }
  // Also when none is missing: those there are get what they lack.
  do {
    if (signal.aborted) break
    add(await tenancy.ready.fill(Math.min(target, done.ready + STEP)))
    if (missing > 0) progress.update(at(Math.min(done.made, missing), 0))
  } while (done.ready < target)
  progress.end()
  const stopped = done.ready < target
  output.document({ ...done, stopped })
  const also = [
    ...(done.updated > 0 ? [`${done.updated} brought up to date`] : []),
    ...(done.removed > 0 ? [`${done.removed} that did not fit removed`] : []),
  ]
  output.say(`${plural(done.ready, 'tenant')} ready: ${[`${done.made} made now`, ...also].join(', ')}.`)
  return stopped ? EXIT.interrupted : EXIT.ok
}

/** Reads the registry as the application and changes nothing, not even the control schema. */
async function plan(
  { output }: Invocation,
  tenancy: Tenancy,
  action: string,
  target: number,
): Promise<ExitCode> {
  const all = await tenancy.list({ status: 'ready', limit: MOST })
  const there = all.filter(({ isolation }) => isolation === tenancy.isolation).length
  const [make, remove] = [Math.max(0, target - there), action === 'clear' ? there : 0]
  output.document({ ready: there, make, remove, dryRun: true })
  const would = action === 'clear' ? `${remove} would be removed` : `${make} would be made`
  output.say(`${plural(there, 'tenant')} ready${action === 'count' ? '' : `: ${would}`}.`)
  return EXIT.ok
}
