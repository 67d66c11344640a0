import type { Outcome } from '../errors/outcome.ts'
import type { ServerError } from '../errors/server-error.ts'
import { cancelBackend } from './cancel.ts'
import { Exchange, type Step } from './exchange.ts'
import { type ConnectionMemory, isUntouched } from './memory.ts'
import { SCRATCH, type Slot } from './messages.ts'
import type { TypeParsers } from './type-parsers.ts'
import type { Submittable, WireClient } from './types.ts'

/** How many notices are kept: what a tenant's code raises must not pile up. */
const NOTICES = 2

/** The last notices and warnings of a connection, oldest first. */
export interface NoticeLog {
  readonly notices: readonly ServerError[]
  stop(): void
}

/**
 * One checked-out connection. It goes back to the pool only when the last word on it was an answered COMMIT or
 * ROLLBACK that left it idle; in every other case it is destroyed (hazards g, h, q).
 */
export class Session {
  readonly memory: ConnectionMemory
  readonly #client: WireClient
  readonly #pipelined: boolean
  #running: Exchange | undefined
  #named = false
  #cancelling: Promise<boolean> | undefined
  #used = false
  #idle = true
  #released = false

  /** The form in which the gate was bound on this session. */
  form:
    | {
        readonly text: string
        readonly setsLimits: boolean
        readonly setsDurable: boolean
        readonly callsLeave: boolean
      }
    | undefined
  /** Whether temporary objects are there that have not been discarded. */
  owesTemporary = false
  #untouched: boolean
  /** Where statements that are used once are parsed. */
  readonly slot: Slot

