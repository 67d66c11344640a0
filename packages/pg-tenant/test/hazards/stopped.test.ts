import { beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { ATTACKS, type AttackReport } from '../../src/testing/attack/index.ts'
import { useWorld } from '../support/world.ts'
import { HONESTLY_OPEN, idsOf, NOT_APPLICABLE } from './honestly-open.ts'
import { attackIn, kitLeftovers, pipelining, seen } from './kit-world.ts'

const world = useWorld([])
const LEVELS: readonly IsolationLevel[] = ['schema', 'role']

describe.each(LEVELS)('level %s', (isolation) => {
  let report: AttackReport
  beforeAll(async () => {
    report = await attackIn(world, { isolation })
  })

  const promised = ATTACKS.filter(({ promise }) => promise.includes(isolation)).map(({ id, title }) => ({
    id,
    title,
  }))

  it.each(promised)('stops $id: $title', ({ id }) => {
    expect(seen(report, id)).toMatch(/^stopped: /)
  })

  it('says what is open, and leaves nothing out', () => {
    expect(idsOf(report, 'open')).toEqual(HONESTLY_OPEN[isolation])
    expect(idsOf(report, 'not applicable')).toEqual(NOT_APPLICABLE[isolation])
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
      only: ['a', 'b', 'd', 'e', 'f.several', 'j', 'k.tenants', 'p', 't', 'v', 'w'],
    })
    expect(report.findings.filter(({ verdict }) => verdict === 'open').map(({ id }) => id)).toEqual([])
  })
})
