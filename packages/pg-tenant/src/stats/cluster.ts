import type { Admin } from '../admin/transaction.ts'
import { CLUSTER, OVERDUE } from './cluster-sql.ts'

/** The server the tenants live in. */
export interface ClusterStats {
  /** e.g. 180004 for 18.4 */
  readonly serverVersion: number
  readonly maxConnections: number
  readonly reservedConnections: number
  readonly connections: number
  readonly sharedBuffersBytes: number
  readonly databaseBytes: number
  /** All databases the administrator may connect to. */
  readonly clusterBytes: number
  /** Since the statistics of the database were reset. */
  readonly blocksHit: number
  readonly blocksRead: number
  /** Locks that all transactions together can hold (manual 19.12). */
  readonly lockSlots: number
  /** Rows of pg_class in this database. */
  readonly relations: number
  /** Transactions since the oldest one not frozen yet, over all databases; at about 2 billion writing stops. */
  readonly transactionAge: number
  readonly multixactAge: number
  readonly autovacuum: boolean
  readonly freezeMaxAge: number
  /** Tables with more than twice the dead rows at which autovacuum comes. */
  readonly overdueTables: number
}

export async function readCluster(admin: Admin): Promise<ClusterStats> {
  const [cluster] = await admin.run<ClusterStats>(CLUSTER)
  const [overdue] = await admin.run<{ overdue: number }>(OVERDUE)
  return { ...cluster, overdueTables: overdue?.overdue } as ClusterStats
}