  constructor(client: WireClient, memory: ConnectionMemory) {
    this.#client = client
    this.memory = memory
    // Somebody's query may be waiting on a connection that was just handed out (a listener of the pool's, say).
    this.#untouched = isUntouched(memory) && client.readyForQuery !== false
    // guard: z: nothing is known of a session that others had
    if (!this.#untouched) this.distrust()
    this.slot = memory.direct === true ? SCRATCH : ''
    // pg refuses foreign queries on a pipelining client; nothing is in flight on one just handed out.
    this.#pipelined = client.pipeline === true
    if (this.#pipelined) client.pipeline = false
  }

  /** Whether the session is as a scope of ours left it: clean, and the unnamed statement what we remember. */
  get untouched(): boolean {
    return this.#untouched
  }

  /** Whether there are statements that callers have named. */
  get keepsNames(): boolean {
    return this.#named || this.memory.prepared.size > 0
  }

  /** Says that one is being named. */
  names(): void {
    this.#named = true
  }

  /** Believes nothing of what is remembered of the session any more. */
  distrust(): void {
    this.#untouched = false
    this.memory.unnamed = undefined
    this.memory.temporary = undefined
    this.memory.prepared.clear()
  }

  /** Whether any message has been written on this connection since it was checked out. */
  get used(): boolean {
    return this.#used
  }

  /** Whether the connection can still be talked to. */
  get alive(): boolean {
    return !this.#released && this.memory.death === undefined
  }

  /** The process id the server or pooler gave at start-up. */
  get processId(): number | null {
    return this.#client.processID
  }

  /** Decodes values as the connection does, without being a way to it. */
  get types(): TypeParsers {
    const client = this.#client
    this.memory.types ??= { getTypeParser: (oid, format) => client.getTypeParser(oid, format) }
    return this.memory.types
  }

  /**
   * Writes the steps and one Sync; settles when all is answered. Never rejects.
   *
   * @param patienceMs milliseconds of silence after which the connection is destroyed: the last resort when the
   *   network swallows the answer, well beyond the server-side timeouts
   */
  send(steps: readonly Step[], patienceMs: number): Promise<Outcome> {
    if (!this.alive) {
      const error = this.memory.death ?? new Error('connection closed')
      return Promise.resolve({ kind: 'lost', step: 0, error, unsent: true })
    }
    this.#used = true
    this.#idle = false
    return new Promise((resolve) => {
      const over = (outcome: Outcome): void => {
        this.#settled(steps, outcome)
        const cancelling = this.#cancelling
        if (!cancelling) {
          resolve(outcome)
          return
        }
        // A cancel request still on its way must not outlive the statement it was meant for (hazard i).
        void cancelling.then((dealtWith) => {
          if (!dealtWith) this.#sever()
          this.#cancelling = undefined
          resolve(outcome)
        })
      }
      const exchange = new Exchange(steps, this.#client, performance.now() + patienceMs, over)
      this.#running = exchange
      this.#client.query(exchange)
    })
  }

  #settled(steps: readonly Step[], outcome: Outcome): void {
    this.#running = undefined
    if (outcome.kind === 'lost') this.memory.death ??= outcome.error
    else this.#idle = outcome.status === 'I'
    this.#remember(steps, outcome)
  }

  /** Hands the connection to a foreign query of `pg`'s kind (COPY); the caller waits until it is over. */
  submit(query: Submittable): void {
    this.#used = true
    this.#idle = false
    if (this.slot === '') this.memory.unnamed = undefined
    this.#client.query(query)
  }

  /** Keeps the last notices that come from now on, until it is stopped; they have the fields of an error (manual 54.8). */
  collectNotices(): NoticeLog {
    const { connection } = this.#client
    const notices: ServerError[] = []
    const onNotice = (notice: Omit<ServerError, 'name' | 'stack'>) => {
      notices.push(Object.assign(new Error(notice.message), notice))
      if (notices.length > NOTICES) notices.shift()
    }
    connection.on('notice', onNotice)
    return { notices, stop: () => connection.removeListener('notice', onNotice) }
  }

  /** Status after a foreign query has answered. */
  settleSubmitted(): void {
    this.#idle = this.#client.getTransactionStatus() === 'I'
  }

  /** Asks the server to cancel what is running; `send` settles only after the request has been dealt with. */
  cancel(): void {
    if (!this.#running || this.#cancelling) return
    // guard: i: cancel on the server
    this.#cancelling = cancelBackend(this.#client)
  }

  /**
   * Gives the connection back: to the pool if it is provably idle, else to nobody.
   *
   * @param served the tenant whose scope left the session clean, and was told so by the server
   * @param maxTenants so many tenants served, and a direct connection ends: its backend keeps what it knows of each one's tables
   */
  release(served: string | undefined, maxTenants = Number.POSITIVE_INFINITY): void {
    if (this.#released) return
    if (!this.alive || !this.#idle || this.#running) {
      this.destroy()
      return
    }
    this.#released = true
    this.memory.onDeath = undefined
    if (this.#pipelined) this.#client.pipeline = true
    if (served !== undefined && served !== this.memory.served) this.memory.tenants.add(served)
    if (this.#used) {
      this.memory.served = served
      this.memory.servedAt = served === undefined ? -1 : this.memory.acquired
    } else if (this.#untouched) {
      this.memory.servedAt = this.memory.acquired
    }
    if (this.memory.direct === true && this.memory.tenants.count >= maxTenants) this.#client.release(true)
    else this.#client.release()
  }

  /** Closes the connection; the server rolls back whatever was open on it. */
  destroy(): void {
    if (this.#released) return
    this.#released = true
    this.memory.onDeath = undefined
    this.#client.connection.stream.destroy()
    this.#client.release(true)
  }

  /** Cuts the socket: what is running settles as lost. */
  #sever(): void {
    this.#client.connection.stream.destroy()
  }

  #remember(steps: readonly Step[], outcome: Outcome): void {
    if (outcome.kind === 'lost') return
    const answered = outcome.kind === 'done' ? steps.length : outcome.step
    const { memory } = this
    for (let at = 0; at < answered; at++) {
      const prepares = steps[at]?.prepares
      if (prepares?.name === '') memory.unnamed = prepares.text
      else if (prepares) memory.prepared.set(prepares.name, prepares.text)
    }
    const refused = outcome.kind === 'failed' ? steps[outcome.step] : undefined
    // guard: k: a statement that failed is prepared anew
    if (refused?.runs !== undefined) memory.prepared.delete(refused.runs)
    // A Parse that is refused empties the unnamed statement.
    if (refused?.prepares?.name === '' || refused?.runs === '') memory.unnamed = undefined
  }
}
