import { beforeAll, describe, expect, it } from 'vitest'
import { ATTACKS, type AttackReport, runAttackKit } from '../../src/testing/attack/index.ts'
import { findingOf, kitLeftovers, seen } from '../hazards/kit-world.ts'
import { SUBJECTS, useSetting } from './setting.ts'

const setting = useSetting()
const LEVELS = SUBJECTS.filter(({ logsIn }) => logsIn).map(({ level }) => level)

/** What these levels leave open, said openly in the report. */
const HONESTLY_OPEN: Readonly<Record<string, readonly string[]>> = {
  login: ['m.pg_notify', 'n', 'o.public'],
  database: ['o.public'],
}

describe.each(LEVELS)('level %s', (isolation) => {
  let report: AttackReport
  beforeAll(async () => {
    report = await runAttackKit({ url: setting.directUrl, adminUrl: setting.world.adminUrl, isolation })
  })

  const promised = ATTACKS.filter(({ promise }) => promise.includes(isolation)).map(({ id, title }) => ({
    id,
    title,
  }))

  it.each(promised)('stops $id: $title', ({ id }) => {
    expect(seen(report, id)).toMatch(/^stopped: /)
  })

  it.each(HONESTLY_OPEN[isolation] ?? [])('says that %s is open', (id) => {
    expect(findingOf(report, id)).toMatchObject({ promised: false, verdict: 'open' })
  })

  it('leaves nothing behind', async () => {
    expect(await kitLeftovers(setting.world)).toEqual([])
  })
})
