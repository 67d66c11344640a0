import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { withClient } from './admin.ts'
import { TestPostgresError } from './error.ts'

const MAY_SEE_OTHERS = `SELECT pg_has_role(current_user, 'pg_read_all_stats', 'usage') AS allowed`

const IDLE_IN_TRANSACTION = `
  SELECT count(*)::int AS leaked
    FROM pg_stat_activity
   WHERE datname = coalesce($1, current_database())
     AND pid <> pg_backend_pid()
     AND backend_type = 'client backend'
     AND state IN ('idle in transaction', 'idle in transaction (aborted)')`

/**
 * How many sessions of the URL's database are idle in a transaction: what a test that forgot to commit, roll
 * back or release leaves behind. A session that is just ending gets `settleMs` to do so.
 * @param url database to look at, with a superuser or a member of `pg_read_all_stats`
 * @param options.settleMs milliseconds to wait for the count to reach zero; default 5,000
 * @throws TestPostgresError `INSUFFICIENT_PRIVILEGE`, `POSTGRES_UNREACHABLE`
 * @example
 * ```ts
 * import { leakedBackends, startPostgres } from '@org/pg-testing'
 *
 * const server = await startPostgres()
 * const database = await server.createDatabase()
 * if ((await leakedBackends(database.url)) > 0) throw new Error('a test left its transaction open')
 * await server.stop()
 * ```
 */
export async function leakedBackends(
  url: string,
  { settleMs = 5_000 }: { settleMs?: number } = {},
): Promise<number> {
  return await withClient(url, (client) => leaksOf(client, undefined, settleMs))
}

/** {@link leakedBackends} of a database (default: the connection's own), for whoever has a connection. */
export async function leaksOf(client: pg.Client, database?: string, settleMs = 5_000): Promise<number> {
  const may = await client.query<{ allowed: boolean }>(MAY_SEE_OTHERS)
  if (!may.rows[0]?.allowed) {
    // Without it the state of other roles' sessions reads as null and every test would pass.
    throw new TestPostgresError(
      'INSUFFICIENT_PRIVILEGE',
      'leakedBackends needs a superuser or pg_read_all_stats',
    )
  }
  const deadline = Date.now() + settleMs
  for (;;) {
    const { rows } = await client.query<{ leaked: number }>(IDLE_IN_TRANSACTION, [database])
    const leaked = rows[0]?.leaked ?? 0
    if (leaked === 0 || Date.now() >= deadline) return leaked
    await sleep(20)
  }
}
