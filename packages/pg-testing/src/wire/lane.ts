import type { Socket } from 'node:net'
import type { DelayLine } from './delay-line.ts'
import type { ParsedMessage } from './frame-head.ts'
import type { FrameParser, Piece } from './frame-parser.ts'
import type { WireAction, WireDecision } from './types.ts'

/** What a lane asks of, and tells, the connection it belongs to. */
export interface LaneEvents {
  parsed(): void
  /** All that has been parsed so far is decided and on its way. */
  caughtUp(): void
  decide(message: ParsedMessage): WireDecision | Promise<WireDecision>
  sending(piece: Piece): void
  /** Whole messages of these types are being written to the receiver. */
  delivering(types: readonly string[]): void
  /** The sender has half-closed (`end`) or is gone (`close`), and all before it has been delivered. */
  finished(how: 'end' | 'close'): void
  cut(when: 'cut-before' | 'cut-after'): void
  blackHole(): void
  failed(error: unknown): void
}

/** As a TCP window: at most this much is on its way before the sender has to wait. */
const WINDOW_BYTES = 16 * 1024 * 1024

/** One direction of a connection: bytes in, a decision for each message, the delay, bytes out. */
export class Lane {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #parser: FrameParser
  readonly #line: DelayLine
  readonly #events: LaneEvents
  #backlog: Piece[] = []
  #batch: Piece[] = []
  #action: WireAction = 'deliver'
  #held = false
  #stopped = false
  #finish: 'end' | 'close' | undefined
  #bytesOnTheWay = 0

  constructor(source: Socket, sink: Socket, parser: FrameParser, line: DelayLine, events: LaneEvents) {
    this.#source = source
    this.#sink = sink
    this.#parser = parser
    this.#line = line
    this.#events = events
    source.on('data', (chunk) => this.#receive(chunk))
    source.on('end', () => this.#finishes('end'))
    source.on('close', () => this.#finishes('close'))
    sink.on('drain', () => this.#regulate())
    sink.on('close', () => this.#regulate())
  }

  /** Discards what arrives from now on; what is on its way still gets through. */
  stop(): void {
    this.#stopped = true
    this.#backlog = []
    this.#held = false
    this.#regulate()
  }

  #receive(chunk: Buffer): void {
    if (this.#stopped) return
    this.#backlog = this.#backlog.concat(this.#parser.push(chunk))
    this.#events.parsed()
    this.#proceed()
  }

  #finishes(how: 'end' | 'close'): void {
    if (this.#stopped) return
    this.#finish = how
    this.#proceed()
  }

  #proceed(): void {
    if (this.#held) return
    const pieces = this.#backlog
    this.#backlog = []
    for (const [at, piece] of pieces.entries()) {
      const decision = piece.opens ? this.#decide(piece.message!) : this.#action
      if (decision instanceof Promise) {
        this.#hold(decision, pieces.slice(at))
        break
      }
      this.#action = decision ?? 'deliver'
      this.#apply(piece)
      if (this.#stopped) return
    }
    this.#flush()
    this.#regulate()
    if (!this.#held) this.#caughtUp()
  }

  #caughtUp(): void {
    this.#events.caughtUp()
    const finish = this.#finish
    if (finish !== undefined) this.#line.schedule(() => this.#events.finished(finish))
  }

  #decide(message: ParsedMessage): WireDecision | Promise<WireDecision> {
    try {
      return this.#events.decide(message)
    } catch (error) {
      this.#events.failed(error)
      return 'swallow'
    }
  }

  #hold(decision: Promise<WireDecision>, pieces: readonly Piece[]): void {
    this.#held = true
    const [first, ...others] = pieces
    const release = (action: WireDecision): void => {
      if (this.#stopped) return
      this.#held = false
      this.#action = action ?? 'deliver'
      // The message is decided, so its first piece must not be asked about again.
      this.#apply(first!)
      if (this.#stopped) return
      this.#backlog = others.concat(this.#backlog)
      this.#proceed()
    }
    decision.then(release, (error: unknown) => this.#events.failed(error))
  }

  #apply(piece: Piece): void {
    const action = this.#action
    if (action === 'swallow') return
    if (action === 'deliver' || action === 'cut-after') {
      this.#events.sending(piece)
      this.#batch.push(piece)
    }
    if (action === 'cut-before' || (action === 'cut-after' && piece.closes)) {
      this.#flush()
      this.stop()
      this.#line.schedule(() => this.#events.cut(action))
    } else if (action === 'black-hole') {
      this.#flush()
      this.#events.blackHole()
    }
  }

  #flush(): void {
    if (this.#batch.length === 0) return
    const pieces = this.#batch
    this.#batch = []
    const bytes = pieces.length === 1 ? pieces[0]!.bytes : Buffer.concat(pieces.map((piece) => piece.bytes))
    const whole = pieces.flatMap((piece) => (piece.closes ? [piece.message!.type] : []))
    this.#bytesOnTheWay += bytes.length
    this.#line.schedule(() => {
      this.#bytesOnTheWay -= bytes.length
      this.#events.delivering(whole)
      if (this.#sink.writable) this.#sink.write(bytes)
      this.#regulate()
    })
  }

  /** Lets the sender wait while the receiver is slow, a message is held, or too much is on its way. */
  #regulate(): void {
    const full = this.#sink.writableNeedDrain || this.#bytesOnTheWay > WINDOW_BYTES
    if (this.#held || full) this.#source.pause()
    else if (this.#source.isPaused()) this.#source.resume()
  }
}
