import type { AdviceThresholds } from '@org/pg-tenant'
import type { CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { commandsForCalls } from '../output/commands-for-calls.ts'
import type { Style } from '../output/output.ts'
import { safeText } from '../output/safe-text.ts'
import { size } from './values.ts'

const STYLE = { critical: 'red', warning: 'yellow', notice: 'dim' } as const satisfies Record<string, Style>

export const advise: CommandModule<{ readonly storage?: number }> = {
  options: [
    { flags: '--storage <size>', text: 'how much storage there is, e.g. 500GB', parse: size('--storage') },
  ],
  examples: [
    ['pg-tenant advise --storage 500GB', 'what to do before it hurts'],
    ['pg-tenant advise --json', 'for a monitor; thresholds are in the configuration'],
  ],
  exits: 'Exits with 1 when there is a warning or something critical.',
  async run({ connect, output }, _args, { storage }) {
    const { tenancy, config } = await connect({ checks: true })
    const { advise: adviceOn } = await import('@org/pg-tenant/admin')
    const thresholds: AdviceThresholds = {
      ...config.thresholds,
      ...(storage !== undefined && { storageBytes: storage }),
    }
    const advice = adviceOn(await tenancy.stats(), thresholds)
    output.document({ advice })
    for (const { severity, id, message, action } of advice) {
      output.data(`${output.paint(STYLE[severity], severity.padEnd(8))} ${id}  ${safeText(message)}`)
      output.data(`         ${output.paint('dim', safeText(commandsForCalls(action)))}`)
    }
    if (advice.length === 0) output.note('Nothing to do.')
    return advice.some(({ severity }) => severity !== 'notice') ? EXIT.failed : EXIT.ok
  },
}
