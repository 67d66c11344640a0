// @module-tag sampled
import { expect, it } from 'vitest'
import { runAttackKit } from '../../src/testing/index.ts'
import { describeCitus, useCitus } from './citus-world.ts'

describeCitus('the attack kit on Citus', () => {
  const citus = useCitus()

  // A sample, one of each kind of place a guard stands; all of it in the slow set.
  const only = process.env.TEST_SLOW ? undefined : ['b', 'f', 'g', 'k', 'q', 'v', 'w']
  it('finds every attack stopped that level schema promises to stop', async () => {
    const { findings } = await runAttackKit({
      url: citus.appUrl,
      adminUrl: citus.adminUrl,
      isolation: 'schema',
      tenancy: { distributedSchemas: 'citus' },
      ...(only && { only }),
    })
    expect(findings.filter(({ promised, verdict }) => promised && verdict !== 'stopped')).toEqual([])
  }, 300_000)
})
