import { crossTenant } from '@org/core'
import { invalid } from '../errors/invalid.ts'
import { copyFrom, copyTo } from './copy.ts'
import type { Level } from './level.ts'
import { requireCallback } from './misuse.ts'
import type { QueryResult } from './result.ts'
import { queueStatement, runStatement } from './run-statement.ts'
import { runSavepoint } from './savepoint.ts'
import { type QueryConfig, type Statement, toStatement } from './statement.ts'
import { type StreamOptions, stream } from './stream.ts'
import type { TenantDb } from './tenant-db.ts'

/** Makes the handle of a level: a frozen object without a way to the connection. */
export function createHandle(level: Level): TenantDb {
  const handle = Object.freeze({
    tenant: level.tenant,
    query: (query: string | QueryConfig, values?: readonly unknown[]) =>
      level.hand(start(() => runStatement(level, toStatement(query, values)))),
    queue: (query: string | QueryConfig, values?: readonly unknown[]) =>
      level.hand(start(() => queueStatement(level, toStatement(query, values)))),
    savepoint: <T>(fn: (db: TenantDb) => Promise<T>) => nest(level, fn),
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>) =>
      key === level.tenant ? nest(level, fn) : level.hand(Promise.reject<T>(crossTenant())),
    stream: (query: string | QueryConfig, values?: readonly unknown[], options?: StreamOptions) =>
      stream(level, query, values, options),
    copyFrom: (sql: string) => level.hand(copyFrom(level, sql)),
    copyTo: (sql: string) => level.hand(copyTo(level, sql)),
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

/** Runs a job; what it throws at once becomes a rejection, and its values are those of this moment. */
async function start<T>(job: () => Promise<T>): Promise<T> {
  return job()
}

/**
 * Runs `fn` with a handle of its own, in a savepoint of `level`.
 *
 * @throws TenancyError VALIDATION_ERROR when `fn` is not a function
 */
export function nest<T>(level: Level, fn: (db: TenantDb) => Promise<T>): Promise<T> {
  return level.hand(
    start(() => {
      requireCallback(fn)
      return runSavepoint(level, async (inner) => fn(createHandle(inner)))
    }),
  )
}

/** One statement in the scope around it. */
export function join<R>(level: Level, statement: Statement): Promise<QueryResult<R>> {
  return level.hand(runStatement<R>(level, statement))
}
