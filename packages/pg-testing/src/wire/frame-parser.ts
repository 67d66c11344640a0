import { type Framing, type ParsedMessage, readHead } from './frame-head.ts'
import type { WireSide } from './types.ts'

/** Consecutive bytes of one message; all pieces together are exactly the bytes that came in. */
export interface Piece {
  readonly bytes: Buffer
  /** `undefined` when the stream is opaque. */
  readonly message: ParsedMessage | undefined
  /** The message's first byte is in here. */
  readonly opens: boolean
  /** The message's last byte is in here. */
  readonly closes: boolean
}

const EMPTY = Buffer.alloc(0)

/**
 * Splits one direction of a connection into messages. It holds back only a message's head (at most
 * 64 KiB and its type and length); the rest of a large one passes as it comes.
 */
export class FrameParser {
  readonly #from: WireSide
  readonly #withText: boolean
  #framing: Framing
  #held: Buffer = EMPTY
  #message: ParsedMessage | undefined
  #left = 0

  /** `withText` false skips reading texts, for when nobody looks at them. */
  constructor(from: WireSide, withText: boolean) {
    this.#from = from
    this.#withText = withText
    this.#framing = from === 'frontend' ? 'first' : 'typed'
  }

  get opaque(): boolean {
    return this.#framing === 'opaque'
  }

  /** True while the beginning of a message waits for the rest of its head. */
  get holdsBytes(): boolean {
    return this.#held.length > 0
  }

  /** The next backend byte answers SSLRequest or GSSENCRequest. */
  expectReply(): void {
    if (this.#framing !== 'opaque') this.#framing = 'reply'
  }

  /** From now on bytes pass unread. */
  stopParsing(): void {
    this.#framing = 'opaque'
    this.#left = 0
  }

  push(chunk: Buffer): Piece[] {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk])
    this.#held = EMPTY
    const pieces: Piece[] = []
    while (rest.length > 0) {
      const piece = this.#next(rest)
      if (piece === undefined) {
        this.#held = rest
        break
      }
      pieces.push(piece)
      rest = rest.subarray(piece.bytes.length)
    }
    return pieces
  }

  #next(rest: Buffer): Piece | undefined {
    if (this.#left > 0) return this.#take(rest, false)
    if (this.#framing === 'opaque') return { bytes: rest, message: undefined, opens: false, closes: false }
    const head = readHead(this.#framing, this.#from, rest, this.#withText)
    if (head === undefined) return undefined
    if (head === 'malformed') {
      this.stopParsing()
      return this.#next(rest)
    }
    this.#framing = head.next
    this.#message = head.message
    this.#left = head.message.length
    return this.#take(rest, true)
  }

  #take(rest: Buffer, opens: boolean): Piece {
    const bytes = rest.subarray(0, this.#left)
    this.#left -= bytes.length
    return { bytes, message: this.#message, opens, closes: this.#left === 0 }
  }
}
