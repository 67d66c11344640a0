import { z } from 'zod'
import { type Endpoint, endpoint } from '../http/endpoint.ts'
import type { Hub } from '../hub/open-hub.ts'

const count = z.number().int()
const cluster = z
  .object({
    name: z.string(),
    tenants: count,
    suspended: count,
    behind: count.describe('Tenants that lack the newest migration'),
    bytes: count.describe('Of all tenants, as of the last VACUUM or ANALYZE'),
    connections: count,
    maxConnections: count,
    oldestVersion: z.string().nullable(),
  })
  .meta({ id: 'Cluster' })

/** The clusters that tenants live in; this hub has one. */
export function clusterRoutes(hub: Hub): Endpoint[] {
  return [
    endpoint({
      method: 'get',
      path: '/v1/clusters',
      access: 'platform.tenants.read',
      summary: 'Each cluster: its tenants, their size, who is behind, connections against their limit',
      tag: 'Tenants',
      data: z.array(cluster),
      handle: () =>
        hub.outside(async () => {
          const { totals, cluster, oldestVersion } = await hub.tenancy.stats({ exact: false })
          const migrations = await hub.tenancy.migrationStatus({ limit: 1 })
          return [
            {
              name: 'default',
              tenants: totals.tenants,
              suspended: totals.byStatus.suspended ?? 0,
              behind: Math.max(0, ...migrations.map(({ lack }) => lack)),
              bytes: totals.bytes,
              connections: cluster.connections,
              maxConnections: cluster.maxConnections,
              oldestVersion,
            },
          ]
        }),
    }),
  ]
}
