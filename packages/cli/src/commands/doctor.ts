import type { Finding } from '@org/pg-tenant'
import type { CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { commandsForCalls } from '../output/commands-for-calls.ts'
import { duration, plural } from '../output/format.ts'
import type { Output, Style } from '../output/output.ts'
import { safeText } from '../output/safe-text.ts'
import { whole } from './values.ts'

interface Options {
  readonly limit?: number
  readonly reference?: string
  readonly connections?: number
}

const STYLE: Readonly<Record<Finding['severity'], Style>> = { error: 'red', warning: 'yellow', notice: 'dim' }

export const doctor: CommandModule<Options> = {
  options: [
    { flags: '--limit <number>', text: 'findings of each kind (default 100)', parse: whole('--limit', 1) },
    { flags: '--reference <key>', text: 'the tenant others are compared with (default: the majority)' },
    {
      flags: '--connections <number>',
      text: "level database: tenants' databases looked at at once (default 4)",
      parse: whole('--connections', 1, 100),
    },
  ],
  examples: [
    ['pg-tenant doctor', 'what is wrong, and what to do about it'],
    ["pg-tenant doctor --json | jq '.counts'", 'how much of what'],
  ],
  exits: 'Exits with 1 when there is an error or a warning.',
  async run({ connect, output }, _args, { limit, reference, connections }) {
    const { tenancy } = await connect({ checks: true })
    const found = await tenancy.doctor({
      ...(limit && { limit }),
      ...(reference && { reference }),
      ...(connections && { connections }),
    })
    output.document(found)
    for (const finding of found.findings) show(finding, output)
    const total = Object.values(found.counts).reduce((sum, one) => sum + one, 0)
    output.note(`${plural(found.tenants, 'tenant')}, ${plural(total, 'finding')}, ${duration(found.ms)}`)
    return found.ok ? EXIT.ok : EXIT.failed
  },
}

function show({ severity, code, message, fix }: Finding, output: Output): void {
  output.data(`${output.paint(STYLE[severity], severity.padEnd(7))} ${code}  ${safeText(message)}`)
  output.data(`        ${output.paint('dim', safeText(commandsForCalls(fix)))}`)
}
