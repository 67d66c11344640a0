import { isTenancyError, TenancyError } from '@org/core'
import { isServerError } from '../driver/exchange.ts'
import { isWireClient, type PoolClientLike, type PoolLike, type WireClient } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { connectionLost, unknownOutcome } from '../errors/from-scope.ts'
import type { Admin } from '../lifecycle/admin.ts'

/** Milliseconds a backup or restore waits for a lock, as other administrative work does. */
const LOCK_TIMEOUT_MS = 10_000

/** The administrator's connection for one piece of work that needs more than statements: COPY. */
export interface AdminClient extends Admin {
  /** The connection itself. */
  readonly client: PoolClientLike
  readonly wire: WireClient
}

// How values are written as text must not depend on the server, the database or the role. Time limits of the server
// would end a long COPY. Row security would leave rows out in silence: switched off it raises instead. Sequential scans
// that start in the middle are of no use to anybody who reads it all.
const PINNED = `select set_config(name, value, true) from (values
    ('datestyle', 'ISO, YMD'), ('intervalstyle', 'postgres'), ('timezone', 'UTC'), ('extra_float_digits', '3'),
    ('bytea_output', 'hex'), ('xmloption', 'content'), ('row_security', 'off'), ('synchronize_seqscans', 'off'),
    ('statement_timeout', '0'), ('transaction_timeout', '0'), ('idle_in_transaction_session_timeout', '0')
  ) as pinned (name, value) join pg_settings using (name)`

/**
 * Runs `fn` on one connection of the administrator, in no transaction yet; afterwards the connection goes back to the
 * pool if it answers a ROLLBACK, else to nobody.
 *
 * @throws TenancyError what `fn` throws; DATABASE_ERROR, CONFLICT, TIMEOUT, CONNECTION_LOST, POOL_EXHAUSTED
 */
export async function withAdminClient<T>(pool: PoolLike, fn: (admin: AdminClient) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw fromConnectError(error)
  })
  if (!isWireClient(client)) {
    client.release()
    throw new TenancyError(
      'INVALID_OPTION',
      "The admin pool's clients are not those of pg's JavaScript driver (8.21 or later).",
      { details: { option: 'adminPool' } },
    )
  }
  const work = { committing: false }
  try {
    return await fn(adminOf(client, work))
  } catch (error) {
    throw coded(error, work.committing)
  } finally {
    await giveBack(client)
  }
}

/** Begins a transaction; `mode` as SQL has it (`read only`). No snapshot is taken yet. */
export async function begin(admin: AdminClient, mode: string): Promise<void> {
  await admin.run(`begin isolation level ${mode}; set local lock_timeout = ${LOCK_TIMEOUT_MS}`)
}

/** Settles how values are read and written. It takes the snapshot. */
export async function pinSettings(admin: Admin): Promise<void> {
  await admin.run(PINNED)
}

function adminOf(client: PoolClientLike & WireClient, work: { committing: boolean }): AdminClient {
  const run: Admin['run'] = async (sql, values) => {
    work.committing = sql === 'commit'
    return (await client.query(sql, values && [...values])).rows as Record<string, unknown>[]
  }
  return {
    client,
    wire: client,
    run,
    attempt: async (states, sql) => {
      await run('savepoint attempt')
      try {
        await run(sql)
        return true
      } catch (error) {
        if (!isServerError(error) || !states.includes(error.code)) throw error
        await run('rollback to savepoint attempt')
        return false
      }
    },
  }
}

/** Back to the pool only after an answered ROLLBACK (hazard g); behind a COMMIT it does nothing. */
async function giveBack(client: PoolClientLike): Promise<void> {
  try {
    await client.query('rollback; reset lock_timeout; select pg_advisory_unlock_all()')
    client.release()
  } catch {
    client.release(true)
  }
}

function coded(error: unknown, committing: boolean): unknown {
  if (isTenancyError(error)) return error
  if (isServerError(error)) {
    return fromDatabase(error, { statementTimeout: Infinity, lockTimeout: LOCK_TIMEOUT_MS, elapsed: 0 })
  }
  if (!(error instanceof Error)) return error
  return committing ? unknownOutcome(error) : connectionLost(error)
}
