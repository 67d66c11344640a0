import { setTimeout as delay } from 'node:timers/promises'
import { TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import type { PoolLike } from '../driver/types.ts'

/**
 * Transactions of this database that have changed something, and prepared ones of any. Who may what is asked at each statement, so
 * one that has changed nothing yet is bound by what is revoked by now.
 */
const WRITING = `select l.transactionid::text as id from pg_locks l left join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'transactionid' and l.granted and l.pid is distinct from pg_backend_pid()
    and (l.pid is null or a.datid is null or a.datid = (select oid from pg_database where datname = current_database()))`

const LOOK_MS = 20

/**
 * Waits until every transaction that had changed something when this was called has ended, as CREATE INDEX CONCURRENTLY does.
 *
 * @param patienceMs milliseconds
 * @throws TenancyError TIMEOUT
 */
export async function earlierTransactionsEnd(
  adminPool: PoolLike,
  tenant: TenantKey,
  patienceMs: number,
): Promise<void> {
  const writing = async (admin: Admin) => (await admin.run(WRITING)).map(({ id }) => String(id))
  const look = () => inAdminTransaction(adminPool, writing)
  const until = performance.now() + patienceMs
  let left = await look()
  while (left.length > 0) {
    if (performance.now() > until) throw stillOpen(tenant, left.length, patienceMs)
    await delay(LOOK_MS)
    const now = new Set(await look())
    left = left.filter((id) => now.has(id))
  }
}

function stillOpen(tenant: TenantKey, count: number, waitedMs: number): TenancyError {
  return new TenancyError(
    'TIMEOUT',
    `${count} transaction(s) that had begun to write before are still open after ${waitedMs} ms, and may make something in the schema. ` +
      'Those who were there before are shut out, but the adoption is not confirmed: end them, and run it again; or undo it.',
    { details: { tenant, count, waitedMs } },
  )
}
