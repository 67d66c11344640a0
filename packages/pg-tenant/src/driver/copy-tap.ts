import type { WireConnection } from './types.ts'

/** `d` of CopyData, and the type and length that every message begins with (manual 54.7). */
const COPY_DATA = 0x64
const HEAD_BYTES = 5

/**
 * Takes a piece of one CopyData message as it comes from the network. COPY TO STDOUT sends a row in each: `first` and
 * `last` say where it begins and ends.
 */
export type TakeCopyData = (piece: Buffer, first: boolean, last: boolean) => void

/**
 * Takes CopyData messages off a connection before `pg`'s parser sees them: that gathers a whole message in memory, doubling
 * its buffer as it grows, and a row can have a gigabyte. Everything else goes on to the parser as it came. To be installed
 * between two messages, on an idle connection.
 *
 * @returns takes the tap away, behind the last message of the exchange
 */
export function tapCopyData({ stream }: WireConnection, take: TakeCopyData): () => void {
  const parsers = stream.listeners('data') as ((bytes: Buffer) => void)[]
  const forward = (bytes: Buffer) => {
    for (const parse of parsers) parse(bytes)
  }
  const splitter = new Splitter(take, forward)
  const read = (bytes: Buffer) => splitter.push(bytes)
  for (const parse of parsers) stream.removeListener('data', parse)
  stream.on('data', read)
  return () => {
    stream.removeListener('data', read)
    for (const parse of parsers) stream.on('data', parse)
  }
}

class Splitter {
  readonly #take: TakeCopyData
  readonly #forward: (bytes: Buffer) => void
  /** The head of a message, while it has not come whole. */
  #head: Buffer = Buffer.alloc(0)
  /** Bytes that the message still has, and whether it is CopyData of which nothing was given on yet. */
  #left = 0
  #data = false
  #first = false

  constructor(take: TakeCopyData, forward: (bytes: Buffer) => void) {
    this.#take = take
    this.#forward = forward
  }

  push(bytes: Buffer): void {
    let rest = bytes
    while (rest.length > 0) {
      if (this.#left === 0 && this.#head.length === 0) rest = this.#wholeRows(rest)
      if (rest.length > 0) rest = this.#left === 0 ? this.#begin(rest) : this.#go(rest)
    }
  }

  /** Gives on the rows that came whole, of which there are many in one packet; what is behind them is returned. */
  #wholeRows(bytes: Buffer): Buffer {
    let at = 0
    while (at + HEAD_BYTES <= bytes.length && bytes[at] === COPY_DATA) {
      const end = at + 1 + bytes.readUInt32BE(at + 1)
      if (end > bytes.length) break
      this.#take(bytes.subarray(at + HEAD_BYTES, end), true, true)
      at = end
    }
    return bytes.subarray(at)
  }

  /** Reads the head of a message; what is not CopyData goes on with its head. */
  #begin(bytes: Buffer): Buffer {
    const head = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes])
    if (head.length < HEAD_BYTES) {
      this.#head = Buffer.from(head)
      return head.subarray(head.length)
    }
    this.#head = Buffer.alloc(0)
    this.#data = head[0] === COPY_DATA
    this.#first = true
    // The length counts itself.
    this.#left = head.readUInt32BE(1) - 4
    if (!this.#data) this.#forward(head.subarray(0, HEAD_BYTES))
    return head.subarray(HEAD_BYTES)
  }

  #go(bytes: Buffer): Buffer {
    const piece = bytes.subarray(0, this.#left)
    this.#left -= piece.length
    if (this.#data) this.#take(piece, this.#first, this.#left === 0)
    else this.#forward(piece)
    this.#first = false
    return bytes.subarray(piece.length)
  }
}
