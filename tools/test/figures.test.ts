import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DOCUMENTS, HEADLINES, withFigures } from '../../bench/report/figures.ts'
import { atLeast, atMost, type Finding } from '../../bench/report/result.ts'
import { asOne } from '../../bench/report/runs.ts'
import { type Measurement, read } from '../../bench/report/store.ts'

// What `pnpm bench --write` says in READMEs: figures come from the bench, never from a hand.

const machine = {
  date: '2026-11-29',
  node: 'v24.0.0',
  postgres: '18.4',
  cpus: 2,
  load: 0,
  effort: 'quick',
  runs: 3,
}

const measured = (findings: readonly Finding[]): Map<string, Measurement> =>
  new Map([['scope', { machine, result: { suite: 'scope', findings } }]])

const TEXT = `before
<!-- figures: scope hub -->
old
<!-- figures:end -->
behind`

describe('figures in a README', () => {
  const good: Finding = { work: 'a | b', reference: 'the limit', measured: 1.04, target: atMost(1.05) }
  const missed: Finding = {
    work: 'c',
    reference: 'the limit',
    measured: 0.5,
    spread: { q1: 0.4, q3: 0.6 },
    target: atLeast(0.6),
    because: 'physics',
  }

  it('say what was measured, against what, what was aimed at, and why it was missed', () => {
    const text = withFigures(TEXT, measured([good, missed]), 'charts')
    expect(text).toContain('| a \\| b | the limit | ≤ 1.05× | 1.04× ✓ |  |')
    expect(text).toContain('| c | the limit | ≥ 0.6× | 0.5× (0.4–0.6) ✗ | physics |')
    expect(text).toContain('2026-11-29')
    expect(text).toContain('](charts/latency-1ms.svg)')
    expect(text).not.toContain('old')
    expect(text).toMatch(/^before\n[\s\S]*\nbehind$/)
  })

  it('stay as they are where nothing was measured', () => {
    expect(withFigures(TEXT, new Map(), 'charts')).toBe(TEXT)
  })

  it('are those with a target alone, where that is said', () => {
    const text = withFigures(
      TEXT.replace('hub', 'hub, targets only'),
      measured([good, { work: 'no target', reference: 'x', measured: 1 }]),
      'charts',
    )
    expect(text).not.toContain('no target')
    expect(text).toContain('1.04×')
  })

  it('are the rows of a front page alone, without their reasons, where that is said', () => {
    const headline = { ...missed, work: HEADLINES[0] ?? '' }
    const text = withFigures(TEXT.replace('hub', 'hub, headlines'), measured([good, headline]), 'charts')
    expect(text).toContain(`| ${HEADLINES[0]} | the limit | 0.5× ✗ | ≥ 0.6× |`)
    expect(text).not.toContain('physics')
    expect(text).not.toContain('1.04×')
    expect(text).not.toContain('processor-loopback.svg')
  })

  it('have every row of the front page among what was measured', async () => {
    const measurements = await read(join(import.meta.dirname, '../../bench/results/latest.json'))
    const works = [...measurements.values()]
      .flatMap(({ result }) => result.findings ?? [])
      .map(({ work }) => work)
    expect(works).toEqual(expect.arrayContaining([...HEADLINES]))
  })

  it.each(DOCUMENTS)('have their place in %s', async (file) => {
    const text = await readFile(join(import.meta.dirname, '../..', file), 'utf8')
    const suites = new Map(
      ['scope', 'crypto', 'rbac', 'governance'].map((suite) => [suite, { machine, result: { suite } }]),
    )
    expect(withFigures(text, suites, 'charts')).not.toBe(text)
  })
})

it('several runs are one: the median, with the least and the most', () => {
  const run = (value: number) => ({
    suite: 'scope',
    findings: [{ work: 'c', reference: 'the limit', measured: value }],
  })
  expect(asOne([run(3), run(1), run(2)]).findings).toEqual([
    { work: 'c', reference: 'the limit', measured: 2, spread: { q1: 1, q3: 3 }, runs: 3 },
  ])
})
