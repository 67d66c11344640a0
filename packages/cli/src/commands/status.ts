import type { MigrationStatus } from '@org/pg-tenant'
import { argumentsFrom, type CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { count, duration, plural } from '../output/format.ts'
import { whole } from './values.ts'

const COLUMNS = [
  { title: 'migration' },
  { title: 'phase' },
  { title: 'have', right: true },
  { title: 'lack', right: true },
  { title: 'mean', right: true },
  { title: 'slowest', right: true },
  { title: 'behind' },
]

export const status: CommandModule<{ readonly limit?: number }> = {
  arguments: [['[keys...]', 'only these tenants']],
  options: [
    {
      flags: '--limit <number>',
      text: 'keys listed for each migration (default 20)',
      parse: whole('--limit', 1),
    },
  ],
  examples: [
    ['pg-tenant status', 'who is behind'],
    ['pg-tenant status --quiet && deploy', 'deploy only when nobody is'],
  ],
  exits: 'Exits with 1 when a tenant is behind.',
  async run({ connect, output }, args, { limit }) {
    const only = argumentsFrom(args, 0)
    const { tenancy } = await connect()
    const migrations = await tenancy.migrationStatus({ ...(limit && { limit }), ...(only && { only }) })
    const most = migrations.reduce((worst, { lack }) => Math.max(worst, lack), 0)
    output.document({ upToDate: most === 0, migrations })
    if (migrations.length === 0)
      output.note('There are no migrations: see `migrations` in the configuration.')
    else output.table(COLUMNS, migrations.map(rowOf))
    output.note(most === 0 ? 'Nobody is behind.' : `${plural(most, 'tenant')} behind: pg-tenant migrate`)
    return most === 0 ? EXIT.ok : EXIT.failed
  },
}

function rowOf({ id, phase, have, lack, meanMs, slowestMs, behind }: MigrationStatus): string[] {
  const time = (ms: number | null) => (ms === null ? '-' : duration(ms))
  const more = lack > behind.length ? ` and ${count(lack - behind.length)} more` : ''
  return [id, phase, count(have), count(lack), time(meanMs), time(slowestMs), behind.join(', ') + more]
}
