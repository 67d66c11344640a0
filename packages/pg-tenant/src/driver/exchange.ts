import type { Outcome, Phase, TransactionStatus } from '../errors/outcome.ts'
import { isServerError } from '../errors/server-error.ts'
import { Deadlines, type Waiting } from './deadlines.ts'
import { SYNC } from './messages.ts'
import type { Submittable, WireClient, WireConnection } from './types.ts'

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

type Talking = Pick<WireClient, 'getTransactionStatus' | 'connection'>

/** Of all connections. */
const watchdog = new Deadlines()

/**
 * Several statements and one Sync, written at once and answered in one round trip.
 *
 * The outcome settles only at ReadyForQuery or when the connection is lost: `pg` rejects earlier, at the error
 * message, and until ReadyForQuery the connection must not be judged (hazard g).
 */
export class Exchange implements Submittable, Waiting {
  readonly deadline: number
  /** `pg` replaces this when its own `query_timeout` is set, and expects the call when the query is over. */
  callback: () => void = ignore
  readonly #steps: readonly Step[]
  readonly #bytes: Buffer
  readonly #client: Talking
  readonly #over: (outcome: Outcome) => void
  #current = 0
  #bound = -1
  #watched: { readonly connection: WireConnection; readonly onBound: () => void } | undefined
  #submitted = false
  #settled = false

  /**
   * @param deadline by `performance.now()`; when it is reached the connection is destroyed
   * @param over called once, at the end
   */
  constructor(steps: readonly Step[], client: Talking, deadline: number, over: (outcome: Outcome) => void) {
    this.#steps = steps
    this.#client = client
    this.deadline = deadline
    this.#over = over
    this.#bytes = joined(steps)
    watchdog.add(this)
  }

  /** Nothing came back for so long: what is running settles as lost. */
  expire(): void {
    this.#client.connection.stream.destroy()
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    watchdog.delete(this)
    if (this.#watched) this.#watched.connection.removeListener('bindComplete', this.#watched.onBound)
    this.callback()
    this.#over(outcome)
  }

  submit(connection: WireConnection): null {
    this.#submitted = true
    if (this.#steps.some(({ afresh, endsBound }) => afresh !== undefined || endsBound)) {
      // `pg` has no hook for it. Until its values are bound, a statement is only planned (manual 54.2.3).
      const onBound = () => {
        if (this.#steps[this.#current]?.endsBound) this.#current++
        else this.#bound = this.#current
      }
      this.#watched = { connection, onBound }
      connection.on('bindComplete', onBound)
    }
    connection.stream.write(this.#bytes)
    return null
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

/** All steps and one Sync, in one piece. */
function joined(steps: readonly Step[]): Buffer {
  let size = SYNC.length
  for (let n = 0; n < steps.length; n++) size += (steps[n] as Step).bytes.length
  const all = Buffer.allocUnsafe(size)
  let at = 0
  for (let n = 0; n < steps.length; n++) {
    const { bytes } = steps[n] as Step
    all.set(bytes, at)
    at += bytes.length
  }
  all.set(SYNC, at)
  return all
}

function ignore(): void {}
