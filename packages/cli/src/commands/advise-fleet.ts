import type { Invocation } from '../command.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { showAdvice } from '../output/show-advice.ts'
import { planOf, showPlan, statsOfAll } from './move-plan.ts'

/** What to do in each cluster before it hurts, and which tenants to move where. */
export async function adviseFleet(
  { global, env, io, output }: Invocation,
  storage: number | undefined,
): Promise<ExitCode> {
  const [{ openFleet }, { advise }] = await Promise.all([
    import('../config/fleet.ts'),
    import('@org/pg-tenant/admin'),
  ])
  const connected = await openFleet(global, env, io.cwd, { checks: true })
  try {
    const { config } = connected
    const stats = await statsOfAll(connected)
    const clusters = Object.entries(stats).map(([placement, of]) => ({
      placement,
      advice: advise(of, {
        ...config.thresholds,
        ...(storage !== undefined && { storageBytes: storage }),
        ...config.placements?.[placement]?.thresholds,
      }),
    }))
    const plan = await planOf(stats, connected, { storage })
    output.document({ clusters, ...plan })
    for (const { placement, advice } of clusters) {
      output.data(output.paint('bold', placement))
      showAdvice(advice, output)
      if (advice.length === 0) output.note('Nothing to do.')
    }
    output.data('')
    showPlan(plan, output)
    if (plan.moves.length > 0) output.note('pg-tenant move --plan carries it out.')
    const all = clusters.flatMap(({ advice }) => advice)
    return all.some(({ severity }) => severity !== 'notice') ? EXIT.failed : EXIT.ok
  } finally {
    await connected.close()
  }
}
