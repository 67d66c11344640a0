import { createHash, type Hash } from 'node:crypto'
import { codecById } from './compression.ts'
import {
  BLOCK_BYTES,
  DIGEST_BYTES,
  FRAME,
  FRAME_HEAD_BYTES,
  MAGIC,
  MAX_PAYLOAD_BYTES,
  unreadable,
  VERSION,
} from './format.ts'
import { type ArchiveManifest, type ArchiveSummary, parseManifest, parseSummary } from './manifest.ts'
import { type BackupSource, ByteReader } from './source.ts'

/** A block of COPY text of one table. */
export interface DataBlock {
  /** Index of the table in the manifest. */
  readonly table: number
  readonly data: Buffer
}

/** An archive whose beginning has been read. */
export interface OpenArchive {
  readonly manifest: ArchiveManifest
  /** Values that name objects have the schema before them, as pg_dump writes them. */
  readonly qualified?: true
  /**
   * The data, table after table; each block's digest has been checked. Returns the summary, once all of the archive has
   * been found to be whole.
   *
   * @throws TenancyError VALIDATION_ERROR
   */
  blocks(): AsyncGenerator<DataBlock, ArchiveEnd, undefined>
  close(): Promise<void>
}

export interface ArchiveEnd {
  readonly summary: ArchiveSummary
  /** SHA-256 of the whole file, in hex, as `sha256sum` says it. */
  readonly sha256: string
  readonly bytes: number
}

/** @throws TenancyError VALIDATION_ERROR when it is no archive, INVALID_OPTION, NOT_FOUND, SERVICE_UNAVAILABLE */
export async function openArchive(from: BackupSource, signal?: AbortSignal): Promise<OpenArchive> {
  const reader = new ByteReader(from, signal)
  try {
    const frames = new Frames(reader)
    const codec = codecById(await frames.header())
    const first = await frames.next()
    if (first.type !== FRAME.manifest) throw unreadable('damaged')
    const manifest = parseManifest(first.payload)
    return {
      manifest,
      blocks: () => readBlocks(frames, codec, manifest),
      close: () => reader.close(),
    }
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function* readBlocks(
  frames: Frames,
  codec: ReturnType<typeof codecById>,
  manifest: ArchiveManifest,
): AsyncGenerator<DataBlock, ArchiveEnd, undefined> {
  const tallies = manifest.tables.map(() => ({ bytes: 0, hash: createHash('sha256') }))
  for (let last = 0; ; ) {
    const { type, payload } = await frames.next()
    if (type === FRAME.summary) {
      const summary = parseSummary(payload)
      checkTallies(summary, tallies)
      return { summary, ...(await frames.end()) }
    }
    if (type !== FRAME.data || payload.length < 4) throw unreadable('damaged')
    const table = payload.readUInt32BE()
    const tally = tallies[table]
    if (!tally || table < last) throw unreadable('damaged')
    last = table
    const data = await codec.decompress(payload.subarray(4), BLOCK_BYTES).catch(() => {
      throw unreadable('damaged')
    })
    tally.bytes += data.length
    tally.hash.update(data)
    yield { table, data }
  }
}

/** The digests of the frames say that nothing changed since; this says that it was written right. */
function checkTallies({ tables }: ArchiveSummary, tallies: readonly { bytes: number; hash: Hash }[]): void {
  const right = tallies.every(({ bytes, hash }, index) => {
    const told = tables[index]
    return told?.bytes === bytes && told.sha256 === hash.digest('hex')
  })
  if (!right || tables.length !== tallies.length) throw unreadable('damaged')
}

/** Reads frames, and believes none before its digest has been checked. */
class Frames {
  readonly #reader: ByteReader
  readonly #hash = createHash('sha256')
  #bytes = 0

  constructor(reader: ByteReader) {
    this.#reader = reader
  }

  /** @returns the byte that names the compression */
  async header(): Promise<number> {
    const bytes = await this.#reader.take(MAGIC.length + 2)
    if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw unreadable('not_an_archive')
    if (bytes.length < MAGIC.length + 2) throw unreadable('truncated')
    if (bytes[MAGIC.length] !== VERSION) throw unreadable('version')
    this.#count(bytes)
    return bytes[MAGIC.length + 1] as number
  }

  async next(): Promise<{ type: number; payload: Buffer }> {
    const head = await this.#take(FRAME_HEAD_BYTES)
    const length = head.readUInt32BE(1)
    if (length > MAX_PAYLOAD_BYTES) throw unreadable('damaged')
    const payload = await this.#take(length)
    const expected = this.#hash.copy().digest()
    if (!(await this.#take(DIGEST_BYTES)).equals(expected)) throw unreadable('damaged')
    return { type: head[0] as number, payload }
  }

  async end(): Promise<{ sha256: string; bytes: number }> {
    if ((await this.#reader.take(1)).length > 0) throw unreadable('trailing')
    return { sha256: this.#hash.digest('hex'), bytes: this.#bytes }
  }

  async #take(count: number): Promise<Buffer> {
    const bytes = await this.#reader.take(count)
    if (bytes.length < count) throw unreadable('truncated')
    this.#count(bytes)
    return bytes
  }

  #count(bytes: Buffer): void {
    this.#hash.update(bytes)
    this.#bytes += bytes.length
  }
}
