import { crossTenant } from '@org/core'
import { invalid } from '../errors/invalid.ts'
import { copyFrom, copyTo } from './copy.ts'
import type { Level } from './level.ts'
import { requireCallback } from './misuse.ts'
import { queueStatement, runStatement } from './run-statement.ts'
import { runSavepoint } from './savepoint.ts'
import type { QueryConfig } from './statement.ts'
import { type StreamOptions, stream } from './stream.ts'
import type { TenantDb } from './tenant-db.ts'

/** Makes the handle of a level: a frozen object without a way to the connection. */
export function createHandle(level: Level): TenantDb {
  const handle = Object.freeze({
    tenant: level.tenant,
    query: (query: string | QueryConfig, values?: readonly unknown[]) =>
      reported(runStatement(level, query, values)),
    queue: (query: string | QueryConfig, values?: readonly unknown[]) =>
      reported(queueStatement(level, query, values)),
    savepoint: <T>(fn: (db: TenantDb) => Promise<T>) => reported(nest(level, fn)),
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>) =>
      reported(key === level.tenant ? nest(level, fn) : Promise.reject(crossTenant())),
    stream: (query: string | QueryConfig, values?: readonly unknown[], options?: StreamOptions) =>
      stream(level, query, values, options),
    copyFrom: (sql: string) => reported(copyFrom(level, sql)),
    copyTo: (sql: string) => reported(copyTo(level, sql)),
  }) as TenantDb
  levels.set(handle, level)
  return handle
}

const levels = new WeakMap<TenantDb, Level>()

/** @throws TenancyError INVALID_OPTION when it is not a handle of ours */
export function levelOf(db: TenantDb): Level {
  const level = levels.get(db)
  if (level) return level
  throw invalid('db', 'the handle that withTenant gives: withTenant(key, (db) => …)')
}

/**
 * A promise nobody awaits must not end the process when it fails: the scope it belongs to fails with it and says so
 * (QUERY_NOT_AWAITED, SILENT_ROLLBACK), to the one who does await.
 */
function reported<T>(promise: Promise<T>): Promise<T> {
  // guard: d: a forgotten promise does not end the process
  promise.catch(() => {})
  return promise
}

/**
 * Runs `fn` with a handle of its own, in a savepoint of `level`.
 *
 * @throws TenancyError VALIDATION_ERROR when `fn` is not a function
 */
export async function nest<T>(level: Level, fn: (db: TenantDb) => Promise<T>): Promise<T> {
  requireCallback(fn)
  return await runSavepoint(level, async (inner) => fn(createHandle(inner)))
}
