// @module-tag sampled
import { beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { ATTACKS, type AttackReport } from '../../src/testing/attack/index.ts'
import { inTurn } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'
import { among, HONESTLY_OPEN, idsOf, NOT_APPLICABLE } from './honestly-open.ts'
import { attackIn, kitLeftovers, pipelining, seen } from './kit-world.ts'

const world = useWorld([])
const LEVELS: readonly IsolationLevel[] = ['schema', 'role']

describe.each(LEVELS)('level %s', (isolation) => {
  let report: AttackReport
  const tried = inTurn(ATTACKS, isolation === 'role' ? 6 : 16)
  const only = tried.map(({ id }) => id)
  beforeAll(async () => {
    report = await attackIn(world, { isolation, only })
  })

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
    expect(await kitLeftovers(world)).toEqual([])
  })
})

describe('a pipelining pool', () => {
  it('is protected as well', async () => {
    const report = await attackIn(world, {
      poolFactory: pipelining,
      only: inTurn(['a', 'b', 'd', 'e', 'f.several', 'j', 'k.tenants', 'p', 't', 'v', 'w'], 6),
    })
    expect(report.findings.filter(({ verdict }) => verdict === 'open').map(({ id }) => id)).toEqual([])
  })
})
