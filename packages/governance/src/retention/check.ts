import type { Queryable } from '@org/core'
import { AUDIT_LOG } from '../audit/tables.ts'
import { partitionsOf } from '../partitions/expire.ts'
import { qualify } from '../sql/identifier.ts'
import { isInstalled, serverNow } from './shared.ts'

/** Something an operator must look after. */
export interface RetentionFinding {
  /**
   * `partitions_missing`: writes will fail when they run out; run retention. `partition_detached`: a removal was cut off;
   * the next run finishes it. `overdue`: tenants whose turn was more than two days ago.
   */
  readonly code: 'partitions_missing' | 'partition_detached' | 'overdue'
  readonly object: string
  readonly severity: 'error' | 'warning'
}

/** @internal Days of partitions that must be there. */
export const AHEAD_DAYS = 60
const DAY_MS = 86_400_000

/** @internal Tenants whose turn was long ago. */
export const OVERDUE = (
  schema: string,
) => `select count(distinct s.tenant)::text as count, min(s.tenant) as first
  from ${qualify(schema, 'retention_schedule')} s where s.next_at < now() - interval '2 days'`

/** @internal See `Retention.check`. */
export async function checkUpkeep(admin: Queryable, schema: string): Promise<readonly RetentionFinding[]> {
  const found: RetentionFinding[] = []
  if (await isInstalled(admin, schema, AUDIT_LOG.table)) {
    const all = await partitionsOf(admin, schema, AUDIT_LOG)
    const needed = (await serverNow(admin)) + AHEAD_DAYS * DAY_MS
    const last = all.filter(({ attached }) => attached).at(-1)
    if (last === undefined || Date.parse(last.until) < needed) {
      found.push({ code: 'partitions_missing', object: AUDIT_LOG.table, severity: 'error' })
    }
    for (const { name, attached, pending } of all) {
      if (!attached || pending) found.push({ code: 'partition_detached', object: name, severity: 'warning' })
    }
  }
  if (await isInstalled(admin, schema, 'retention_schedule')) {
    const { rows } = await admin.query<{ count: string }>(OVERDUE(schema))
    if (rows[0]?.count !== '0')
      found.push({ code: 'overdue', object: `${rows[0]?.count} tenants`, severity: 'warning' })
  }
  return found
}
