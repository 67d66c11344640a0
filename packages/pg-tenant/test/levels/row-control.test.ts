// @module-tag sampled
import { beforeAll, describe, expect, it } from 'vitest'
import { type AttackReport, runAttackKit, type SubjectSetup } from '../../src/testing/attack/index.ts'
import type { Subject } from '../../src/testing/attack/types.ts'
import { findingOf, kitLeftovers } from '../hazards/kit-world.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { obviousRow, withoutPolicies } from './obvious-row.ts'
import { useSetting } from './setting.ts'

const setting = useSetting()
const attack = (subject: (setup: SubjectSetup) => Subject, only?: string[]) =>
  runAttackKit({
    url: setting.directUrl,
    adminUrl: setting.world.adminUrl,
    isolation: 'row',
    subject,
    ...(only && { only }),
  })

/** What is broken though the tables are the library's, with forced policies; every eleventh in the default set. */
const BROKEN = inTurn(
  [
    'a',
    'b.missing',
    'b.usage',
    'b.withdrawn',
    'b.dropped',
    'b.renamed',
    'd',
    'e',
    'e.savepoint',
    'f.commands',
    'f.functions',
    'f.several',
    'g',
    'h',
    'j',
    'j.other',
    "k'",
    "k'.mode",
    'n.registry',
    'o.set_config',
    'o.do',
    'o.lasting',
    'o.savepoint',
    'p.poison',
    'p.outside',
    'q',
    'r',
    't',
    'v',
    'w',
  ],
  11,
)

/** What only policies stop. */
const BROKEN_WITHOUT = SLOW
  ? ['o.names', 'p.outside']
  : ['row.where', 'row.copy', 'row.write', 'row.unset', 'row.policy', 'row.definer', 'row.leak']

describe('the obvious row helper', () => {
  let report: AttackReport
  beforeAll(async () => {
    report = await attack(obviousRow, BROKEN)
  })
  it.each(BROKEN)('is broken by %s', (id) => {
    const { verdict, evidence } = findingOf(report, id)
    expect(`${verdict}: ${evidence}`).toMatch(/^open: (?!could not be judged|.*nothing is proved)/)
  })
  it('leaves nothing behind', async () => {
    expect(await kitLeftovers(setting.world)).toEqual([])
  })
})

describe('tables without their policies', () => {
  let report: AttackReport
  beforeAll(async () => {
    report = await attack(withoutPolicies(setting.world.root), BROKEN_WITHOUT)
  })
  it.each(BROKEN_WITHOUT)('are broken into by %s', (id) => {
    const { verdict, evidence } = findingOf(report, id)
    expect(`${verdict}: ${evidence}`).toMatch(/^open: (?!could not be judged|.*nothing is proved)/)
  })
})

it.runIf(SLOW)(
  'an administrator whom no policy binds sees the same, but for what stands on policies that bind it',
  async () => {
    const report = await runAttackKit({
      url: setting.directUrl,
      adminUrl: setting.world.url,
      isolation: 'row',
      only: ['a', 'b', 'row'],
    })
    expect(report.ok).toBe(true)
    expect(report.findings.filter(({ verdict }) => verdict !== 'stopped').map(({ id }) => id)).toEqual([
      'row.definer',
    ])
    expect(findingOf(report, 'row.definer')).toMatchObject({ verdict: 'not applicable' })
  },
)
