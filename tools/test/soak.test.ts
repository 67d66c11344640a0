// @module-tag sampled
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hasPgBouncer } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'

const RUN = fileURLToPath(new URL('../soak/run.ts', import.meta.url))
const NODE = ['--conditions=@org/source', '--disable-warning=ExperimentalWarning', RUN, '--json']

interface Report {
  readonly operations: number
  readonly findings: Readonly<Record<string, number>>
  readonly samples: Readonly<Record<string, readonly string[]>>
  readonly faults: Readonly<Record<string, number>>
  readonly hits: Readonly<Record<string, number>>
}

/** A process of its own: what it must not do is end with an uncaught error. */
async function soak(...args: string[]): Promise<{ report: Report; code: number; progress: string }> {
  const child = promisify(execFile)(process.execPath, [...NODE, '--tenants', TENANTS, ...args])
  const { stdout, stderr, code } = await child.then(
    (output) => ({ ...output, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  )
  expect(stdout, stderr).not.toBe('')
  const report: Report = JSON.parse(stdout)[0]
  // What a second try would hide; CI shows the line.
  if (code !== 0)
    console.error(`soak ${args.join(' ')}: ${JSON.stringify([report.findings, report.samples])}`)
  return { report, code, progress: stderr }
}

const OPERATIONS = process.env.TEST_SLOW ? 3_000 : 500
const TENANTS = process.env.TEST_SLOW ? '12' : '6'
/** Only in the slow set, at every level, half of them through PgBouncer. */
const THROUGH_POOLS = process.env.TEST_SLOW
  ? ['schema', 'role', 'login', 'database', 'row'].map((level, at) => [
      ...['--level', level],
      ...(hasPgBouncer() && at % 2 === 0 ? ['--pooler'] : []),
    ])
  : []
const NOTHING = {
  leak: 0,
  lost: 0,
  twice: 0,
  unnoticed: 0,
  'rejected-but-committed': 0,
  uncaught: 0,
  hang: 0,
  'busy-connection': 0,
  'idle-in-transaction': 0,
  uncoded: 0,
}

describe('soak', () => {
  it('finds nothing in the library, through cuts, terminations, a crash and a restart', {
    tags: 'slow',
  }, async () => {
    const { report, code } = await soak(
      '--seed',
      // Its first terminations and cancellations come before the first restart, whose length is chance.
      '1',
      '--ops',
      `${OPERATIONS}`,
      '--epoch',
      `${OPERATIONS / 2}`,
      '--restart-every',
      `${OPERATIONS / 2.5}`,
    )
    expect(report.findings, JSON.stringify(report.samples, null, 2)).toEqual(NOTHING)
    expect(code).toBe(0)
    expect(report.operations).toBe(OPERATIONS)
    for (const fault of ['terminate', 'cancel', 'crash', 'fast restart']) {
      expect(report.faults[fault], fault).toBeGreaterThan(0)
    }
    // Five to seven of eleven cuts in the default set.
    expect(Object.keys(report.hits).length).toBeGreaterThan(process.env.TEST_SLOW ? 5 : 2)
  })

  it.each(THROUGH_POOLS)('finds nothing through tenants’ pools: %s', async (...where) => {
    const { report, code } = await soak(
      ...[
        '--through',
        'pool',
        '--seed',
        '5',
        '--ops',
        `${OPERATIONS / 2}`,
        '--restart-every',
        `${OPERATIONS / 5}`,
      ],
      ...where,
    )
    expect(report.findings, JSON.stringify(report.samples, null, 2)).toEqual(NOTHING)
    expect(code).toBe(0)
  })

  // Its workers are processes; of the outbox's tests that of killed ones is in the default set, that of stalled ones in this.
  it.runIf(process.env.TEST_SLOW)(
    'loses, doubles and mixes up no event, answer or entry either, while workers are killed and stalled',
    async () => {
      const { report, code } = await soak('--governance', '--seed', '3', '--ops', `${OPERATIONS}`)
      expect(report.findings, JSON.stringify(report.samples, null, 2)).toEqual(NOTHING)
      expect(code).toBe(0)
      for (const what of ['worker killed', 'delivered', 'handled', 'entries verified', 'forgeries noticed'])
        expect(report.faults[what], what).toBeGreaterThan(0)
    },
  )

  it('finds leaks and losses in the obvious helper', { tags: 'slow' }, async () => {
    const { report, code } = await soak('--subject', 'obvious', '--ops', '300', '--faults', 'off')
    expect(code).toBe(0)
    expect(report.findings.leak).toBeGreaterThan(0)
    expect(report.findings.lost).toBeGreaterThan(0)
  })

  // About two in a thousand operations, by chance: as many runs as it takes.
  it.runIf(process.env.TEST_SLOW)('finds what it refused and committed all the same', async () => {
    let found = 0
    for (let seed = 1; found === 0 && seed <= 8; seed++) {
      const { report } = await soak(
        ...['--subject', 'obvious', '--seed', `${seed}`, '--ops', '2000', '--faults', 'off'],
      )
      found += report.findings['rejected-but-committed'] ?? 0
    }
    expect(found).toBeGreaterThan(0)
  })

  it('says how it is used when an option is wrong', async () => {
    const wrong = promisify(execFile)(process.execPath, [...NODE, '--level', 'none'])
    await expect(wrong).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--level takes one of'),
    })
  })
})
