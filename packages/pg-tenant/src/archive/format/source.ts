import { createReadStream } from 'node:fs'
import { invalidOption, TenancyError } from '@org/core'
import { unlessAborted } from '../abort.ts'

/** Where an archive comes from: a file, or anything that yields its bytes (a Readable does). */
export type BackupSource = string | AsyncIterable<Uint8Array>

/** Reads exact numbers of bytes from a source, holding no more than what was asked for. */
export class ByteReader {
  readonly #from: BackupSource
  readonly #pieces: AsyncIterator<Uint8Array>
  readonly #signal: AbortSignal | undefined
  #held: Buffer[] = []
  #size = 0

  /** @param signal gives up waiting for a stream that has nothing more to say */
  constructor(from: BackupSource, signal?: AbortSignal) {
    this.#from = from
    this.#signal = signal
    this.#pieces = open(from)[Symbol.asyncIterator]()
  }

  /** The next `count` bytes, or fewer at the end. */
  async take(count: number): Promise<Buffer> {
    while (this.#size < count) {
      const read = this.#pieces.next().catch((error: unknown) => {
        throw readFailed(error)
      })
      const next = await unlessAborted(read, this.#signal)
      if (next.done) break
      if (!(next.value instanceof Uint8Array)) throw invalidOption('from', 'a source of bytes, not of text')
      const piece = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
      this.#held.push(piece)
      this.#size += piece.length
    }
    const all = this.#held.length === 1 ? (this.#held[0] as Buffer) : Buffer.concat(this.#held)
    const taken = all.subarray(0, count)
    const rest = all.subarray(taken.length)
    this.#held = rest.length === 0 ? [] : [rest]
    this.#size = rest.length
    return taken
  }

  /** Lets the file or stream go. */
  async close(): Promise<void> {
    if (this.#signal?.aborted) {
      // Whoever waits for the next piece is ended first: `return` would wait behind it.
      const { destroy } = this.#from as { destroy?: () => void }
      if (typeof destroy === 'function') destroy.call(this.#from)
      this.#pieces.return?.().catch(() => {})
      return
    }
    await this.#pieces.return?.()
  }
}

function open(from: BackupSource): AsyncIterable<Uint8Array> {
  if (typeof from === 'string' && from !== '') return createReadStream(from, { highWaterMark: 1 << 18 })
  if (typeof from === 'object' && from !== null && Symbol.asyncIterator in from) return from
  throw invalidOption('from', 'the path of an archive, or a Readable')
}

function readFailed(error: unknown): TenancyError {
  const { code } = error as { code?: unknown }
  const reason = typeof code === 'string' && /^[A-Z0-9_]{2,40}$/.test(code) ? code : null
  return new TenancyError(
    reason === 'ENOENT' ? 'NOT_FOUND' : 'SERVICE_UNAVAILABLE',
    `The archive could not be read${reason ? ` (${reason})` : ''}. Nothing was changed.`,
    { details: { reason } },
  )
}
