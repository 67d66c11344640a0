import { connectTo } from '../driver/checkout.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { isServerError } from '../errors/server-error.ts'
import { SQLSTATE } from '../errors/sqlstate.ts'

/**
 * One statement of the administrator's on a bare connection, outside a transaction. Where there is no control schema yet
 * there are no tenants: no rows.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED, DATABASE_ERROR
 */
export async function ask<R extends object>(
  pool: PoolLike,
  text: string,
  values: readonly unknown[] = [],
): Promise<R[]> {
  const client = await connectTo(pool)
  try {
    const { rows } = await client.query(text, [...values])
    client.release()
    return rows as R[]
  } catch (error) {
    client.release(true)
    if (!isServerError(error)) throw fromConnectError(error)
    if (error.code === SQLSTATE.UNDEFINED_TABLE || error.code === SQLSTATE.INVALID_SCHEMA_NAME) return []
    throw fromDatabase(error)
  }
}
