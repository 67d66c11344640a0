import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NAME } from '../contenders/scope.ts'
import { type Bar, drawChart } from './chart.ts'
import type { Scenario, SuiteResult } from './result.ts'

/** What the results were measured on. */
interface Machine {
  readonly node: string
  readonly postgres: string
  readonly cpus: number
  /** Processes that wanted to run when the benchmark began, its own not counted: above `cpus` figures are unsound. */
  readonly load: number
  readonly effort: string
  readonly seconds: number
}

export interface Report {
  readonly machine: Machine
  readonly results: readonly SuiteResult[]
}

/** What the charts show, with the round trips that the suite `trips` counts. */
const SHOWN: readonly (Pick<Bar, 'label' | 'kind'> & { readonly name: string })[] = [
  { name: NAME.named, label: 'unscoped, under a name (1 trip)', kind: 'limit' },
  { name: NAME.limit, label: 'unscoped, parsed each time (1)', kind: 'limit' },
  { name: NAME.floor, label: 'bare transaction, no checks (1)', kind: 'limit' },
  { name: NAME.queryOne, label: 'tenancy.query, one tenant (1)', kind: 'ours' },
  { name: NAME.queryMany, label: 'tenancy.query, 100 tenants (1)', kind: 'ours' },
  { name: NAME.scope, label: 'withTenant, one statement (2)', kind: 'ours' },
  { name: NAME.poolsFew, label: 'drizzle-multitenant, 20 tenants', kind: 'other' },
  { name: NAME.poolsMany, label: 'drizzle-multitenant, 100 tenants', kind: 'other' },
  { name: NAME.obvious, label: 'obvious helper (4)', kind: 'other' },
  { name: NAME.obviousRole, label: 'obvious helper + SET ROLE (5)', kind: 'other' },
]

/** Writes `latest.json` and the charts of those scenarios that were measured. */
export async function write(folder: string, report: Report): Promise<string[]> {
  await mkdir(folder, { recursive: true })
  const files = new Map([['latest.json', `${JSON.stringify(report, rounded, 2)}\n`]])
  const scenarios = report.results.flatMap((result) => result.scenarios ?? [])
  const link = scenarios.find(({ id }) => id === '1-ms-link-1')
  if (link) files.set('latency-1ms.svg', latency(link, report.machine))
  const loopback = scenarios.find(({ id }) => id === 'loopback-20')
  if (loopback) files.set('throughput-loopback.svg', throughput(loopback, report.machine))
  for (const [name, text] of files) await writeFile(join(folder, name), text)
  return [...files.keys()]
}

function latency(scenario: Scenario, machine: Machine): string {
  return drawChart({
    title: 'One scoped read over a link with 1 ms round trip',
    subtitle: `Time against the same statement unscoped; shorter is better. ${where(machine)}`,
    axis: 'time, as a multiple of the unscoped statement',
    bars: barsOf(scenario),
  })
}

function throughput(scenario: Scenario, machine: Machine): string {
  return drawChart({
    title: 'Scoped reads, 20 at once, on loopback',
    subtitle: `Throughput against the same statement unscoped; longer is better. ${where(machine)}`,
    axis: 'throughput, as a share of the unscoped statement’s',
    bars: barsOf(scenario),
  })
}

const where = ({ postgres, cpus }: Machine) => `PostgreSQL ${postgres}, ${cpus} cores.`

function barsOf({ lines }: Scenario): Bar[] {
  return SHOWN.flatMap(({ name, label, kind }) => {
    const found = lines.find((line) => line.name === name)
    return found ? [{ label, ratio: found.ratio, kind }] : []
  })
}

/** Four digits say all that such a measurement knows. */
const rounded = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value
