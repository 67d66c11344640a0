import { createHash, type Hash, hash } from 'node:crypto'

const LANES = 8

/** The digest of rows that several of them are of. */
export function addDigests(digests: readonly string[]): string {
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    digests.reduce((sum, hex) => (sum + Number.parseInt(hex.slice(lane * 8, lane * 8 + 8), 16)) % 2 ** 32, 0),
  )
  return lanes.map((lane) => lane.toString(16).padStart(8, '0')).join('')
}

/**
 * A digest of rows in any order: the sum of their SHA-256, eight times 32 bits each modulo 2^32.
 *
 * A table read back after a restore holds its rows in another order than the archive (PostgreSQL puts a short row into
 * the gap a long one left), so a plain digest of the stream would differ.
 */
export class RowDigest {
  rows = 0
  bytes = 0
  readonly #sum = new Uint32Array(LANES)
  /** Of a row that comes in pieces. */
  #open: Hash | undefined

  /** One row of COPY text with its line end, or a piece of it. */
  add(piece: Buffer, first: boolean, last: boolean): void {
    this.bytes += piece.length
    // As text, a character for each byte: four times as fast as a buffer for each row.
    if (first && last) this.#count(hash('sha256', piece, 'binary'))
    else {
      this.#open ??= createHash('sha256')
      this.#open.update(piece)
      if (!last) return
      this.#count(this.#open.digest('binary'))
      this.#open = undefined
    }
  }

  #count(digest: string): void {
    this.rows++
    for (let lane = 0; lane < LANES; lane++) {
      const at = lane * 4
      // A typed array wraps around by itself.
      this.#sum[lane] =
        (this.#sum[lane] ?? 0) +
        ((digest.charCodeAt(at) << 24) |
          (digest.charCodeAt(at + 1) << 16) |
          (digest.charCodeAt(at + 2) << 8) |
          digest.charCodeAt(at + 3))
    }
  }

  hex(): string {
    return [...this.#sum].map((lane) => lane.toString(16).padStart(8, '0')).join('')
  }
}
