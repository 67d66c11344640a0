import { serialize } from 'pg-protocol'
import { isServerError } from '../errors/server-error.ts'
import { type Slot, SYNC, statement } from './messages.ts'
import type { Submittable, WireConnection } from './types.ts'

/** Flush (manual 54.7): answer what there is, without ending the group. */
const FLUSH = serialize.flush()
const NOTHING = Buffer.alloc(0)

/** What happens during a COPY. */
export interface CopyEvents {
  /** The server has accepted the statement. */
  started(): void
  /** Data from the server (COPY TO). */
  data(chunk: Buffer): void
  /** Over, at ReadyForQuery or with the connection lost; `error` as the server or driver gave it. */
  over(error: Error | undefined): void
}

/**
 * One COPY in the extended protocol, which takes a single statement: in the simple protocol, which pg-copy-streams
 * speaks, `COPY …; COMMIT` would run both. The Sync that ends the group goes out with the last data, because the
 * server ignores it before (manual 54.2.6).
 */
export class CopyExchange implements Submittable {
  callback: () => void = () => {}
  readonly #sql: string
  readonly #events: CopyEvents
  readonly #watchdog: NodeJS.Timeout
  #connection: WireConnection | undefined
  #over = false
  #closed = false
  /** Where to parse it; known when the connection is. */
  slot: Slot = ''

  /**
   * @param patienceMs milliseconds without progress after which the connection is destroyed: the server does not look
   *   at its own timeouts while it waits for the client's data
   */
  constructor(sql: string, events: CopyEvents, patienceMs: number) {
    this.#sql = sql
    this.#events = events
    this.#watchdog = setTimeout(() => this.#giveUp(), patienceMs)
  }

  submit(connection: WireConnection): null {
    this.#connection = connection
    connection.stream.write(Buffer.concat([statement(this.#sql, this.slot), FLUSH]))
    return null
  }

  /** Sends data; says whether more may follow at once. `drained` is called when it may again. */
  send(chunk: Buffer, drained: () => void): void {
    if (!this.#over) this.#watchdog.refresh()
    const stream = this.#connection?.stream
    if (!stream || this.#over) {
      drained()
      return
    }
    // Two buffers in one call of the system, the data as it is: `serialize.copyData` would copy it.
    stream.cork()
    stream.write(copyDataHead(chunk.length))
    const more = stream.write(chunk)
    stream.uncork()
    if (more) drained()
    else stream.once('drain', drained)
  }

  /** No more data. */
  finish(): void {
    this.#close(serialize.copyDone())
  }

  /** Gives the COPY up: the server answers with an error. */
  fail(): void {
    this.#close(serialize.copyFail('given up by the client'))
  }

  pause(): void {
    this.#connection?.stream.pause()
  }

  resume(): void {
    if (!this.#over) this.#watchdog.refresh()
    this.#connection?.stream.resume()
  }

  handleCopyInResponse(): void {
    this.#events.started()
  }

  handleCopyData(message: { chunk: Buffer }): void {
    this.#watchdog.refresh()
    this.#events.data(message.chunk)
  }

  handleCommandComplete(): void {
    this.#close(NOTHING)
  }

  handleReadyForQuery(): void {
    this.#end(undefined)
  }

  handleError(error: Error, connection: WireConnection): void {
    if (!isServerError(error)) {
      this.#end(error)
      return
    }
    // pg has let go of us; the rest is read from the connection (see Exchange).
    const finish = () => {
      connection.removeListener('readyForQuery', finish)
      connection.removeListener('end', finish)
      this.#end(error)
    }
    connection.once('readyForQuery', finish)
    connection.once('end', finish)
    this.#close(NOTHING)
  }

  // Not a COPY after all, or one to or from a file: nothing to read.
  handleRowDescription(): void {}
  handleDataRow(): void {}

  #giveUp(): void {
    this.#connection?.stream.destroy()
    this.#end(new CopyStalled())
  }

  /** Ends the group, once: what comes after a second Sync would be taken for the answer to something else. */
  #close(last: Buffer): void {
    if (this.#closed) return
    this.#closed = true
    this.#connection?.stream.write(Buffer.concat([last, SYNC]))
  }

  #end(error: Error | undefined): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#watchdog)
    this.callback()
    this.#events.over(error)
  }
}

/** CopyData (manual 54.7): its type, and its length without that. */
function copyDataHead(bytes: number): Buffer {
  const head = Buffer.allocUnsafe(5)
  head[0] = 0x64
  head.writeInt32BE(bytes + 4, 1)
  return head
}

/** Nobody wrote to, or read from, a COPY for too long. */
export class CopyStalled extends Error {
  override readonly name = 'CopyStalled'
}
