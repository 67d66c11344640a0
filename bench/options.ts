import { parseArgs } from 'node:util'

const SUITES = [
  'trips',
  'scope',
  'roles',
  'provision',
  'memory',
  'fleet',
  'registry',
  'archive',
  'crypto',
  'rbac',
  'outbox',
  'webhooks',
  'governance',
  'hub',
] as const
type SuiteName = (typeof SUITES)[number]

export const USAGE = `pnpm bench [options]
  --quick          a few minutes (default)
  --full           more rounds, longer slices, 10,000 tenants
  --write          what is published: three runs of each suite, charts, and the figures of the documents, with the date
  --only=<suite>   one of ${SUITES.join(', ')}; may be repeated. With --write the others' figures stay; without it
                   nothing is written unless --out is given
  --runs=<n>       how often each suite runs (default 1, with --write 3); the spread is then that of the runs
  --minutes=<n>    no suite is run again when that would take longer (default 15); each runs once
  --tenants=<n>    tenants of the suites "roles" and "memory" (default 1,000, with --full 10,000)
  --url=<url>      a superuser's URL of a running server (600 connections) instead of one of its own
  --out=<folder>   where results and charts go (default bench/results)
  --json           prints the results as JSON instead of tables`

/** How much is measured; the contenders and the reckoning are the same. */
export interface Effort {
  readonly name: 'quick' | 'full'
  readonly rounds: number
  readonly warmUp: number
  readonly loopbackSliceMs: number
  readonly linkSliceMs: number
  /** Tenants provisioned by each way in the suite `provision`. */
  readonly provisions: number
  /** Tenants of the suites `roles` and `memory`. */
  readonly tenants: number
}

export interface Options {
  readonly effort: Effort
  readonly suites: readonly SuiteName[]
  readonly url: string | undefined
  readonly json: boolean
  /** Where to write; undefined: nowhere. */
  readonly out: string | undefined
  /** Also into the READMEs. */
  readonly figures: boolean
  readonly runs: number
  readonly minutes: number
}

const QUICK: Effort = {
  name: 'quick',
  rounds: 9,
  warmUp: 2,
  loopbackSliceMs: 35,
  linkSliceMs: 60,
  provisions: 15,
  tenants: 1_000,
}

const FULL: Effort = {
  name: 'full',
  rounds: 35,
  warmUp: 3,
  loopbackSliceMs: 90,
  linkSliceMs: 110,
  provisions: 60,
  tenants: 10_000,
}

/** Reads the command line; undefined when help is asked for. Throws for what it does not know, saying what it does. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: args.filter((arg) => arg !== '--'),
    options: {
      quick: { type: 'boolean' },
      full: { type: 'boolean' },
      write: { type: 'boolean' },
      runs: { type: 'string' },
      minutes: { type: 'string' },
      only: { type: 'string', multiple: true },
      tenants: { type: 'string' },
      url: { type: 'string' },
      out: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return undefined
  if (values.quick && values.full) throw new Error('--quick or --full, not both')
  const effort = values.full ? FULL : QUICK
  const wanted = values.only?.flatMap((names) => names.split(','))
  for (const name of wanted ?? []) {
    if (!SUITES.some((suite) => suite === name)) throw new Error(`--only: one of ${SUITES.join(', ')}`)
  }
  const whole = (name: 'tenants' | 'runs' | 'minutes', otherwise: number, least: number) => {
    const value = values[name] === undefined ? otherwise : Number(values[name])
    if (Number.isInteger(value) && value >= least) return value
    throw new Error(`--${name}: a whole number from ${least}`)
  }
  const tenants = whole('tenants', effort.tenants, 100)
  const { write: figures = false } = values
  return {
    effort: { ...effort, tenants },
    suites: SUITES.filter((suite) => wanted?.includes(suite) ?? true),
    url: values.url,
    json: values.json ?? false,
    out: values.out ?? (wanted && !figures ? undefined : `${import.meta.dirname}/results`),
    figures,
    runs: whole('runs', figures ? 3 : 1, 1),
    minutes: whole('minutes', 15, 1),
  }
}
