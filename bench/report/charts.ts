import { NAME } from '../contenders/scope.ts'
import { type Bar, type Chart, drawChart } from './chart.ts'
import type { Line, Scenario, SuiteResult } from './result.ts'
import type { Machine, Measurements } from './store.ts'

// A chart for each of: one statement (three ways to look at it), a thousand tenants, a fleet, crypto, RBAC.

type Shown = Pick<Bar, 'label' | 'kind'> & { readonly name: string }

/** Lines of the suite `scope`, with the round trips that the suite `trips` counts. */
const STATEMENT: readonly Shown[] = [
  { name: NAME.named, label: 'unscoped, under a name (1 trip)', kind: 'limit' },
  { name: NAME.limit, label: 'unscoped, parsed each time (1)', kind: 'limit' },
  { name: NAME.floor, label: 'bare transaction, no checks (1)', kind: 'limit' },
  { name: NAME.queryKept, label: 'tenancy.query, kept statements (1)', kind: 'ours' },
  { name: NAME.queryOne, label: 'tenancy.query, one tenant (1)', kind: 'ours' },
  { name: NAME.queryMany, label: 'tenancy.query, 100 tenants (1)', kind: 'ours' },
  { name: NAME.scope, label: 'withTenant, one statement (2)', kind: 'ours' },
  { name: NAME.poolsFew, label: 'drizzle-multitenant, 20 tenants', kind: 'other' },
  { name: NAME.poolsMany, label: 'drizzle-multitenant, 100 tenants', kind: 'other' },
  { name: NAME.obvious, label: 'obvious helper (4)', kind: 'other' },
  { name: NAME.obviousRole, label: 'obvious helper + SET ROLE (5)', kind: 'other' },
]

interface Drawing extends Omit<Chart, 'bars'> {
  readonly file: string
  readonly suite: string
  bars(result: SuiteResult): Bar[]
}

const statement = (id: string, of?: (line: Line) => Line['ratio'] | undefined) => (result: SuiteResult) =>
  named(scenarioOf(result, id), STATEMENT, of)

export const CHARTS: readonly Drawing[] = [
  {
    file: 'latency-1ms.svg',
    suite: 'scope',
    title: 'One scoped read over a link with 1 ms round trip',
    subtitle: 'Time against the same statement unscoped; shorter is better.',
    axis: 'time, as a multiple of the unscoped statement',
    bars: statement('1-ms-link-1'),
  },
  {
    file: 'throughput-loopback.svg',
    suite: 'scope',
    title: 'Scoped reads, 20 at once, on loopback',
    subtitle: 'Throughput against the same statement unscoped; longer is better.',
    axis: 'throughput, as a share of the unscoped statement’s',
    bars: statement('loopback-20'),
  },
  {
    file: 'processor-loopback.svg',
    suite: 'scope',
    title: 'What a scoped read costs: processor time of both sides',
    subtitle: 'Against the same statement unscoped; shorter is better.',
    axis: 'processor time of client and server, as a multiple',
    bars: statement('loopback-20', ({ processor }) => processor?.ratio),
  },
  {
    file: 'thousand-tenants.svg',
    suite: 'hub',
    title: 'An API over HTTP, a thousand tenants in turn',
    subtitle: 'Throughput against the same API without tenancy; longer is better.',
    axis: 'throughput, as a share of the API without tenancy',
    bars: (result) => all(scenarioOf(result, 'hub-tenants')),
  },
  {
    file: 'fleet.svg',
    suite: 'fleet',
    title: 'A column and an index for every tenant of a fleet',
    subtitle: 'Time against the same DDL as raw messages; shorter is better.',
    axis: 'time, as a multiple of raw DDL',
    bars: (result) => all(scenarioOf(result, 'fleet-migrate')),
  },
  ...(['crypto', 'rbac'] as const).map(
    (suite): Drawing => ({
      file: `${suite}.svg`,
      suite,
      title: suite === 'crypto' ? 'Sealing, and tokens' : 'Permission checks',
      subtitle: 'Time against the least that does the work (dashed); shorter is better.',
      axis: 'time, as a multiple of the reference',
      bars: targets,
    }),
  ),
]

/** Charts by the names of their files: those whose suites have been measured. */
export function charts(measurements: Measurements): Map<string, string> {
  const files = new Map<string, string>()
  for (const { file, suite, bars, ...chart } of CHARTS) {
    const { machine, result } = measurements.get(suite) ?? {}
    const drawn = result ? bars(result) : []
    if (!machine || drawn.length === 0) continue
    const subtitle = `${chart.subtitle} ${where(machine)}`
    files.set(file, drawChart({ ...chart, subtitle, bars: drawn }))
  }
  return files
}

const scenarioOf = ({ scenarios = [] }: SuiteResult, id: string) => scenarios.find((one) => one.id === id)

const where = ({ postgres, cpus, date }: Machine) => `PostgreSQL ${postgres}, ${cpus} cores, ${date}.`

function named(scenario: Scenario | undefined, shown: readonly Shown[], of = ratioOf): Bar[] {
  return shown.flatMap(({ name, label, kind }) => {
    const line = scenario?.lines.find((one) => one.name === name)
    const ratio = line && of(line)
    return ratio ? [{ label, ratio, kind }] : []
  })
}

function ratioOf({ ratio }: Line): Line['ratio'] | undefined {
  return ratio
}

/** Lines that say themselves whose they are. */
function all(scenario: Scenario | undefined): Bar[] {
  return (scenario?.lines ?? []).map(({ name, ratio, kind = 'other' }) => ({ label: name, ratio, kind }))
}

/** What has a reference that it is to come close to. */
function targets({ findings = [] }: SuiteResult): Bar[] {
  return findings
    .filter(({ target }) => target?.bound === 'at most')
    .map(({ work, measured, spread }) => ({
      label: work,
      ratio: { median: measured, q1: spread?.q1 ?? measured, q3: spread?.q3 ?? measured },
      kind: 'ours',
    }))
}
