import { isTenancyError } from '@org/core'
import { connectTo } from '../driver/checkout.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { isServerError } from '../errors/server-error.ts'

/** Runs one statement and returns its rows. */
export type Look = <R extends object>(sql: string, values?: readonly unknown[]) => Promise<R[]>

// With only the catalogue in the path PostgreSQL qualifies every other name it writes, and nothing can stand in for it. Where the
// registry has no statistics yet, the planner takes it for a few rows and joins it with the catalogue row by row: 10,000 tenants took
// minutes. All that is asked joins whole sets. A join that is switched off costs 10¹⁰ until PostgreSQL 17, and what seems to cost that
// much is compiled first where the server has LLVM, which took a second for each question.
const OPEN = `begin isolation level repeatable read read only; set local search_path to pg_catalog, pg_temp;
  set local enable_nestloop to off; set local jit to off`

/** Looks at the database as it is at one moment, and cannot change it. */
export async function readOnly<T>(pool: PoolLike, fn: (look: Look) => Promise<T>): Promise<T> {
  const client = await connectTo(pool)
  try {
    await client.query(OPEN)
    const result = await fn(
      async (sql, values = []) => (await client.query(sql, [...values])).rows as never[],
    )
    await client.query('rollback')
    client.release()
    return result
  } catch (error) {
    client.release(true)
    if (isTenancyError(error)) throw error
    throw isServerError(error) ? fromDatabase(error) : fromConnectError(error)
  }
}

/**
 * Runs `fn` and gives back the locks it took. They are kept until the transaction ends otherwise, and those of some
 * thousands of tables fill the table of locks that all connections share (`max_locks_per_transaction`).
 */
export async function releasingLocks<T>(look: Look, fn: () => Promise<T>): Promise<T> {
  await look('savepoint locks')
  const result = await fn()
  await look('rollback to savepoint locks')
  await look('release savepoint locks')
  return result
}
