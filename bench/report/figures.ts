import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CHARTS } from './charts.ts'
import { type Finding, meets } from './result.ts'
import type { Measurement, Measurements } from './store.ts'

/**
 * Documents with figures: between `<!-- figures: scope hub -->` and `<!-- figures:end -->` stands what those suites gave, their charts
 * first. `<!-- figures: scope hub, targets only -->` leaves out what has no target; `…, headlines -->` shows the few rows and charts
 * that a front page needs.
 */
export const DOCUMENTS = [
  'README.md',
  'docs/performance.md',
  'packages/crypto/README.md',
  'packages/rbac/README.md',
  'packages/governance/README.md',
] as const

/** The rows of a front page, hits and misses: what a request costs, then the work around it. */
export const HEADLINES: readonly string[] = [
  'tenancy.query, one tenant, 1 ms link',
  'withTenant, one statement, 1 ms link',
  'tenancy.query, many tenants, 1 ms link',
  'tenancy.query, many tenants, 20 at once, loopback: throughput',
  'tenancy.query, many tenants, 20 at once: processor time of both sides',
  'API with tenancy, 1,000 tenants: throughput',
  'the whole hub, 1,000 tenants: throughput',
  'heap after 10,000 tenants on one pool',
  'sign-up from the ready pool',
  'migrate 1000 tenants',
  'backup, zstd (default): MB/s',
  'webhook deliveries, one process, a loopback receiver',
  'seal 64 bytes, enc:v1',
  'can',
]

const FRONT_CHARTS: readonly string[] = ['latency-1ms.svg', 'throughput-loopback.svg', 'thousand-tenants.svg']

const BLOCK = /(<!-- figures: ([a-z ]+)(, targets only|, headlines)? -->\n)[\s\S]*?(<!-- figures:end -->)/g

const CHARTS_OF: Readonly<Record<string, string>> = {
  'README.md': 'bench/results',
  'docs/performance.md': '../bench/results',
}

/** Writes figures into documents; what was not measured stays as it is. @returns the files that changed */
export async function writeFigures(root: string, measurements: Measurements): Promise<string[]> {
  const changed: string[] = []
  for (const file of DOCUMENTS) {
    const path = join(root, file)
    const before = await readFile(path, 'utf8')
    // What is published stands alone: it has no charts beside it.
    const charts = CHARTS_OF[file]
    const after = withFigures(before, measurements, charts)
    if (after === before) continue
    await writeFile(path, after)
    changed.push(file)
  }
  return changed
}

/**
 * The same text with the figures of its blocks.
 *
 * @param folder of the charts, as the text says it; without one there are none
 */
export function withFigures(text: string, measurements: Measurements, folder: string | undefined): string {
  return text.replace(BLOCK, (whole, begin: string, names: string, only: string | undefined, end: string) => {
    const suites = names.split(' ')
    const measured = suites.flatMap((suite) => measurements.get(suite) ?? [])
    if (measured.length === 0) return whole
    const front = only === ', headlines'
    const images = CHARTS.filter(({ suite }) => suites.includes(suite) && measurements.has(suite))
      .filter(({ file }) => folder !== undefined && (!front || FRONT_CHARTS.includes(file)))
      .map(({ file, title }) => `![${title}](${folder}/${file})`)
    const findings = measured
      .flatMap(({ result }) => result.findings ?? [])
      .filter(({ target }) => target !== undefined || only === undefined)
    const rows = front
      ? [FRONT_HEAD, ...findings.filter(({ work }) => HEADLINES.includes(work)).map(frontRow)]
      : [HEAD, ...findings.map(row)]
    const parts = [images.join('\n'), rows.join('\n'), said(measured)]
    return `${begin}${parts.filter((part) => part !== '').join('\n\n')}\n${end}`
  })
}

const FRONT_HEAD = '| | against | measured | target |\n|---|---|---|---|'
const HEAD = '| | against | target | measured | |\n|---|---|---|---|---|'

function frontRow(finding: Finding): string {
  const { work, reference, measured } = finding
  return `| ${[work, reference, `${number(measured)}×${markOf(finding)}`, aimOf(finding)].map(cell).join(' | ')} |`
}

const markOf = (finding: Finding) => ({ true: ' ✓', false: ' ✗', undefined: '' })[`${meets(finding)}`]

const aimOf = ({ target }: Finding) =>
  target ? `${target.bound === 'at most' ? '≤' : '≥'} ${number(target.value)}×` : ''

function row(finding: Finding): string {
  const { work, reference, measured, spread, note, because } = finding
  const range = spread ? ` (${number(spread.q1)}–${number(spread.q3)})` : ''
  const why = [note, meets(finding) === false ? because : undefined].filter(Boolean).join('. ')
  const value = `${number(measured)}×${range}${markOf(finding)}`
  return `| ${[work, reference, aimOf(finding), value, why].map(cell).join(' | ')} |`
}

const cell = (text: string) => text.replaceAll('|', '\\|')

/** Three digits, or whole. */
const number = (value: number) =>
  value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(value < 1 ? 2 : 3)))

/** When and on what, said once where it is the same of all. */
function said(measured: readonly Measurement[]): string {
  const lines = new Map<string, string[]>()
  for (const { machine, result } of measured) {
    const { date, postgres, node, cpus, runs, load } = machine
    const times =
      runs === 1
        ? 'one run, with the middle half of its rounds'
        : `${runs} runs, with the least and the most of them`
    const busy = load > cpus / 2 ? `; the machine was busy (load ${load.toFixed(1)})` : ''
    const line = `${date}, PostgreSQL ${postgres}, Node ${node}, ${cpus} cores, ${times}${busy}`
    lines.set(line, [...(lines.get(line) ?? []), result.suite])
  }
  const texts = [...lines].map(([line, suites]) =>
    lines.size === 1 ? line : `${suites.join(', ')}: ${line}`,
  )
  return `Written by \`pnpm bench --write\`: ${texts.join('. ')}. Ratios within one run, contenders interleaved.`
}
