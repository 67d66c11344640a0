import type { FleetStats, TenantStats } from '@org/pg-tenant'
import { argumentsFrom, type CommandModule } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { bytes, count, duration, moment, plural } from '../output/format.ts'
import type { Output } from '../output/output.ts'
import { whole } from './values.ts'

interface Options {
  readonly fleet?: boolean
  readonly exact?: boolean
  readonly activity?: boolean
  readonly sort?: 'key' | 'size' | 'rows' | 'connections'
  readonly limit?: number
}

const COLUMNS = [
  { title: 'key' },
  { title: 'status' },
  { title: 'size', right: true },
  { title: 'rows', right: true },
  { title: 'tables', right: true },
  { title: 'connections', right: true },
  { title: 'version' },
  { title: 'last read' },
]

export const stats: CommandModule<Options> = {
  arguments: [['[keys...]', 'only these tenants']],
  options: [
    { flags: '--fleet', text: 'all placements of the configuration, one line each' },
    { flags: '--exact', text: 'sizes as on disk now; slow for thousands of tenants' },
    { flags: '--activity', text: 'when each was last read (PostgreSQL 16 and later)' },
    { flags: '--sort <by>', text: 'order (default size)', choices: ['key', 'size', 'rows', 'connections'] },
    {
      flags: '--limit <number>',
      text: 'tenants shown (default 50); totals are of all',
      parse: whole('--limit', 1),
    },
  ],
  examples: [
    ['pg-tenant stats --fleet', 'every cluster: tenants, sizes, who is behind, connections'],
    ['pg-tenant stats', 'the largest tenants, and the server'],
    ['pg-tenant stats acme --exact', 'one tenant, as it is on disk'],
  ],
  async run(invocation, args, { fleet, exact, activity, sort = 'size', limit = 50 }) {
    if (fleet) return await (await import('./stats-fleet.ts')).statsOfFleet(invocation)
    const { connect, output } = invocation
    const { tenancy } = await connect()
    const all = await tenancy.stats({ tenants: argumentsFrom(args, 0), exact, activity })
    output.document(all)
    const sorted = [...all.tenants].sort(ORDERS[sort])
    output.table(COLUMNS, sorted.slice(0, limit).map(rowOf))
    if (sorted.length > limit) output.data(`… and ${plural(sorted.length - limit, 'tenant')} more (--limit)`)
    summary(all, output)
    return EXIT.ok
  },
}

type Order = (a: TenantStats, b: TenantStats) => number
const most =
  (name: 'bytes' | 'rows' | 'connections'): Order =>
  (a, b) =>
    (b[name] ?? 0) - (a[name] ?? 0)
const ORDERS: Readonly<Record<NonNullable<Options['sort']>, Order>> = {
  key: () => 0,
  size: most('bytes'),
  rows: most('rows'),
  connections: most('connections'),
}

function rowOf(tenant: TenantStats): string[] {
  const { key, status, rows, tables, connections, schemaVersion, lastActivity } = tenant
  const numbers = [bytes(tenant.bytes), count(rows), count(tables), count(connections)]
  return [key, status, ...numbers, schemaVersion ?? '-', moment(lastActivity)]
}

function summary(
  { totals, sizes, cluster, slowestMigrations, connections, oldestVersion }: FleetStats,
  output: Output,
): void {
  const [slowest] = slowestMigrations
  output.data('')
  output.data(
    `${plural(totals.tenants, 'tenant')}, ${bytes(totals.bytes)} (${sizes}), ${plural(totals.rows, 'row')}, ` +
      `oldest version ${oldestVersion ?? '-'}`,
  )
  output.data(
    `server: ${count(cluster.connections)} of ${count(cluster.maxConnections)} connections, ` +
      `${bytes(cluster.databaseBytes)} in this database, ${bytes(cluster.clusterBytes)} in all`,
  )
  if (connections.length > 0) {
    const roles = connections.slice(0, 5).map(({ role, connections: open }) => `${role} ${count(open)}`)
    output.data(`connections by role: ${roles.join(', ')}`)
  }
  if (slowest)
    output.data(
      `slowest migration: ${slowest.id} of ${slowest.key ?? 'all tenants'}, ${duration(slowest.durationMs)}`,
    )
}
