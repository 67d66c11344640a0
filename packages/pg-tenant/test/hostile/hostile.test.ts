// @module-tag sampled
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { type AttackReport, formatAttackReport, runAttackKit } from '../../src/testing/attack/index.ts'
import { kitLeftovers } from '../hazards/kit-world.ts'
import { ALL_SUBJECTS, useSetting } from '../levels/setting.ts'
import { looksAt, SLOW } from '../support/sample.ts'
import { KNOWN_OPEN } from './known-open.ts'

// Hazard x: whatever a tenant can own is planted, then everything a tenancy can do is done. `TEST_PG_VERSION` and
// `TEST_POOLER` choose the server and the way to it (tools/matrix).

/** One call of each sort of work. */
const SAMPLE = ['plants', 'scope.query', 'doctor', 'backup', 'migrate', 'restore', 'offboard'].map(
  (id) => `x.${id}`,
)
/** Every call at `role` and `login` in the slow set, and at `row`, where nothing can be planted; at all with `TEST_HOSTILE=all`. */
const wanted = (level: string) => {
  if (process.env.TEST_HOSTILE === 'all' || level === 'row') return ['x']
  return SLOW && (level === 'role' || level === 'login') ? ['x'] : SAMPLE
}

/** Milliseconds; under load a level takes one of them. */
const MINUTES = 300_000
/** Their connections name roles that a pooler does not know. */
const OWN_LOGINS: ReadonlySet<string> = new Set(['login', 'database'])
const setting = useSetting()

/** The others are entered as `role` is, but for whose rights there are: in the slow set. */
const LEVELS = ALL_SUBJECTS.map(({ level }) => level).filter(
  (level) => process.env.TEST_HOSTILE === 'all' || looksAt(level, 'role'),
)

describe.each(LEVELS)('level %s', (isolation) => {
  let report: AttackReport
  beforeAll(async () => {
    const { directUrl, world } = setting
    report = await runAttackKit({
      url: OWN_LOGINS.has(isolation) ? directUrl : world.appUrl,
      adminUrl: world.adminUrl,
      isolation,
      hostile: true,
      only: wanted(isolation),
    })
  }, MINUTES)

  it('runs no code of a tenant with the rights of anybody else', () => {
    const open = report.findings.filter(({ verdict }) => verdict === 'open').map(({ id }) => id)
    expect(open.sort(), formatAttackReport(report)).toEqual([...KNOWN_OPEN[isolation]].sort())
  })

  it.skipIf(isolation === 'row')('refuses no archive that it made, or nothing was tried', () => {
    const restores = report.findings.filter(({ id }) => id === 'x.restore' || id === 'x.restore.clone')
    expect(
      restores.filter(({ verdict, evidence }) => !evidence.startsWith('done; ') || verdict === 'open'),
    ).toEqual([])
  })

  it('ran all that was planted', () => {
    const done = isolation === 'row' ? 'not applicable' : 'stopped'
    expect(report.findings.find(({ id }) => id === 'x.ran')).toMatchObject({ verdict: done })
  })

  it('leaves nothing behind', async () => {
    expect(await kitLeftovers(setting.world)).toEqual([])
  })
})

it('what a program would do that is not there is no attack that was stopped', { tags: 'slow' }, async () => {
  vi.stubEnv('PATH', '/nowhere')
  const { world } = setting
  const { findings } = await runAttackKit({
    url: world.appUrl,
    adminUrl: world.adminUrl,
    isolation: 'role',
    hostile: true,
    only: ['x.backup.pg_dump', 'x.restore.pg_dump'],
  }).finally(() => vi.unstubAllEnvs())
  const verdicts = findings.filter(({ id }) => id.endsWith('pg_dump')).map(({ verdict }) => verdict)
  expect(verdicts).toEqual(['not applicable', 'not applicable'])
})
