export type WireSide = 'frontend' | 'backend'

/** One protocol message, as it passes the proxy. */
export interface WireMessage {
  /** 1 for the proxy's first connection, 2 for its second, … */
  readonly connection: number
  readonly from: WireSide
  /** The protocol's own name: `Query`, `Parse`, `CommandComplete`, `Startup`, `CancelRequest`, … */
  readonly type: string
  /** Bytes on the wire, type byte and length field included. */
  readonly length: number
  /**
   * Query and Parse: the SQL (its first 64 KiB). CommandComplete: the tag. ErrorResponse:
   * the SQLSTATE. NoticeResponse: the SQLSTATE, a space, the message. ReadyForQuery: `I`, `T` or `E`. EncryptionResponse: `S`, `N` or `G`.
   */
  readonly text?: string
}

/**
 * What becomes of one message:
 *
 * - `deliver`: it passes (the default).
 * - `cut-before`: it does not pass, everything before it does, then both sockets are destroyed.
 * - `cut-after`: it passes, then the connection dies. From the frontend: the client is gone at once, the
 *   server keeps its side until it has answered, so a COMMIT takes effect. From the backend: the client
 *   reads this message and nothing after it.
 * - `swallow`: only this message is dropped.
 * - `black-hole`: this message and all that follows is dropped, in both directions, hang-ups included.
 *   Sockets stay open until `cutAll()` or `close()`.
 */
export type WireAction = 'deliver' | 'cut-before' | 'cut-after' | 'swallow' | 'black-hole'

// biome-ignore lint/suspicious/noConfusingVoidType: a callback that only observes returns nothing.
export type WireDecision = WireAction | void

export interface WireProxyOptions {
  /** The server behind: `host:port`, or a `postgres://` URL. */
  readonly target: string
  /** Added round-trip time in milliseconds, half of it in each direction. Default 0; fractions count. */
  readonly roundTripMs?: number
  /**
   * Called once for each message, in the order of its direction. A promise holds the message, and all
   * that follows it in that direction, until it resolves. If it throws, the connection is cut and
   * `close()` rejects with that error.
   */
  readonly onMessage?: (message: WireMessage) => WireDecision | Promise<WireDecision>
}

export interface WireProxy {
  /** The target's URL (same user, password, database, parameters), pointing at the proxy. */
  readonly url: string
  readonly port: number
  /**
   * Answered round trips on all connections, login excluded. One begins when frontend bytes arrive while
   * no earlier ones are unanswered, and counts with the first message that answers it; `RoundTripCounter`
   * has the exact rule. Three groups written without waiting are one; three awaited queries are three.
   */
  roundTrips(): number
  /** Messages so far, by `${from}:${type}`, dropped ones included. */
  counts(): ReadonlyMap<string, number>
  /** Sets `roundTrips()` and `counts()` to zero. */
  reset(): void
  /** For messages that arrive from now on; those on their way keep their delay. */
  setRoundTripMs(ms: number): void
  /** Resets (RST) every connection on both sides, as a network failure does. */
  cutAll(): void
  /** Connections with at least one side still open. */
  connections(): number
  /** Cuts what is open and frees the port. Rejects with the first error `onMessage` threw, if any. */
  close(): Promise<void>
}

/** A proxy in a worker thread: the same, each call being a message to the worker. */
export interface WireProxyInWorker {
  readonly url: string
  readonly port: number
  roundTrips(): Promise<number>
  counts(): Promise<ReadonlyMap<string, number>>
  reset(): Promise<void>
  setRoundTripMs(ms: number): Promise<void>
  cutAll(): Promise<void>
  connections(): Promise<number>
  close(): Promise<void>
}
