import { beforeAll, describe, expect, it } from 'vitest'
import type { IsolationLevel } from '../../src/index.ts'
import { ATTACKS, type AttackReport } from '../../src/testing/attack/index.ts'
import { useWorld } from '../support/world.ts'
import { attackIn, findingOf, kitLeftovers, pipelining, seen } from './kit-world.ts'

const world = useWorld([])
const LEVELS: readonly IsolationLevel[] = ['schema', 'role']

/** What no level of these two can stop, said openly in the report. */
const HONESTLY_OPEN: Readonly<Partial<Record<IsolationLevel, readonly string[]>>> = {
  schema: ['m.pg_notify', 'n', 'o.names', 'o.set_config', 'o.do', 'o.public'],
  role: ['m.pg_notify', 'n', 'o.set_config', 'o.do', 'o.public'],
}

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

  it.each(HONESTLY_OPEN[isolation] ?? [])('says that %s is open', (id) => {
    expect(findingOf(report, id)).toMatchObject({ promised: false, verdict: 'open' })
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
