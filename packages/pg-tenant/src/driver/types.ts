import type { EventEmitter } from 'node:events'
import type { TypeParsers } from './type-parsers.ts'

/** The part of a `pg.Pool` that is used; a pool of a driver derived from `pg` fits as well. */
export interface PoolLike {
  connect(): Promise<PoolClientLike>
  on(event: 'connect' | 'acquire', listener: (client: PoolClientLike) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** The part of a checked-out client that is promised by `pg`'s public types. */
export interface PoolClientLike {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
  release(destroy?: boolean | Error): void
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** A client as `pg`'s JavaScript driver makes it; the native one has no `connection`. */
export interface WireClient extends Omit<PoolClientLike, 'query'> {
  query(submittable: Submittable): unknown
  getTransactionStatus(): string | null
  /** False while a query is running. */
  readonly readyForQuery?: boolean
  getTypeParser: TypeParsers['getTypeParser']
  readonly connection: WireConnection
  readonly processID: number | null
  readonly secretKey: number | null
  readonly host: string
  readonly port: number
  readonly ssl: unknown
  readonly sslNegotiation?: string
  pipeline?: boolean
}

/** The connection under a client: protocol messages go through its stream. */
export interface WireConnection extends EventEmitter {
  readonly stream: {
    write(bytes: Buffer): boolean
    /** What is written between the two goes out together. */
    cork(): void
    uncork(): void
    destroy(error?: Error): unknown
    once(event: 'drain', listener: () => void): unknown
    on(event: 'data', listener: (bytes: Buffer) => void): unknown
    listeners(event: 'data'): unknown[]
    removeListener(event: 'data', listener: (bytes: Buffer) => void): unknown
    pause(): unknown
    resume(): unknown
    readonly writable: boolean
  }
}

/** `pg`'s seam for own queries (pg-cursor and pg-query-stream use it): the client calls these as messages arrive. */
export interface Submittable {
  submit(connection: WireConnection): Error | null | undefined
  handleRowDescription?(message: { fields: never[] }): void
  handleDataRow?(message: { fields: (string | null)[] }): void
  handlePortalSuspended?(connection: WireConnection): void
  handleCommandComplete(message: { text: string }, connection: WireConnection): void
  handleEmptyQuery?(connection: WireConnection): void
  handleReadyForQuery(connection: WireConnection): void
  handleError(error: Error, connection: WireConnection): void
  handleCopyInResponse?(connection: WireConnection): void
  handleCopyData?(message: { chunk: Buffer }, connection: WireConnection): void
}

/** Whether this is a client whose wire we can speak on: `pg`'s JavaScript driver, 8.21 or later. */
export function isWireClient(client: object): client is WireClient {
  const candidate = client as Partial<WireClient>
  return (
    typeof candidate.query === 'function' &&
    typeof candidate.getTransactionStatus === 'function' &&
    typeof candidate.connection?.stream?.write === 'function'
  )
}
