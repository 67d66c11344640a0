import { isTenancyError, type TenancyError } from '@org/core'
import { isServerError } from '../driver/exchange.ts'
import type { PoolClientLike, PoolLike } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { connectionLost, unknownOutcome } from '../errors/from-scope.ts'

/** Milliseconds an administrative statement waits for a lock: long enough for running scopes to finish. */
const LOCK_TIMEOUT_MS = 10_000

/** Runs SQL as the administrator, inside the one transaction of {@link inAdminTransaction}. */
export interface Admin {
  /** One statement with values, or several without. */
  run(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** Like `run`, but its failure with one of `states` is undone and answered with `false`. */
  attempt(states: readonly string[], sql: string): Promise<boolean>
}

/**
 * Runs `fn` in one transaction: everything in it is there afterwards, or nothing.
 *
 * @throws TenancyError what `fn` throws; DATABASE_ERROR, CONFLICT, TIMEOUT; UNKNOWN_OUTCOME when the connection was
 *   lost at COMMIT (administrative work is idempotent: run it again)
 */
export async function inAdminTransaction<T>(pool: PoolLike, fn: (admin: Admin) => Promise<T>): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw fromConnectError(error)
  })
  let phase: 'work' | 'commit' = 'work'
  try {
    await client.query(`begin; set local lock_timeout = ${LOCK_TIMEOUT_MS}; set local statement_timeout = 0`)
    const result = await fn(adminOf(client))
    phase = 'commit'
    await client.query('commit')
    client.release()
    return result
  } catch (error) {
    await giveBack(client)
    throw coded(error, phase)
  }
}

function adminOf(client: PoolClientLike): Admin {
  const run: Admin['run'] = async (sql, values) =>
    (await client.query(sql, values && [...values])).rows as Record<string, unknown>[]
  return {
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

/** Back to the pool only after an answered ROLLBACK (hazard g). */
async function giveBack(client: PoolClientLike): Promise<void> {
  try {
    await client.query('rollback')
    client.release()
  } catch {
    client.release(true)
  }
}

function coded(error: unknown, phase: 'work' | 'commit'): TenancyError | unknown {
  if (isTenancyError(error)) return error
  if (isServerError(error))
    return fromDatabase(error, { statementTimeout: Infinity, lockTimeout: LOCK_TIMEOUT_MS, elapsed: 0 })
  if (!(error instanceof Error)) return error
  return phase === 'commit' ? unknownOutcome(error) : connectionLost(error)
}
