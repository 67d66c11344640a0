import { createHash } from 'node:crypto'
import { type Compression, codecOf } from './compression.ts'
import { BLOCK_BYTES, DIGEST_BYTES, FRAME, FRAME_HEAD_BYTES, MAGIC, VERSION } from './format.ts'
import type { ArchiveManifest, ArchiveSummary } from './manifest.ts'
import type { Sink } from './sink.ts'

/** Blocks in work (being compressed or waiting to be written); reading waits while all are. */
const BLOCKS_IN_WORK = 4

/**
 * Writes an archive. Data is gathered into blocks; several are compressed at once (on libuv's threads) and written in
 * order. The memory it takes is that of the blocks, however large the tenant is.
 */
export class ArchiveWriter {
  readonly #sink: Sink
  readonly #codec: ReturnType<typeof codecOf>
  readonly #hash = createHash('sha256')
  readonly #free: Buffer[] = []
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES)
  #filled = 0
  #table = 0
  #inWork = 0
  #written: Promise<void> = Promise.resolve()
  /** Bytes written so far. */
  bytes = 0

  constructor(sink: Sink, compression: Compression) {
    this.#sink = sink
    this.#codec = codecOf(compression)
  }

  async begin(manifest: ArchiveManifest): Promise<void> {
    await this.#put(Buffer.concat([MAGIC, Buffer.from([VERSION, this.#codec.id])]))
    await this.#frame(FRAME.manifest, [Buffer.from(JSON.stringify(manifest))])
  }

  /** What follows belongs to the table of this index in the manifest. */
  async startTable(index: number): Promise<void> {
    await this.#send()
    this.#table = index
  }

  /** Takes data; returns a promise when the caller has to wait before it goes on. */
  add(data: Buffer): Promise<void> | undefined {
    let waiting: Promise<void> | undefined
    for (let done = 0; done < data.length; ) {
      const count = data.copy(this.#block, this.#filled, done)
      done += count
      this.#filled += count
      if (this.#filled === BLOCK_BYTES) waiting = this.#send() ?? waiting
    }
    return waiting
  }

  /** Ends the archive and returns the SHA-256 of all of its bytes, in hex. */
  async end(summary: ArchiveSummary): Promise<string> {
    void this.#send()
    await this.#written
    await this.#frame(FRAME.summary, [Buffer.from(JSON.stringify(summary))])
    await this.#sink.finish()
    return this.#hash.digest('hex')
  }

  /** Hands the block over to be compressed and written. */
  #send(): Promise<void> | undefined {
    if (this.#filled === 0) return undefined
    const [block, bytes] = [this.#block, this.#filled]
    const index = Buffer.alloc(4)
    index.writeUInt32BE(this.#table)
    const compressed = this.#codec.compress(block.subarray(0, bytes))
    compressed.catch(() => {})
    this.#inWork++
    const before = this.#written
    this.#written = before.then(async () => {
      await this.#frame(FRAME.data, [index, await compressed])
      this.#free.push(block)
      this.#inWork--
    })
    this.#written.catch(() => {})
    this.#filled = 0
    // One row can fill many blocks before anybody waits: then there are more of them for a while.
    this.#block = this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)
    return this.#inWork >= BLOCKS_IN_WORK ? this.#written : undefined
  }

  async #frame(type: number, parts: readonly Buffer[]): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    const head = Buffer.alloc(FRAME_HEAD_BYTES)
    head.writeUInt8(type)
    head.writeUInt32BE(length, 1)
    for (const part of [head, ...parts]) this.#hash.update(part)
    const digest = this.#hash.copy().digest()
    this.#hash.update(digest)
    this.bytes += FRAME_HEAD_BYTES + length + DIGEST_BYTES
    await this.#sink.write(Buffer.concat([head, ...parts, digest]))
  }

  async #put(bytes: Buffer): Promise<void> {
    this.#hash.update(bytes)
    this.bytes += bytes.length
    await this.#sink.write(bytes)
  }
}
