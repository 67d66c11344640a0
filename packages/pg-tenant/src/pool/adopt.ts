import type { EventEmitter } from 'node:events'
import { type Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { asOfNow, EXTENT, type QueryConfig } from '../scope/statement.ts'
import type { TenantDb } from '../scope/tenant-db.ts'
import type { Extent } from '../scope/types/decoding.ts'
import type { TenantConnection } from './connection.ts'

/** What `client.query` takes besides texts: objects that would write on the connection by themselves. */
export interface Submittable {
  submit(connection: unknown): unknown
}

/** The part of a `pg-cursor` that its users call; a `pg-query-stream` holds one in `cursor`. */
interface Cursor extends Submittable, EventEmitter {
  text: string
  values?: unknown[] | null
  _conf?: { readonly rowMode?: 'array'; readonly types?: QueryConfig['types'] }
  read(rows: number, callback?: (error: unknown, rows?: unknown[], result?: unknown) => void): unknown
  close(callback?: (error?: unknown) => void): unknown
}

/** A `pg-copy-streams` object: `from` is written to, `to` is read from. */
type CopyStream = (Writable | Readable) & Submittable & { readonly text: string }

/** What an object runs on, and how much of its rows is read for it. */
interface Over extends Pick<TenantConnection, 'within'> {
  readonly extent: Extent
}

/** Runs one job of the connection after those before it. */
type Enqueue = <T>(job: () => Promise<T>) => Promise<T>

/**
 * Lets a cursor, a query stream or a COPY stream of `pg`'s family run on a tenant's connection: its ends are kept, what is
 * behind them is the scope's own. Returns false for an object of another kind.
 */
export function adopt(
  query: Submittable,
  over: Over,
  enqueue: Enqueue,
  shown: (error: unknown) => unknown,
): boolean {
  const cursor = isCursor(query) ? query : cursorIn(query)
  if (cursor) adoptCursor(cursor, over, enqueue, shown)
  else if (isCopy(query)) adoptCopy(query, over, enqueue, shown)
  else return false
  return true
}

/** Reads through a scope's stream; the scope is that of the transaction, or one of its own until the cursor is closed. */
function adoptCursor(
  cursor: Cursor,
  { within, extent }: Over,
  enqueue: Enqueue,
  shown: (error: unknown) => unknown,
): void {
  const { rowMode, types } = cursor._conf ?? {}
  const query = { text: cursor.text, ...(rowMode && { rowMode }), ...(types && { types }), [EXTENT]: extent }
  const values = asOfNow(cursor.values) ?? []
  let rows: AsyncIterator<unknown> | undefined
  let done = false
  const finished = Promise.withResolvers<void>()
  finished.promise.catch(() => {})
  /** The scope stays open until the cursor is closed, and other queries of the connection wait, as on the wire. */
  const open = (batchSize: number): Promise<AsyncIterator<unknown>> =>
    new Promise((resolve, reject) => {
      enqueue(() =>
        within(async (db) => {
          rows = streamOf(db, query, values, batchSize)
          resolve(rows)
          await finished.promise
          await rows.return?.()
        }),
      ).catch(reject)
    })
  const next = async (count: number): Promise<unknown[]> => {
    if (done) return []
    const from = rows ?? (await open(Math.min(10_000, Math.max(1, count))))
    const batch: unknown[] = []
    while (batch.length < count) {
      const one = await from.next()
      if (one.done) {
        done = true
        finished.resolve()
        break
      }
      batch.push(one.value)
    }
    return batch
  }
  let last: Promise<unknown> = Promise.resolve()
  Object.assign(cursor, {
    read: (count: number, callback?: (error: unknown, rows?: unknown[], result?: unknown) => void) => {
      const batch = last.then(() => next(count))
      last = batch.catch(() => {})
      const told = batch.catch((error: unknown) => {
        done = true
        finished.reject(error)
        throw shown(error)
      })
      if (!callback) return told
      told.then(
        (found) =>
          callback(null, found, { rows: found, fields: [], rowCount: found.length, command: 'SELECT' }),
        (error) => callback(error),
      )
      return undefined
    },
    close: (callback?: (error?: unknown) => void) => {
      const closed = last.then(() => {
        done = true
        finished.resolve()
      })
      if (!callback) return closed
      closed.then(() => callback())
      return undefined
    },
  })
}

function streamOf(db: TenantDb, query: QueryConfig, values: readonly unknown[], batchSize: number) {
  return db.stream(query, values, { batchSize })[Symbol.asyncIterator]()
}

function adoptCopy(
  copy: CopyStream,
  { within }: Over,
  enqueue: Enqueue,
  shown: (error: unknown) => unknown,
): void {
  const run = (job: (db: TenantDb) => Promise<void>) => enqueue(() => within(job))
  if (copy instanceof Writable) adoptCopyFrom(copy, run, shown)
  else adoptCopyTo(copy, run, shown)
}

type Run = (job: (db: TenantDb) => Promise<void>) => Promise<void>

function adoptCopyFrom(copy: Writable & CopyStream, run: Run, shown: (error: unknown) => unknown): void {
  const target = Promise.withResolvers<Writable>()
  target.promise.catch(() => {})
  const done = run(async (db) => {
    const to = await db.copyFrom(copy.text)
    target.resolve(to)
    await finished(to)
  }).catch((error: unknown) => {
    target.reject(shown(error))
    throw shown(error)
  })
  done.catch((error: Error) => copy.destroy(error))
  Object.assign(copy, {
    _writev: null,
    _write: (chunk: Buffer, encoding: BufferEncoding, next: (error?: Error | null) => void) =>
      void target.promise.then((to) => void to.write(chunk, encoding, next), next),
    _final: (next: (error?: Error | null) => void) => {
      target.promise.then(
        (to) => void to.end(),
        () => {},
      )
      done.then(() => next(), next)
    },
    _destroy: (error: Error | null, next: (error?: Error | null) => void) => {
      target.promise.then(
        (to) => void to.destroy(error ?? undefined),
        () => {},
      )
      done.then(
        () => next(error),
        () => next(error),
      )
    },
  })
  // pg-copy-streams corks itself until the server is ready.
  copy.uncork()
}

function adoptCopyTo(copy: CopyStream, run: Run, shown: (error: unknown) => unknown): void {
  const readable = copy as Readable & CopyStream
  let wanted = Promise.withResolvers<void>()
  Object.assign(readable, {
    _read: () => wanted.resolve(),
    _destroy: (error: Error | null, next: (error?: Error | null) => void) => {
      wanted.resolve()
      next(error)
    },
  })
  run(async (db) => {
    for await (const chunk of await db.copyTo(copy.text)) {
      if (readable.destroyed) return
      if (readable.push(chunk)) continue
      await wanted.promise
      wanted = Promise.withResolvers<void>()
    }
  }).then(
    () => readable.destroyed || readable.push(null),
    (error: unknown) => readable.destroy(shown(error) as Error),
  )
}

function isCursor(query: object): query is Cursor {
  const { text, read, close } = query as Partial<Cursor>
  return (
    typeof text === 'string' &&
    typeof read === 'function' &&
    typeof close === 'function' &&
    !('pipe' in query)
  )
}

function cursorIn(query: object): Cursor | undefined {
  const { cursor } = query as { cursor?: object }
  return typeof cursor === 'object' && cursor !== null && isCursor(cursor) ? cursor : undefined
}

function isCopy(query: object): query is CopyStream {
  return 'text' in query && typeof query.text === 'string' && 'pipe' in query
}
