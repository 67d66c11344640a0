import { usage } from '../cli-error.ts'
import { argumentsFrom, type CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { commandsForCalls } from '../output/commands-for-calls.ts'
import { safeLines } from '../output/safe-text.ts'
import { whole } from './values.ts'

interface Options {
  readonly sample?: number
  readonly against?: number
  readonly concurrency?: number
}

export const verify: CommandModule<Options> = {
  arguments: [['[keys...]', 'these tenants (default: all)']],
  options: [
    { flags: '--sample <number>', text: 'so many at random', parse: whole('--sample', 1) },
    {
      flags: '--against <number>',
      text: 'others each is tried against (default 2)',
      parse: whole('--against', 1, 100),
    },
    {
      flags: '--concurrency <number>',
      text: 'tenants entered at once (default 4)',
      parse: whole('--concurrency', 1, 100),
    },
  ],
  examples: [
    ['pg-tenant verify', 'every tenant, as the application connects'],
    ['pg-tenant verify --sample 50 --json', 'a part of many, for a machine to read'],
  ],
  exits: 'Exits with 1 when a check failed, or when there was nothing to check.',
  async run({ connect, output }, args, { sample, against, concurrency = 4 }) {
    const keys = argumentsFrom(args, 0)
    if (keys && sample !== undefined) throw usage('Give keys or --sample, not both.')
    const { tenancy } = await connect({ connections: concurrency + 1 })
    const tenants = keys ?? (sample === undefined ? 'all' : { sample })
    const report = await tenancy.verify({ tenants, against, concurrency })
    const { formatVerifyReport } = await import('@org/pg-tenant/admin')
    output.document(report)
    output.data(safeLines(commandsForCalls(formatVerifyReport(report))))
    if (report.summary.passed === 0) output.note('Nothing was proven: there is no tenant to enter.')
    return report.ok ? EXIT.ok : EXIT.failed
  },
}
