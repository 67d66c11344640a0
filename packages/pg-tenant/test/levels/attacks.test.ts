// @module-tag sampled
import { beforeAll, describe, expect, it } from 'vitest'
import { ATTACKS, type AttackReport, runAttackKit } from '../../src/testing/attack/index.ts'
import { among, HONESTLY_OPEN, idsOf, NOT_APPLICABLE } from '../hazards/honestly-open.ts'
import { kitLeftovers, seen } from '../hazards/kit-world.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { ALL_SUBJECTS, useSetting } from './setting.ts'

const setting = useSetting()
/** The other two are attacked in test/hazards/stopped.test.ts, through whatever pooler the run has. */
const LEVELS = ALL_SUBJECTS.map(({ level }) => level).filter(
  (level) => level !== 'schema' && level !== 'role' && (SLOW || level !== 'database'),
)

describe.each(LEVELS)('level %s', (isolation) => {
  let report: AttackReport
  // Samples, and the others in the slow set; there all of level `database`, of which verify looks at the same promises in the default set.
  const tried = isolation === 'database' ? ATTACKS : inTurn(ATTACKS, isolation === 'row' ? 10 : 24)
  const only = tried.map(({ id }) => id)
  beforeAll(async () => {
    report = await runAttackKit({ url: setting.directUrl, adminUrl: setting.world.adminUrl, isolation, only })
  }, 600_000)

  const promised = tried
    .filter(({ promise }) => promise.includes(isolation))
    .map(({ id, title }) => ({
      id,
      title,
    }))

  it.each(promised)('stops $id: $title', ({ id }) => {
    expect(seen(report, id)).toMatch(/^stopped: /)
  })

  it('says what is open, and leaves nothing out', () => {
    expect(idsOf(report, 'open')).toEqual(among(only, HONESTLY_OPEN[isolation]))
    expect(idsOf(report, 'not applicable')).toEqual(among(only, NOT_APPLICABLE[isolation]))
    expect(report.findings.filter(({ promised, verdict }) => promised && verdict === 'open')).toEqual([])
  })

  it('leaves nothing behind', async () => {
    expect(await kitLeftovers(setting.world)).toEqual([])
  })
})
