import { resolve } from 'node:path'
import { usage } from '../cli-error.ts'
import { argument, type CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { endlessly } from '../output/endlessly.ts'
import { plural, stamp } from '../output/format.ts'

interface Options {
  readonly to?: string
  readonly format?: 'jsonl' | 'csv'
  readonly includeSecrets?: boolean
}

export const exportCommand: CommandModule<Options> = {
  arguments: [['<key>', 'the tenant']],
  options: [
    {
      flags: '--to <folder>',
      text: 'the folder to be made (default ./<key>-<time>), or - for JSON lines on stdout',
    },
    { flags: '--format <format>', text: 'jsonl (default) or csv', choices: ['jsonl', 'csv'] },
    { flags: '--include-secrets', text: 'sealed values as they are; without it enc:***' },
  ],
  examples: [
    ['pg-tenant export acme --format csv', 'a file for each table, and manifest.json'],
    ['pg-tenant export acme --to - | gzip > acme.jsonl.gz', '{"table":…,"row":…} lines'],
  ],
  afterStop: 'Run it again: the folder is there whole or not at all.',
  async run({ io, connect, output, signal }, args, { to, format = 'jsonl', includeSecrets = false }) {
    const key = argument(args, 0)
    if (to === '-' && (output.json || format === 'csv'))
      throw usage('--to - writes JSON lines: leave out --json and csv.')
    const { tenancy } = await connect()
    if (to === '-') {
      const { rows } = await tenancy.export(key, { to: endlessly(io.stdout), format, includeSecrets, signal })
      output.note(`${key}: ${plural(rows, 'row')}`)
      return EXIT.ok
    }
    const folder = resolve(io.cwd, to ?? `${key}-${stamp(new Date())}`)
    const result = await tenancy.export(key, { to: folder, format, includeSecrets, signal })
    output.document({ folder, ...result })
    output.say(`${folder}: ${plural(result.rows, 'row')} in ${plural(result.tables.length, 'table')}.`)
    return EXIT.ok
  },
}
