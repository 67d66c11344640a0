import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { unreadable } from './format.ts'

/** How the blocks of an archive are compressed: each by itself, so that several are in work at once. */
export type Compression = 'none' | 'gzip' | 'zstd'

interface Codec {
  /** The byte in the header. */
  readonly id: number
  compress(block: Buffer): Promise<Buffer>
  decompress(block: Buffer, maxBytes: number): Promise<Buffer>
}

const none: Codec = {
  id: 0,
  // A copy: the caller fills its block anew.
  compress: async (block) => Buffer.from(block),
  decompress: async (block) => block,
}

/** Most blocks are a quarter of that when they are compressed. */
const CHUNK = { chunkSize: 1 << 18 }

const gzip: Codec = {
  id: 1,
  compress: (block) => promisify(zlib.gzip)(block, { ...CHUNK, level: 1 }),
  decompress: (block, maxBytes) => promisify(zlib.gunzip)(block, whole(maxBytes)),
}

/** A block is read into one buffer: of pieces of the default 16 kB their gathering, and what is left of them, costs more than zstd. */
const whole = (maxBytes: number) => ({ maxOutputLength: maxBytes, chunkSize: maxBytes + 1 })

/** Level 1: of COPY text it makes no more than level 3 does, in two thirds of the time. */
const FASTEST = { ...CHUNK, params: { [zlib.constants.ZSTD_c_compressionLevel ?? 100]: 1 } }

/** Node.js has zstd from 22.15 on. */
const zstd: Codec | undefined =
  typeof zlib.zstdCompress === 'function'
    ? {
        id: 2,
        compress: (block) => promisify(zlib.zstdCompress)(block, FASTEST),
        decompress: (block, maxBytes) => promisify(zlib.zstdDecompress)(block, whole(maxBytes)),
      }
    : undefined

const CODECS: Readonly<Record<Compression, Codec | undefined>> = { none, gzip, zstd }

/** The best this Node.js has. */
export const DEFAULT_COMPRESSION: Compression = zstd ? 'zstd' : 'gzip'

export function isCompression(value: unknown): value is Compression {
  return typeof value === 'string' && Object.hasOwn(CODECS, value)
}

/** @throws TenancyError VALIDATION_ERROR when this Node.js has no zstd */
export function codecOf(compression: Compression): Codec {
  const codec = CODECS[compression]
  if (!codec) throw unreadable('compression')
  return codec
}

/** @throws TenancyError VALIDATION_ERROR */
export function codecById(id: number): Codec {
  const codec = Object.values(CODECS).find((candidate) => candidate?.id === id)
  if (!codec) throw unreadable('compression')
  return codec
}
