import { CopyExchange } from '../driver/copy-exchange.ts'
import { tapCopyData } from '../driver/copy-tap.ts'
import { unlessAborted } from './abort.ts'
import type { AdminClient } from './client.ts'

/** Milliseconds without a byte of progress after which the connection is given up. */
const STALLED_AFTER_MS = 600_000

/**
 * Takes a piece of a row; `first` and `last` say where the row begins and ends (both, where it came whole). Returns a
 * promise when the sender has to wait.
 */
export type TakeRow = (piece: Buffer, first: boolean, last: boolean) => Promise<void> | undefined

/** For whoever needs rows whole: gathers the pieces of one. */
export function wholeRows(take: (row: Buffer) => Promise<void> | undefined): TakeRow {
  let pieces: Buffer[] = []
  return (piece, first, last) => {
    if (first && last) return take(piece)
    // A copy: the piece is a view of the connection's buffer.
    pieces.push(Buffer.from(piece))
    if (!last) return undefined
    const row = Buffer.concat(pieces)
    pieces = []
    return take(row)
  }
}

/** Tells the watchdog of an exchange that it goes on. */
const ALIVE = { chunk: Buffer.alloc(0) }

/**
 * Runs `COPY … TO STDOUT`. `take` gets row after row, a long one in pieces, so that memory does not follow the longest;
 * while a promise it returned is pending, nothing more is read from the socket.
 *
 * When `take` rejects, the connection is cut: there is no other way to stop the server.
 */
export function copyOut({ wire, signal }: AdminClient, sql: string, take: TakeRow): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: unknown
    let pausedBy: Promise<void> | undefined
    const give = (error: unknown) => {
      failure ??= error
      wire.connection.stream.destroy()
    }
    const copy: CopyExchange = new CopyExchange(
      sql,
      {
        started: () => {},
        data: () => {},
        over: (error) => {
          removeTap()
          if (failure !== undefined || error) reject(failure ?? error)
          else resolve()
        },
      },
      STALLED_AFTER_MS,
    )
    const removeTap = tapCopyData(wire.connection, (piece, first, last) => {
      copy.handleCopyData(ALIVE)
      if (failure !== undefined) return
      const waiting = take(piece, first, last)
      // What came in the same packet still arrives; the last promise is the one to wait for.
      if (!waiting || waiting === pausedBy) return
      pausedBy = waiting
      copy.pause()
      unlessAborted(waiting, signal).then(() => {
        if (pausedBy === waiting) copy.resume()
      }, give)
    })
    wire.query(copy)
  })
}

/** A `COPY … FROM STDIN` under way. */
export interface CopyIn {
  /** Resolves when more may be written; rejects with what the server said. */
  write(data: Buffer): Promise<void>
  /** No more data; resolves when the server has taken all of it. */
  finish(): Promise<void>
  /** Gives up; resolves when the connection can be used again (for ROLLBACK). Never throws. */
  abandon(): Promise<void>
}

/** Starts a `COPY … FROM STDIN`. */
export function copyIn({ wire, signal }: AdminClient, sql: string): Promise<CopyIn> {
  return new Promise((resolve, reject) => {
    let [end, fail] = [() => {}, (_: unknown) => {}]
    const over = new Promise<void>((resolve, reject) => {
      ;[end, fail] = [resolve, reject]
    })
    over.catch(() => {})
    const copy: CopyExchange = new CopyExchange(
      sql,
      {
        started: () =>
          resolve({
            write: (data) => {
              const sent = new Promise<void>((drained) => copy.send(data, drained))
              return unlessAborted(Promise.race([over, sent]), signal)
            },
            finish: () => {
              copy.finish()
              return over
            },
            abandon: () => {
              copy.fail()
              return over.catch(() => {})
            },
          }),
        data: () => {},
        over: (error) => {
          if (error) fail(error)
          else end()
          // Only when it never started; otherwise it does nothing.
          reject(error)
        },
      },
      STALLED_AFTER_MS,
    )
    wire.query(copy)
  })
}
