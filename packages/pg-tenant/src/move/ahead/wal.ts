import { SQLSTATE } from '@org/core'
import type pg from 'pg'
import { serialize } from 'pg-protocol'
import { type ConnectionConfig, loadPg } from '../../driver/connection-config.ts'
import type { Submittable, WireClient, WireConnection } from '../../driver/types.ts'
import { fromConnectError } from '../../errors/from-connect-error.ts'
import { isServerError } from '../../errors/server-error.ts'
import { quoteIdentifier, quoteLiteral } from '../../sql/identifier.ts'

/** Bytes kept of what was not asked for yet; then nothing more is read from the socket. */
const MOST_KEPT = 8 << 20
/** Milliseconds between two signs of life; the server waits for `wal_sender_timeout`, a minute by default. */
const SIGN_MS = 5_000
/** Milliseconds without any message of the server, which answers each sign of life that asks for it. */
const SILENT_MS = 60_000

type WalClient = WireClient & {
  end(): Promise<void>
  on(event: 'error' | 'end', listener: (error: Error) => void): unknown
}

/** A piece of the server's log: data of the plug-in, or only how far it has looked. */
export interface Piece {
  readonly data: Buffer | undefined
  /** As far as the server has looked. */
  readonly end: bigint
}

/** How values are written as text, as COPY writes them for an archive (see archive/client.ts); and nothing ends the session. */
const SETTINGS = `set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 3;
  set bytea_output = 'hex'; set xmloption = 'content'; set search_path = 'pg_catalog, pg_temp'; set statement_timeout = 0; set idle_session_timeout = 0`

/**
 * What changes in a database from one instant on, which another transaction can see as it was (`snapshot`). The slot is
 * temporary: it belongs to this connection, and the server drops it with it, whatever becomes of this process.
 */
export class Wal implements Submittable {
  callback: () => void = () => {}
  readonly snapshot: string
  readonly #client: WalClient
  readonly #slot: string
  #publication = ''
  #connection: WireConnection | undefined
  #kept: Piece[] = []
  #bytes = 0
  #failure: unknown
  #wake: () => void = () => {}
  #confirmed = 0n
  #heardAt = performance.now()
  #timer: NodeJS.Timeout | undefined
  #closed = false
  readonly #lost = new AbortController()

  private constructor(client: WalClient, slot: string, snapshot: string) {
    this.#client = client
    this.#slot = slot
    this.snapshot = snapshot
    client.on('error', (error: Error) => this.#fail(error))
    client.on('end', () => this.#fail(new Error('the server has ended the connection')))
  }

  /** Fires when nothing more will be told. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /**
   * Makes the slot, which waits for every transaction of the server that has written something.
   *
   * @param waitMs milliseconds it may take
   * @throws what the server or driver said; an error of another connection where that took too long
   */
  static async open(config: ConnectionConfig, slot: string, waitMs: number): Promise<Wal> {
    const { Client } = await loadPg()
    const replication = { replication: 'database', query_timeout: 0 }
    const client = new Client({ ...config, ...replication }) as pg.Client & WalClient
    let late = false
    client.on('error', () => {})
    const timer = setTimeout(() => {
      late = true
      client.connection.stream.destroy()
    }, waitMs + 1_000)
    try {
      await client.connect()
      // It would not notice that nobody waits for it any more.
      await client.query(`${SETTINGS}; set lock_timeout = ${waitMs}`)
      const { rows } = await client.query(
        `CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`,
      )
      return new Wal(client, slot, String(rows[0]?.snapshot_name))
    } catch (error) {
      client.end().catch(() => {})
      if (late || (isServerError(error) && error.code === SQLSTATE.LOCK_NOT_AVAILABLE)) throw new SlotWaits()
      throw isServerError(error) ? error : fromConnectError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  /** From here on the snapshot cannot be taken any more. */
  start(publication: string): void {
    this.#publication = publication
    this.#client.query(this)
    this.#timer = setInterval(() => this.#live(), SIGN_MS)
  }

  submit(connection: WireConnection): null {
    this.#connection = connection
    const names = quoteLiteral(quoteIdentifier(this.#publication))
    const text = `START_REPLICATION SLOT ${quoteIdentifier(this.#slot)} LOGICAL 0/0 (proto_version '1', publication_names ${names})`
    connection.stream.write(serialize.query(text))
    return null
  }

  /** The next piece that has come, if one has. @throws what ended the connection */
  take(): Piece | undefined {
    const piece = this.#kept.shift()
    if (!piece) {
      if (this.#failure !== undefined) throw this.#failure
      return undefined
    }
    this.#bytes -= piece.data?.length ?? 0
    if (this.#bytes < MOST_KEPT) this.#connection?.stream.resume()
    return piece
  }

  /** Resolves when there may be something to take. */
  arrived(): Promise<void> {
    if (this.#kept.length > 0 || this.#failure !== undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** Wakes whoever waits for what arrives. */
  wake(): void {
    this.#wake()
  }

  /** The server need not keep what is before this. */
  confirm(end: bigint): void {
    if (end > this.#confirmed) this.#confirmed = end
  }

  /** Asks the server how far it has looked. */
  ask(): void {
    this.#sign(true)
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#client.end().catch(() => {})
    this.#connection?.stream.destroy()
  }

  #live(): void {
    // Nothing is read while somebody else has to catch up.
    if (this.#bytes >= MOST_KEPT) this.#heardAt = performance.now()
    if (performance.now() - this.#heardAt > SILENT_MS) this.#connection?.stream.destroy()
    else this.#sign(true)
  }

  #sign(answer: boolean): void {
    const status = Buffer.alloc(1 + 8 * 4 + 1)
    status.write('r')
    for (const at of [1, 9, 17]) status.writeBigUInt64BE(this.#confirmed, at)
    // The time is for whoever looks at the server's statistics.
    status.writeUInt8(answer ? 1 : 0, 33)
    if (this.#connection?.stream.writable) this.#connection.stream.write(serialize.copyData(status))
  }

  handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.#heardAt = performance.now()
    const isData = chunk[0] === 'w'.charCodeAt(0)
    // A copy: the chunk is a view of the connection's buffer.
    const data = isData ? Buffer.from(chunk.subarray(1 + 8 * 3)) : undefined
    this.#kept.push({ data, end: chunk.readBigUInt64BE(isData ? 9 : 1) })
    this.#bytes += data?.length ?? 0
    if (this.#bytes >= MOST_KEPT) this.#connection?.stream.pause()
    this.#wake()
  }

  handleError(error: Error): void {
    this.#fail(error)
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#fail(new Error('the server has ended the stream of changes'))
  }

  #fail(error: Error): void {
    if (!this.#closed) {
      this.#failure ??= error
      this.#lost.abort()
    }
    clearInterval(this.#timer)
    this.callback()
    this.#wake()
  }
}

/** Other transactions kept the slot from being made. */
export class SlotWaits extends Error {
  override readonly name = 'SlotWaits'
}
