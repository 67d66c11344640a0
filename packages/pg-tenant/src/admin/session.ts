import { isTenancyError, type TenancyError } from '@org/core'
import { connectTo } from '../driver/checkout.ts'
import { configOf, loadPg } from '../driver/connection-config.ts'
import { watchPool } from '../driver/memory.ts'
import type { PoolLike } from '../driver/types.ts'
import { fromDatabase } from '../errors/from-database.ts'
import { connectionLost } from '../errors/from-scope.ts'
import { isServerError } from '../errors/server-error.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import { whatIsLacking } from './denied.ts'

/** The administrator outside any transaction: for CREATE DATABASE, and for a lock that outlives a transaction. */
export interface AdminSession {
  /** One statement with values, or one without. */
  run<R extends object = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]>
}

/**
 * Opens a pool of one connection as the administrator, to the given database of the same server (default: the
 * administrator's own), and ends it behind `fn`. Not taken from `adminPool`, where work that holds one connection and
 * waits for a second would wait for itself.
 */
export async function withAdminPool<T>(
  adminPool: PoolLike,
  database: string | undefined,
  fn: (pool: PoolLike) => Promise<T>,
): Promise<T> {
  const config = await configOf(adminPool, 'adminPool')
  const pg = await loadPg()
  const pool = new pg.Pool({ ...config, database: database ?? config.database, max: 1, min: 0 })
  watchPool(pool)
  try {
    return await fn(pool)
  } finally {
    await pool.end()
  }
}

/** Runs `fn` with a session of its own; the session ends with it, and so do its advisory locks. */
export function withAdminSession<T>(
  adminPool: PoolLike,
  database: string | undefined,
  fn: (session: AdminSession) => Promise<T>,
): Promise<T> {
  return withAdminPool(adminPool, database, async (pool) => {
    const client = await connectTo(pool)
    const ask = async <R extends object>(sql: string) => (await client.query(sql)).rows as R[]
    const run = async <R extends object>(sql: string, values?: readonly unknown[]): Promise<R[]> => {
      try {
        return (await client.query(sql, values && [...values])).rows as R[]
      } catch (error) {
        throw (await whatIsLacking(error, ask)) ?? coded(error)
      }
    }
    try {
      // guard: what the administrator's role or the database begins with could put somebody's objects in front of the catalogue
      await run(`set search_path to ${OWN_PATH}`)
      return await fn({ run })
    } finally {
      client.release(true)
    }
  })
}

function coded(error: unknown): TenancyError | unknown {
  if (isTenancyError(error)) return error
  if (isServerError(error)) return fromDatabase(error)
  return error instanceof Error ? connectionLost(error) : error
}
