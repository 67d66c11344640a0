// @module-tag sampled
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ATTACKS, type AttackReport } from '../../src/testing/attack/index.ts'
import { inTurn, SLOW } from '../support/sample.ts'
import { useWorld } from '../support/world.ts'
import { HONESTLY_OPEN, idsOf } from './honestly-open.ts'
import { attackIn, findingOf, seen } from './kit-world.ts'
import { obvious } from './obvious.ts'

const world = useWorld([])
const where = hasPgBouncer()
  ? 'through PgBouncer'
  : 'through PgBouncer (SKIPPED: no pgbouncer on this machine)'

describe.runIf(hasPgBouncer())(where, () => {
  let bouncer: PgBouncer
  let url: string
  beforeAll(async () => {
    // Fewer server connections than clients, so that scopes do change backends.
    bouncer = await startPgBouncer({ url: world.url, poolSize: 2 })
    url = Object.assign(new URL(world.appUrl), { port: new URL(bouncer.url).port }).href
  })
  afterAll(() => bouncer?.stop())

  describe.each(['role', 'row'] as const)('level %s', (isolation) => {
    let report: AttackReport
    // What a pooler changes it changes at every level: samples, and all others in the slow set.
    const tried = inTurn(ATTACKS, isolation === 'row' ? 11 : 4)
    const only = tried.map(({ id }) => id)
    beforeAll(async () => {
      report = await attackIn(world, { url, isolation, only })
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
      expect(idsOf(report, 'open')).toEqual(
        HONESTLY_OPEN[isolation].filter((id) => only.some((one) => id === one || id.startsWith(`${one}.`))),
      )
    })
  })

  it.skipIf(SLOW)('breaks the obvious helper with its named statements', async () => {
    const control = await attackIn(world, { url, isolation: 'schema', subject: obvious, only: ['p'] })
    expect(findingOf(control, 'p')).toMatchObject({ verdict: 'open' })
  })
})

it.skipIf(hasPgBouncer())('SKIPPED: install pgbouncer to attack through a transaction-mode pooler', () => {})
