/** What the server answers with ReadyForQuery. */
const TERMINATORS: ReadonlySet<string> = new Set(['Query', 'Sync', 'FunctionCall'])
const LOGIN: ReadonlySet<string> = new Set(['Startup', 'SSLRequest', 'GSSENCRequest', 'PasswordMessage'])
/** Sent by the server at any time, so no answer to anything. */
const UNASKED: ReadonlySet<string> = new Set(['NoticeResponse', 'NotificationResponse', 'ParameterStatus'])

/**
 * Counts the round trips of one connection.
 *
 * A round trip begins when a frontend message arrives at the proxy while no earlier frontend bytes are
 * unanswered, and counts when the proxy hands the client the first message that answers it. (A client
 * cannot have reacted to what it was not handed yet.) Bytes are answered
 *
 * - up to a Query, Sync or FunctionCall: by its ReadyForQuery;
 * - after the last of these (a Flush): by any message of the server;
 * - a COPY FROM STDIN: by CopyInResponse, then the data up to CopyDone or CopyFail by ReadyForQuery.
 *
 * The rest of a message whose beginning has arrived begins nothing, so how TCP cuts one write does not
 * matter. Login up to the first ReadyForQuery, unasked messages and Terminate do not count.
 */
export class RoundTripCounter {
  readonly #onRoundTrip: () => void
  #loggedIn = false
  /** Terminators without their ReadyForQuery, oldest first. */
  #unready: string[] = []
  /** Frontend bytes after the last terminator that nothing has answered. */
  #tail = false
  #copyIn = false
  /** The server waits for COPY data although its Query is still unready. */
  #turned = false
  #awaitsAnswer = false

  constructor(onRoundTrip: () => void) {
    this.#onRoundTrip = onRoundTrip
  }

  /** The server is working on something it will report with ReadyForQuery by itself. */
  get serverBusy(): boolean {
    return this.#unready.length > 0 && !this.#copyIn
  }

  /** A message begins, or part of a message's head is here. */
  begins(): void {
    const unanswered = this.#tail || (this.#unready.length > 0 && !this.#turned)
    if (!unanswered) this.#awaitsAnswer = true
    this.#turned = false
    this.#tail = true
  }

  /** Bytes of a frontend message go to the server. */
  sent(type: string, opens: boolean, closes: boolean): void {
    if (LOGIN.has(type)) return
    if (opens) this.begins()
    this.#tail = true
    if (closes) this.#sentWhole(type)
  }

  #sentWhole(type: string): void {
    if (type === 'CopyDone' || type === 'CopyFail') {
      this.#copyIn = false
      // Begun by a Query, the copy ends here; begun by Execute, a Sync follows.
      if (this.#unready.length > 0) this.#tail = false
    } else if (TERMINATORS.has(type) && !this.#copyIn) {
      this.#unready.push(type)
      this.#tail = false
    }
  }

  /** The client is handed a whole message of the server. */
  answered(type: string): void {
    if (!this.#loggedIn) {
      this.#loggedIn = type === 'ReadyForQuery'
      return
    }
    if (UNASKED.has(type)) return
    if (this.#awaitsAnswer) this.#onRoundTrip()
    this.#awaitsAnswer = false
    if (type === 'ReadyForQuery') this.#ready()
    else if (type === 'CopyInResponse') this.#asksForCopyData()
    else if (this.#unready.length === 0) this.#tail = false
  }

  #ready(): void {
    this.#unready.shift()
    // The copy failed: what the client still sends of it is discarded and never answered.
    if (this.#copyIn) this.#tail = false
    this.#copyIn = false
  }

  #asksForCopyData(): void {
    this.#copyIn = true
    // Data that is already on its way was sent without waiting for this.
    this.#turned = !this.#tail
    // A server that reads COPY data ignores Sync, so these stay without ReadyForQuery.
    if (this.#unready[0] === 'Sync') this.#unready = []
  }

  /** The client is gone: nothing reaches it any more. */
  abandon(): void {
    this.#awaitsAnswer = false
  }
}
