import type { Readable, Writable } from 'node:stream'
import { crossTenant, invalidOption } from '@org/core'
import type { Block } from './block.ts'
import { requireCallback, requireCopy } from './refuse.ts'
import type { QueryResult } from './result.ts'
import { queueStatement, runStatement } from './run-statement.ts'
import { runSavepoint } from './savepoint.ts'
import {
  type QueryConfig,
  type Statement,
  type StreamOptions,
  type StreamStatement,
  toStatement,
  toStreamStatement,
} from './statement.ts'
import type { TenantDb } from './tenant-db.ts'

/** Makes the handle of a block: a frozen object without a way to the connection. */
export const createHandle = (block: Block): TenantDb => new Handle(block) as TenantDb

let find: (handle: unknown) => Block | undefined

/** The block is a private field, because a WeakMap of all handles would be work for every collection of garbage. */
class Handle {
  static {
    find = (handle) => (typeof handle === 'object' && handle && #block in handle ? handle.#block : undefined)
  }

  readonly #block: Block
  readonly tenant: Block['tenant']
  // Each is a property that is bound to its block: callers take handles apart, and spread them.
  readonly query: (query: string | QueryConfig, values?: readonly unknown[]) => Promise<QueryResult>
  readonly queue: (query: string | QueryConfig, values?: readonly unknown[]) => Promise<void>
  readonly savepoint: TenantDb['savepoint']
  readonly withTenant: TenantDb['withTenant']
  readonly stream: (
    query: string | QueryConfig,
    values?: readonly unknown[],
    options?: StreamOptions,
  ) => AsyncIterableIterator<unknown, void, undefined>
  readonly copyFrom: TenantDb['copyFrom']
  readonly copyTo: TenantDb['copyTo']

  constructor(block: Block) {
    this.#block = block
    this.tenant = block.tenant
    this.query = (query, values) => block.hand(start(() => runStatement(block, toStatement(query, values))))
    this.queue = (query, values) => block.hand(start(() => queueStatement(block, toStatement(query, values))))
    this.savepoint = (fn) => nest(block, fn)
    this.withTenant = (key, fn) =>
      key === block.tenant ? nest(block, fn) : block.hand(Promise.reject(crossTenant()))
    this.stream = (query, values, options) =>
      stream(
        block,
        now(() => toStreamStatement(query, values, options)),
      )
    this.copyFrom = (sql) =>
      block.hand(copy<Writable>(block, sql, ({ copyFrom }, given) => copyFrom(block, sql, given)))
    this.copyTo = (sql) =>
      block.hand(copy<Readable>(block, sql, ({ copyTo }, given) => copyTo(block, sql, given)))
    Object.freeze(this)
  }
}

/** @throws TenancyError INVALID_OPTION when it is not a handle of ours */
export function blockOf(db: TenantDb): Block {
  const block = find(db)
  if (block) return block
  throw invalidOption('db', 'the handle that withTenant gives: withTenant(key, (db) => …)')
}

/** Runs `job` at once; what it throws synchronously becomes a rejection (`Promise.try`, which Node 22 does not have). */
export function start<T>(job: () => Promise<T>): Promise<T> {
  try {
    return job()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** Works something out at once, so that values are those of the call, and tells what it threw when it is asked for. */
function now<T>(work: () => T): () => T {
  try {
    const value = work()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}

/** An iterator whose every promise is the block's to answer for. Its code is loaded with the first row. */
function stream<R>(block: Block, asked: () => StreamStatement): AsyncIterableIterator<R, void, undefined> {
  async function* read(): AsyncGenerator<R, void, undefined> {
    const statement = asked()
    yield* (await import('./stream.ts')).rowsOf<R>(block, statement)
  }
  const rows = read()
  const iterator = {
    next: () => block.hand(rows.next()),
    return: () => block.hand(rows.return()),
    throw: (error: unknown) => block.hand(rows.throw(error)),
    [Symbol.asyncIterator]: () => iterator,
    [Symbol.asyncDispose]: async () => void (await iterator.return()),
  }
  return Object.freeze(iterator)
}

/** A COPY is the block's next job, until it is over; its code is loaded with the first. */
function copy<Stream>(
  block: Block,
  sql: string,
  run: (code: typeof import('./copy.ts'), given: (stream: Stream) => void) => Promise<void>,
): Promise<Stream> {
  return start(() => {
    requireCopy(sql)
    return new Promise((given, reject) => {
      block.enqueue(async () => run(await import('./copy.ts'), given)).catch(reject)
    })
  })
}

/**
 * Runs `fn` with a handle of its own, in a savepoint of `block`.
 *
 * @throws TenancyError VALIDATION_ERROR when `fn` is not a function
 */
export function nest<T>(block: Block, fn: (db: TenantDb) => Promise<T>): Promise<T> {
  return block.hand(
    start(() => {
      requireCallback(fn)
      return runSavepoint(block, async (inner) => fn(createHandle(inner)))
    }),
  )
}

/** One statement in the scope around it. */
export function join<R>(block: Block, statement: Statement): Promise<QueryResult<R>> {
  return block.hand(runStatement<R>(block, statement))
}
