import { type Spread, spreadOf } from '../measure/statistics.ts'
import type { Finding, Line, Scenario, SuiteResult } from './result.ts'

/**
 * Several runs of one suite as one: medians of the runs' medians, and instead of the middle half of one run's rounds the least and
 * the most that a run gave. Counts and notes are those of the last.
 */
export function asOne(runs: readonly SuiteResult[]): SuiteResult {
  const last = runs.at(-1)
  if (!last) throw new Error('a suite that never ran')
  if (runs.length === 1) return last
  const findings = runs.flatMap((run) => run.findings ?? [])
  const scenarios = runs.flatMap((run) => run.scenarios ?? [])
  return {
    ...last,
    ...(last.findings && { findings: last.findings.map((one) => sameFindings(one, findings, runs.length)) }),
    ...(last.scenarios && { scenarios: last.scenarios.map((one) => sameScenarios(one, scenarios)) }),
  }
}

function sameFindings(one: Finding, all: readonly Finding[], runs: number): Finding {
  const same = all.filter(({ work, reference }) => work === one.work && reference === one.reference)
  const { median, q1, q3 } = across(same.map(({ measured }) => measured))
  return { ...one, measured: median, spread: { q1, q3 }, runs }
}

function sameScenarios(one: Scenario, all: readonly Scenario[]): Scenario {
  const same = all.filter(({ id }) => id === one.id)
  return { ...one, lines: one.lines.map((line) => sameLines(line, same)) }
}

function sameLines(line: Line, scenarios: readonly Scenario[]): Line {
  const same = scenarios.flatMap(({ lines }) => lines.filter(({ name }) => name === line.name))
  const median = (of: (one: Line) => number | undefined) =>
    spreadOf(same.flatMap((one) => of(one) ?? [])).median
  return {
    ...line,
    ratio: across(same.map(({ ratio }) => ratio.median)),
    absolute: median(({ absolute }) => absolute),
    ...(line.processor && {
      processor: {
        client: median(({ processor }) => processor?.client),
        server: median(({ processor }) => processor?.server),
        ratio: across(same.flatMap(({ processor }) => processor?.ratio.median ?? [])),
      },
    }),
  }
}

const across = (values: readonly number[]): Spread => ({
  median: spreadOf(values).median,
  q1: Math.min(...values),
  q3: Math.max(...values),
})
