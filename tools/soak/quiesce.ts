import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Findings } from './findings.ts'

/** Milliseconds until what is still running counts: beyond the server-side limits of the scopes. */
const PATIENCE_MS = 8_000

const OPEN = `select pid, state, left(query, 80) as query from pg_stat_activity
  where (usename = 'soak_app' or starts_with(usename, 'c_')) and application_name <> 'soak_child' and backend_type = 'client backend'
    and state <> 'idle'`

/** Polls until `look` finds nothing, for a bounded time; returns what it found last. */
async function untilNone<T>(look: () => T[] | Promise<T[]>, patience: number): Promise<T[]> {
  const until = performance.now() + patience
  for (;;) {
    const found = await look()
    if (found.length === 0 || performance.now() > until) return found
    await delay(20)
  }
}

/**
 * With all operations settled: every connection is back in its pool, and no session has a transaction open. Ends
 * those that have, so that what they hold cannot disturb the verification.
 */
export async function quiesce(pools: readonly pg.Pool[], admin: pg.Pool, findings: Findings): Promise<void> {
  const busy = await untilNone(
    () => pools.filter((pool) => pool.totalCount !== pool.idleCount || pool.waitingCount > 0),
    PATIENCE_MS,
  )
  for (const { totalCount, idleCount, waitingCount } of busy) {
    const counts = `${totalCount} connections, ${idleCount} idle, ${waitingCount} waiting`
    findings.add('busy-connection', `a pool with all work done: ${counts}`)
  }
  const open = await untilNone(async () => (await admin.query(OPEN)).rows, PATIENCE_MS)
  for (const { state, query } of open) findings.add('idle-in-transaction', `${state}: ${query}`)
  await admin.query(`select pg_terminate_backend(pid, 5000) from (${OPEN}) as open`)
}
