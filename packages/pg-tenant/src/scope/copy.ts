import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { TenancyError } from '@org/core'
import { isServerError } from '../driver/exchange.ts'
import { bind, execute, parse, SYNC } from '../driver/messages.ts'
import type { Session } from '../driver/session.ts'
import type { Submittable, WireConnection } from '../driver/types.ts'
import { fromDatabase } from '../errors/from-database.ts'
import type { Level } from './level.ts'
import { requireCopy } from './refuse.ts'

type CopyStream = Submittable & { connection?: WireConnection; _attach?(): void }

/** `COPY … FROM STDIN` */
export async function copyFrom(level: Level, sql: string): Promise<Writable> {
  requireCopy(sql)
  const { from } = await loadCopyStreams()
  return start(level, from(sql), sql)
}

/** `COPY … TO STDOUT` */
export async function copyTo(level: Level, sql: string): Promise<Readable> {
  requireCopy(sql)
  const { to } = await loadCopyStreams()
  return start(level, to(sql), sql)
}

/**
 * Runs a stream of pg-copy-streams as the level's next job; resolves to the stream as soon as it has the wire. The
 * stream sends its COPY in the simple protocol, where `COPY …; COMMIT` would run both; here it goes out in the
 * extended protocol, which takes one statement.
 */
function start<S extends Readable | Writable>(level: Level, made: S, sql: string): Promise<S> {
  const stream = asCopyStream(made)
  return new Promise((resolve, reject) => {
    level
      .enqueue(() =>
        level.transaction.lend(async (session) => {
          const answered = extended(stream, sql, session)
          // What the stream reports is for its reader; here only when it is over matters.
          const over = finished(stream as Readable, { cleanup: true }).catch(() => {})
          session.submit(stream)
          resolve(stream)
          await over
          const error = await answered
          session.settleSubmitted()
          if (error) level.failure ??= error
        }),
      )
      .catch(reject)
  })
}

/** The published types leave out what `pg` calls on the stream. */
function asCopyStream<S extends object>(stream: S): S & CopyStream {
  if (typeof (stream as Partial<CopyStream>).handleCommandComplete === 'function')
    return stream as S & CopyStream
  throw new TenancyError('INVALID_OPTION', 'This version of pg-copy-streams does not fit: install 6 or 7.', {
    details: { option: 'pg-copy-streams' },
  })
}

/** Rewires the stream to the extended protocol; resolves at ReadyForQuery, with the error if there was one. */
function extended(stream: CopyStream, sql: string, session: Session): Promise<TenancyError | undefined> {
  const { handleCommandComplete, handleError } = stream
  return new Promise((settle) => {
    let failure: TenancyError | undefined
    stream.submit = (connection) => {
      stream.connection = connection
      stream._attach?.()
      connection.once('readyForQuery', () => settle(failure))
      connection.once('end', () =>
        settle(failure ?? new TenancyError('CONNECTION_LOST', 'The connection was lost during COPY.')),
      )
      connection.stream.write(Buffer.concat([parse('', sql), bind('', '', []), execute('', 0), FLUSH]))
      return null
    }
    stream.handleCommandComplete = (message, connection) => {
      handleCommandComplete.call(stream, message, connection)
      connection.stream.write(SYNC)
    }
    stream.handleError = (error, connection) => {
      failure = isServerError(error)
        ? fromDatabase(error)
        : new TenancyError('CONNECTION_LOST', 'The connection was lost during COPY.')
      handleError.call(stream, failure, connection)
      if (session.alive) connection.stream.write(SYNC)
    }
  })
}

/** Flush (manual 54.7): answer now, without ending the group. */
const FLUSH = Buffer.from([0x48, 0, 0, 0, 4])

async function loadCopyStreams(): Promise<typeof import('pg-copy-streams')> {
  try {
    return await import('pg-copy-streams')
  } catch {
    throw new TenancyError(
      'INVALID_OPTION',
      'COPY needs the package pg-copy-streams (6 or later): install it beside pg.',
      {
        details: { option: 'pg-copy-streams' },
      },
    )
  }
}
