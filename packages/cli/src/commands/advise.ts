import type { AdviceThresholds } from '@org/pg-tenant'
import type { CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { showAdvice } from '../output/show-advice.ts'
import { size } from './values.ts'

interface Options {
  readonly storage?: number
  readonly fleet?: boolean
}

export const advise: CommandModule<Options> = {
  options: [
    { flags: '--fleet', text: 'of all placements, and which tenants to move where' },
    { flags: '--storage <size>', text: 'how much storage there is, e.g. 500GB', parse: size('--storage') },
  ],
  examples: [
    ['pg-tenant advise --storage 500GB', 'what to do before it hurts'],
    ['pg-tenant advise --fleet --storage 2TB', 'of each cluster; move --plan does what it proposes'],
    ['pg-tenant advise --json', 'for a monitor; thresholds are in the configuration'],
  ],
  exits: 'Exits with 1 when there is a warning or something critical.',
  async run(invocation, _args, { storage, fleet }) {
    if (fleet) return await (await import('./advise-fleet.ts')).adviseFleet(invocation, storage)
    const { connect, output } = invocation
    const { tenancy, config } = await connect({ checks: true })
    const { advise: adviceOn } = await import('@org/pg-tenant/admin')
    const thresholds: AdviceThresholds = {
      ...config.thresholds,
      ...(storage !== undefined && { storageBytes: storage }),
    }
    const advice = adviceOn(await tenancy.stats(), thresholds)
    output.document({ advice })
    showAdvice(advice, output)
    if (advice.length === 0) output.note('Nothing to do.')
    return advice.some(({ severity }) => severity !== 'notice') ? EXIT.failed : EXIT.ok
  },
}
