import type { ListOptions, TenantRecord, TenantStatus } from '@org/pg-tenant'
import type { CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { moment, plural } from '../output/format.ts'
import { whole } from './values.ts'

interface Options {
  readonly status?: TenantStatus
  readonly after?: string
  readonly limit?: number
}

const COLUMNS = ['key', 'status', 'isolation', 'plan', 'placement', 'version', 'created'].map((title) => ({
  title,
}))
/** Tenants asked for at once. */
const PAGE = 10_000

export const list: CommandModule<Options> = {
  options: [
    {
      flags: '--status <status>',
      text: 'only these (default: all but deleted)',
      choices: ['provisioning', 'active', 'suspended', 'moving', 'arriving', 'moved', 'deleting', 'deleted'],
    },
    { flags: '--after <key>', text: 'only keys behind this one' },
    { flags: '--limit <number>', text: 'at most so many (default: all)', parse: whole('--limit', 1) },
  ],
  examples: [
    ['pg-tenant list', 'all tenants'],
    ['pg-tenant list --status suspended', 'those out of service'],
    ["pg-tenant list --json | jq -r '.tenants[].key'", 'their keys'],
  ],
  async run({ connect, output }, _args, { status, after, limit = Number.POSITIVE_INFINITY }) {
    const { tenancy } = await connect()
    const tenants: TenantRecord[] = []
    for (let from = after; tenants.length < limit; ) {
      const most = Math.min(PAGE, limit - tenants.length)
      const page = await tenancy.list({ status, after: from, limit: most } satisfies ListOptions)
      tenants.push(...page)
      from = page.at(-1)?.key
      if (page.length < most) break
    }
    output.document({ tenants })
    if (tenants.length === 0) output.note('No tenants. pg-tenant create <key> makes one.')
    else output.table(COLUMNS, tenants.map(rowOf))
    if (tenants.length > 1 && !output.json) output.note(plural(tenants.length, 'tenant'))
    return EXIT.ok
  },
}

function rowOf(tenant: TenantRecord): string[] {
  const { key, status, suspendedReason, isolation, plan, placement, schemaVersion, createdAt } = tenant
  const standing = suspendedReason === null ? status : `${status} (${suspendedReason})`
  return [key, standing, isolation, plan ?? '-', placement, schemaVersion ?? '-', moment(createdAt)]
}
