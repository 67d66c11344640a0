import { FINDING_KINDS } from './findings.ts'
import type { SoakReport } from './soak.ts'
import type { KindTally } from './tally.ts'

const n = (value: number): string => value.toLocaleString('en-US')

/** One line that tells how far a run is. */
export function progressLine({ subject, operations, seconds, tally, findings, faults }: SoakReport): string {
  const bad = FINDING_KINDS.filter((kind) => findings.counts[kind] > 0).map(
    (kind) => `${kind} ${n(findings.counts[kind])}`,
  )
  const restarts = (faults['fast restart'] ?? 0) + (faults.crash ?? 0)
  return [
    `${subject} ${seconds.toFixed(0)} s`,
    `${n(operations)} operations`,
    `${n(Math.round(operations / Math.max(seconds, 0.001)))}/s`,
    `${n(tally.outcomes.unknown)} unknown`,
    `${restarts} restarts`,
    bad.length === 0 ? 'no findings' : bad.join(', '),
  ].join(' · ')
}

/** The whole report, for people. */
export function formatReport(report: SoakReport): string {
  const { subject, operations, seconds, tally, unknown, faults, hits, findings } = report
  const { acked, rejected } = tally.outcomes
  const lines = [
    `Soak of ${subject === 'ours' ? '@org/pg-tenant' : 'the obvious helper (control)'}`,
    `${n(operations)} operations in ${seconds.toFixed(1)} s (${n(Math.round(operations / seconds))}/s): ` +
      `${n(acked)} acknowledged, ${n(rejected)} failed, ${n(tally.outcomes.unknown)} unknown`,
    `unknown outcomes, looked up afterwards: ${n(unknown.committed)} committed, ${n(unknown.rolledBack)} not`,
    '',
    ...table(tally.kinds),
    '',
    `faults: ${Object.entries(faults)
      .map(([kind, count]) => `${kind} ${n(count)}`)
      .join(', ')}`,
    ...cutLines(hits),
    '',
    ...FINDING_KINDS.flatMap((kind) => [
      `${kind.padEnd(24)} ${n(findings.counts[kind]).padStart(8)}`,
      ...findings.samples[kind].map((sample) => `    ${sample}`),
    ]),
  ]
  return lines.join('\n')
}

function table(kinds: ReadonlyMap<string, KindTally>): string[] {
  const rows = [...kinds].sort(
    ([a, x], [b, y]) => Number(x.hostile) - Number(y.hostile) || a.localeCompare(b),
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, { operations, hostile, codes }]) => {
    const told = [...codes].sort((a, b) => b[1] - a[1]).map(([code, count]) => `${code} ${n(count)}`)
    return `${hostile ? '!' : ' '} ${name.padEnd(width)} ${n(operations).padStart(9)}  ${told.slice(0, 9).join(', ')}`
  })
}

function cutLines(hits: ReadonlyMap<string, number>): string[] {
  const actions = ['cut-before', 'cut-after', 'black-hole']
  const kinds = new Map<string, number[]>()
  for (const [hit, count] of hits) {
    const at = hit.lastIndexOf(' ')
    const kind = hit.slice(0, at)
    const counts = kinds.get(kind) ?? [0, 0, 0]
    counts[actions.indexOf(hit.slice(at + 1))] = count
    kinds.set(kind, counts)
  }
  const told = [...kinds].sort().map(([kind, [before, after, hole]]) => {
    return `${kind} ${before}+${after}${hole ? `+${hole}` : ''}`
  })
  return told.length === 0 ? [] : [`connections lost at (before+after+black hole): ${told.join('; ')}`]
}

/** The same for machines. */
export function reportAsJson(report: SoakReport): object {
  const { tally, hits, findings, ...rest } = report
  const kinds = Object.fromEntries(
    [...tally.kinds].map(([name, { operations, hostile, codes }]) => [
      name,
      { operations, hostile, codes: Object.fromEntries(codes) },
    ]),
  )
  return {
    ...rest,
    outcomes: tally.outcomes,
    findings: findings.counts,
    samples: findings.samples,
    hits: Object.fromEntries(hits),
    kinds,
  }
}
