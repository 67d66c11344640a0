// @module-tag sampled
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '@org/pg-testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type AttackReport, runAttackKit } from '../../src/testing/attack/index.ts'
import { HONESTLY_OPEN, idsOf, NOT_APPLICABLE } from '../hazards/honestly-open.ts'
import { kitLeftovers } from '../hazards/kit-world.ts'
import { ALL_SUBJECTS, useSetting } from '../levels/setting.ts'
import { SLOW } from '../support/sample.ts'

// The attack kit over `tenancy.pool(key)`: a library of somebody else's sends BEGIN, COMMIT and everything between.

const setting = useSetting()
/** What a pool answers otherwise than a scope; the slow set attacks one level of each engine with all there is, one of them through PgBouncer. */
const SAMPLE = ['a', 'd', 'e', 'f.several', 'o.lasting', 'w']
const LEVELS = ALL_SUBJECTS.map(({ level }) => level)

let bouncer: PgBouncer | undefined
beforeAll(async () => {
  // Fewer server connections than clients, so that scopes do change backends.
  if (hasPgBouncer()) bouncer = await startPgBouncer({ url: setting.world.url, poolSize: 2 })
})
afterAll(() => bouncer?.stop())

const through = (pooler: PgBouncer) =>
  Object.assign(new URL(setting.directUrl), { port: new URL(pooler.url).port }).href

describe.each(LEVELS)('a pool of a tenant at level %s', (isolation) => {
  const attack = async (
    url: string,
    whole: boolean,
    adminUrl = setting.world.adminUrl,
  ): Promise<AttackReport> =>
    await runAttackKit({
      url,
      adminUrl,
      isolation,
      through: 'pool',
      ...(!whole && { only: SAMPLE }),
    })
  const requireStopped = (report: AttackReport, whole: boolean) => {
    expect(report.findings.filter(({ promised, verdict }) => promised && verdict === 'open')).toEqual([])
    if (!whole) return
    expect(idsOf(report, 'open')).toEqual(HONESTLY_OPEN[isolation])
    expect(idsOf(report, 'not applicable').toSorted()).toEqual([...NOT_APPLICABLE[isolation], 't'].toSorted())
  }

  // At level role there is only the sample, which the default set has tried.
  it.runIf(SLOW ? isolation !== 'role' : isolation === 'role')('withstands the attack kit', async () => {
    const whole = SLOW && (isolation === 'login' || isolation === 'row')
    requireStopped(await attack(setting.directUrl, whole), whole)
    expect(await kitLeftovers(setting.world)).toEqual([])
  })

  it.runIf(hasPgBouncer() && (SLOW || isolation === 'role'))('withstands it through PgBouncer', async () => {
    // PgBouncer asks each database who may log in, as a superuser, whose sessions only a superuser ends.
    const { url, adminUrl } = setting.world
    const whole = SLOW && isolation === 'role'
    const admin = isolation === 'database' ? url : adminUrl
    requireStopped(await attack(through(bouncer as PgBouncer), whole, admin), whole)
    expect(await kitLeftovers(setting.world)).toEqual([])
  })
})

it.skipIf(hasPgBouncer())('SKIPPED: install pgbouncer to attack through a transaction-mode pooler', () => {})
