import type { Outcome, Phase, TransactionStatus } from '../errors/outcome.ts'
import { isServerError } from '../errors/server-error.ts'
import { SYNC } from './messages.ts'
import type { Submittable, WireConnection } from './types.ts'

/** One statement of an exchange: the bytes up to and including its Execute, and who reads what it answers. */
export interface Step {
  readonly bytes: Buffer
  readonly phase: Phase
  readonly sink?: Sink
  /** The prepared statement it runs; should it fail, it is prepared anew the next time (hazard k). */
  readonly runs?: string
  /** The same, prepared anew: of a statement that was prepared by an earlier scope, which a migration may have outlived. */
  readonly afresh?: () => Step
  /** It is not executed: it is done when it is bound. */
  readonly endsBound?: true
  /** It undoes statements before it, and with them the locks they took. */
  readonly undoes?: true
  /** The statement it prepares, known on the connection once the step is done. */
  readonly prepares?: { readonly name: string; readonly text: string }
}

/** Reads what one step answers. It must not throw. */
export interface Sink {
  describe?(fields: never[]): void
  row?(fields: (string | null)[]): void
  complete?(tag: string): void
  /** More rows are there: the portal can be resumed. */
  suspended?(): void
}

/**
 * Several statements and one Sync, written at once and answered in one round trip.
 *
 * The outcome settles only at ReadyForQuery or when the connection is lost: `pg` rejects earlier, at the error
 * message, and until ReadyForQuery the connection must not be judged (hazard g).
 */
export class Exchange implements Submittable {
  readonly outcome: Promise<Outcome>
  /** `pg` replaces this when its own `query_timeout` is set, and expects the call when the query is over. */
  callback: () => void = () => {}
  readonly #steps: readonly Step[]
  readonly #bytes: Buffer
  readonly #client: { getTransactionStatus(): string | null }
  #settle!: (outcome: Outcome) => void
  #current = 0
  #bound = -1
  #watched: WireConnection | undefined
  #submitted = false

  constructor(steps: readonly Step[], client: { getTransactionStatus(): string | null }) {
    this.#steps = steps
    this.#client = client
    this.#bytes = Buffer.concat([...steps.map((step) => step.bytes), SYNC])
    this.outcome = new Promise((resolve) => {
      this.#settle = (outcome) => {
        this.#watched?.removeListener('bindComplete', this.#onBound)
        this.callback()
        resolve(outcome)
      }
    })
  }

  /** How many steps have been answered so far. */
  get answered(): number {
    return this.#current
  }

  submit(connection: WireConnection): null {
    this.#submitted = true
    if (this.#steps.some(({ afresh, endsBound }) => afresh !== undefined || endsBound)) {
      this.#watched = connection
      connection.on('bindComplete', this.#onBound)
    }
    connection.stream.write(this.#bytes)
    return null
  }

  /** `pg` has no hook for it. Until its values are bound, a statement is only planned (manual 54.2.3). */
  readonly #onBound = (): void => {
    if (this.#steps[this.#current]?.endsBound) this.#current++
    else this.#bound = this.#current
  }

  handleRowDescription(message: { fields: never[] }): void {
    this.#steps[this.#current]?.sink?.describe?.(message.fields)
  }

  handleDataRow(message: { fields: (string | null)[] }): void {
    this.#steps[this.#current]?.sink?.row?.(message.fields)
  }

  handlePortalSuspended(): void {
    this.#steps[this.#current++]?.sink?.suspended?.()
  }

  handleCommandComplete(message: { text: string }): void {
    this.#steps[this.#current++]?.sink?.complete?.(message.text)
  }

  handleEmptyQuery(): void {
    this.#steps[this.#current++]?.sink?.complete?.('')
  }

  /** The server wants COPY data nobody has: a COPY that slipped past the guard. */
  handleCopyInResponse(connection: WireConnection): void {
    connection.emit('error', new Error('unexpected COPY'))
    connection.stream.destroy()
  }

  handleCopyData(): void {}

  handleReadyForQuery(): void {
    this.#settle({ kind: 'done', status: this.#client.getTransactionStatus() as TransactionStatus })
  }

  handleError(error: Error, connection: WireConnection): void {
    const step = this.#current
    if (!isServerError(error)) {
      this.#settle({ kind: 'lost', step, error, unsent: !this.#submitted })
      return
    }
    // pg has taken us off the active place already, so what is left of this exchange is read from the connection.
    // A fatal error is followed by the end of the connection instead (its severity may be localised: not asked).
    const onReady = (message: { status: TransactionStatus }) => {
      connection.removeListener('end', onEnd)
      this.#settle({ kind: 'failed', step, error, status: message.status, bound: this.#bound === step })
    }
    const onEnd = () => {
      connection.removeListener('readyForQuery', onReady)
      this.#settle({ kind: 'lost', step, error, unsent: !this.#submitted })
    }
    // guard: g: judge only at ReadyForQuery
    connection.once('readyForQuery', onReady)
    connection.once('end', onEnd)
  }
}
