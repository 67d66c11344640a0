import { crossTenant } from '@org/core'
import { copyFrom, copyTo } from './copy.ts'
import type { Level } from './level.ts'
import { requireCallback } from './misuse.ts'
import { runStatement } from './run-statement.ts'
import { runSavepoint } from './savepoint.ts'
import type { QueryConfig } from './statement.ts'
import { type StreamOptions, stream } from './stream.ts'
import type { TenantDb } from './tenant-db.ts'

/** Makes the handle of a level: a frozen object without a way to the connection. */
export function createHandle(level: Level): TenantDb {
  return Object.freeze({
    tenant: level.tenant,
    query: (query: string | QueryConfig, values?: readonly unknown[]) => runStatement(level, query, values),
    savepoint: <T>(fn: (db: TenantDb) => Promise<T>) => nest(level, fn),
    withTenant: async <T>(key: string, fn: (db: TenantDb) => Promise<T>) => {
      if (key !== level.tenant) throw crossTenant()
      return await nest(level, fn)
    },
    stream: (text: string, values?: readonly unknown[], options?: StreamOptions) =>
      stream(level, text, values, options),
    copyFrom: (sql: string) => copyFrom(level, sql),
    copyTo: (sql: string) => copyTo(level, sql),
  }) as TenantDb
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
