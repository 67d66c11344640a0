import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CHARTS } from './charts.ts'
import { type Finding, meets } from './result.ts'
import type { Measurement, Measurements } from './store.ts'

/**
 * READMEs with figures: between `<!-- figures: scope hub -->` and `<!-- figures:end -->` stands what those suites gave, their charts
 * first. `<!-- figures: scope hub, targets only -->` leaves out what has no target.
 */
export const READMES = [
  'README.md',
  'packages/crypto/README.md',
  'packages/rbac/README.md',
  'packages/governance/README.md',
] as const

const BLOCK = /(<!-- figures: ([a-z ]+)(, targets only)? -->\n)[\s\S]*?(<!-- figures:end -->)/g

/** Writes figures into READMEs; what was not measured stays as it is. @returns the files that changed */
export async function writeFigures(root: string, measurements: Measurements): Promise<string[]> {
  const changed: string[] = []
  for (const file of READMES) {
    const path = join(root, file)
    const before = await readFile(path, 'utf8')
    // What is published stands alone: it has no charts beside it.
    const charts = file === 'README.md' ? 'bench/results' : undefined
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
    const images = CHARTS.filter(
      ({ suite }) => folder !== undefined && suites.includes(suite) && measurements.has(suite),
    ).map(({ file, title }) => `![${title}](${folder}/${file})`)
    const parts = [images.join('\n'), table(measured, only !== undefined), said(measured)]
    return `${begin}${parts.filter((part) => part !== '').join('\n\n')}\n${end}`
  })
}

const HEAD = '| | against | target | measured | |\n|---|---|---|---|---|'

function table(measured: readonly Measurement[], targetsOnly: boolean): string {
  const rows = measured
    .flatMap(({ result }) => result.findings ?? [])
    .filter(({ target }) => target !== undefined || !targetsOnly)
    .map(row)
  return [HEAD, ...rows].join('\n')
}

function row(finding: Finding): string {
  const { work, reference, target, measured, spread, note, because } = finding
  const good = meets(finding)
  const mark = good === undefined ? '' : good ? ' ✓' : ' ✗'
  const aim = target ? `${target.bound === 'at most' ? '≤' : '≥'} ${number(target.value)}×` : ''
  const range = spread ? ` (${number(spread.q1)}–${number(spread.q3)})` : ''
  const why = [note, good === false ? because : undefined].filter(Boolean).join('. ')
  return `| ${[work, reference, aim, `${number(measured)}×${range}${mark}`, why].map(cell).join(' | ')} |`
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
