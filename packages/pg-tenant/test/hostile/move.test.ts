// @module-tag slow: whole moves of a tenant that has every kind of code; hostile.test.ts makes the other calls
import { testSealing } from '@org/pg-testing'
import { expect, it } from 'vitest'
import { createFleet, createTenancy, type IsolationLevel } from '../../src/index.ts'
import { planting } from '../../src/testing/attack/hostile/stage.ts'
import { formatAttackReport, type HostileCall, runAttackKit } from '../../src/testing/attack/index.ts'
import { useSetting } from '../levels/setting.ts'

// Hazard x: what a tenant planted runs where it comes from and where it goes, and has that tenant's rights alone in both.

const setting = useSetting()

/** To another level of the same database, where one administrator has both. */
const moveTo = (to: IsolationLevel): HostileCall => ({
  id: `move.${to}`,
  title: `a move to level ${to}`,
  spoils: true,
  run: async ({ admin, evil, heard, lab, pool, targets }) => {
    const migrations = [...lab.migrations, planting(targets)]
    const prefix = targets.schema.slice(0, -evil.length)
    const at = (isolation: IsolationLevel, name: string, controlSchema: string) =>
      createTenancy({
        ...{ pool, adminPool: admin, isolation, migrations, controlSchema },
        ...{ schemaPrefix: prefix + name, rolePrefix: prefix + name },
        ...(to === 'login' || to === 'database' ? { credentials: testSealing() } : {}),
      })
    const here = at(lab.isolation, '', targets.controlSchema)
    const there = at(to, 'm_', `${targets.controlSchema}_m`)
    try {
      await here.drop(evil)
      await here.provision(evil, { reuseDeletedKey: true })
      await here.query(evil, `insert into notes (body) values ('to be moved')`)
      heard()
      // Functions name the schema in their text.
      await createFleet({ placements: { here, there } }).move(evil, 'there', { lose: ['named'] })
      await there.drop(evil)
    } finally {
      await here.close()
      await there.close()
    }
  },
})

it.each([
  ['role', 'login'],
  ['schema', 'database'],
] as const)(
  'from level %s to %s',
  async (isolation, to) => {
    const report = await runAttackKit({
      url: setting.world.appUrl,
      adminUrl: setting.world.adminUrl,
      isolation,
      hostile: [moveTo(to)],
      only: [`x.move.${to}`],
    })
    const found = report.findings.find(({ id }) => id === `x.move.${to}`)
    expect(found, formatAttackReport(report)).toMatchObject({
      verdict: 'stopped',
      evidence: expect.stringMatching(/^done; [1-9]/),
    })
  },
  300_000,
)
