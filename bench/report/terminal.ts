import { type Count, type Finding, meets, type Scenario, type SuiteResult } from './result.ts'

/** Everything as text for the terminal. */
export function render(results: readonly SuiteResult[]): string {
  const parts: string[] = []
  const counts = results.flatMap((result) => result.counts ?? [])
  const findings = results.flatMap((result) => result.findings ?? [])
  const notes = results.flatMap((result) => result.notes ?? [])
  if (counts.length > 0) parts.push(heading('Round trips, counted at the wire'), table(counts.map(ofCount)))
  for (const scenario of results.flatMap((result) => result.scenarios ?? [])) parts.push(ofScenario(scenario))
  if (findings.length > 0)
    parts.push(heading('Targets (ratios within this run)'), table([FINDINGS, ...findings.map(ofFinding)]))
  if (notes.length > 0) parts.push(notes.map((note) => `  ${note}`).join('\n'))
  return `${parts.join('\n')}\n`
}

const heading = (text: string) => `\n${text}\n${'─'.repeat(text.length)}`
const figure = (value: number) => value.toFixed(2)
const mark = (good: boolean | undefined) => (good === undefined ? ' ' : good ? '✓' : '✗')

function ofCount({ work, trips, expected }: Count): string[] {
  return [mark(trips === expected), work, String(trips), trips === expected ? '' : `expected ${expected}`]
}

function ofScenario({ title, reference, unit, lines }: Scenario): string {
  const absolute = (value: number) => (unit === 'ms' ? `${value.toFixed(3)} ms` : `${value.toFixed(0)}/s`)
  const rows = lines.map(({ name, ratio, absolute: value, processor, backend, failures }) => [
    '',
    name,
    `${figure(ratio.median)}×`,
    `${figure(ratio.q1)}–${figure(ratio.q3)}`,
    absolute(value),
    processor
      ? `${figure(processor.ratio.median)}×  ${processor.client.toFixed(0)} + ${processor.server.toFixed(0)} µs`
      : '',
    backend === undefined ? '' : `${backend.toFixed(1)} MB`,
    failures ? `${failures} failed` : '',
  ])
  const what = unit === 'ms' ? 'time' : 'throughput'
  return `${heading(`${title}: ${what} against ${reference}`)}\n${table([['', '', what, 'spread', 'here', 'processor: client + server', 'a backend', ''], ...rows])}`
}

const FINDINGS = ['', '', 'against', 'target', 'measured', 'spread', '']

function ofFinding(finding: Finding): string[] {
  const { work, reference, measured, spread, target, note } = finding
  return [
    mark(meets(finding)),
    work,
    reference,
    target ? `${target.bound === 'at most' ? '≤' : '≥'} ${figure(target.value)}×` : '',
    `${figure(measured)}×`,
    spread ? `${figure(spread.q1)}–${figure(spread.q3)}` : '',
    note ?? '',
  ]
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)))
  return rows
    .map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd())
    .join('\n')
}
