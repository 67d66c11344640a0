import { isTenancyError } from '@org/core'
import type { FleetStats, MigrationStatus } from '@org/pg-tenant'
import type { Invocation } from '../command.ts'
import type { Connected } from '../config/tenancy.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { bytes, count, plural } from '../output/format.ts'

/** What one cluster says of itself; `error` is the code of why it says nothing. */
export interface ClusterPicture {
  readonly placement: string
  readonly error: string | null
  readonly tenants: number
  readonly suspended: number
  /** Under way between two clusters. */
  readonly moving: number
  /** Tenants that lack the newest migration. */
  readonly behind: number
  readonly bytes: number
  readonly databaseBytes: number | null
  readonly connections: number
  readonly maxConnections: number
  readonly oldestVersion: string | null
}

const COLUMNS = [
  { title: 'placement' },
  { title: 'tenants', right: true },
  { title: 'suspended', right: true },
  { title: 'moving', right: true },
  { title: 'behind', right: true },
  { title: 'size', right: true },
  { title: 'connections', right: true },
  { title: 'oldest version' },
]

/** A picture of all placements; one that does not answer is shown as such and keeps nobody from the others. */
export async function statsOfFleet({ global, env, io, output }: Invocation): Promise<ExitCode> {
  const { openFleet } = await import('../config/fleet.ts')
  const { placements, close } = await openFleet(global, env, io.cwd)
  try {
    const clusters = await Promise.all(
      Object.entries(placements).map(([placement, connected]) => pictureOf(placement, connected)),
    )
    const totals = {
      clusters: clusters.length,
      away: clusters.filter(({ error }) => error !== null).length,
      tenants: clusters.reduce((sum, { tenants }) => sum + tenants, 0),
      bytes: clusters.reduce((sum, { bytes: size }) => sum + size, 0),
    }
    output.document({ clusters, totals })
    output.table(COLUMNS, clusters.map(rowOf))
    output.data('')
    output.data(
      `${plural(totals.clusters, 'cluster')}, ${plural(totals.tenants, 'tenant')}, ${bytes(totals.bytes)}`,
    )
    return totals.away > 0 ? EXIT.connection : EXIT.ok
  } finally {
    await close()
  }
}

async function pictureOf(placement: string, { tenancy }: Connected): Promise<ClusterPicture> {
  try {
    const [stats, migrations] = [await tenancy.stats(), await tenancy.migrationStatus({ limit: 1 })]
    return { placement, error: null, ...factsOf(stats, migrations) }
  } catch (error) {
    if (!isTenancyError(error)) throw error
    return { ...NOTHING, placement, error: error.code }
  }
}

function factsOf(
  { totals, cluster, oldestVersion }: FleetStats,
  migrations: readonly MigrationStatus[],
): Omit<ClusterPicture, 'placement' | 'error'> {
  const of = (...statuses: readonly (keyof typeof totals.byStatus)[]) =>
    statuses.reduce((sum, status) => sum + (totals.byStatus[status] ?? 0), 0)
  return {
    tenants: totals.tenants,
    suspended: of('suspended'),
    moving: of('moving', 'arriving', 'moved'),
    behind: Math.max(0, ...migrations.map(({ lack }) => lack)),
    bytes: totals.bytes,
    databaseBytes: cluster.databaseBytes,
    connections: cluster.connections,
    maxConnections: cluster.maxConnections,
    oldestVersion,
  }
}

const NOTHING: Omit<ClusterPicture, 'placement' | 'error'> = {
  tenants: 0,
  suspended: 0,
  moving: 0,
  behind: 0,
  bytes: 0,
  databaseBytes: null,
  connections: 0,
  maxConnections: 0,
  oldestVersion: null,
}

function rowOf(one: ClusterPicture): string[] {
  if (one.error !== null) return [one.placement, one.error, '-', '-', '-', '-', '-', '-']
  const numbers = [one.tenants, one.suspended, one.moving, one.behind].map((number) => count(number))
  const used = `${count(one.connections)} of ${count(one.maxConnections)}`
  return [one.placement, ...numbers, bytes(one.bytes), used, one.oldestVersion ?? '-']
}
