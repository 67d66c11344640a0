import { createHash } from 'node:crypto'
import { RowDigest } from './row-digest.ts'

/** Rows hashed as a stream at once: many small updates of a digest cost more than their bytes. */
const GATHER_BYTES = 1 << 16

/** What an archive says of a table's rows. */
export interface TableTally {
  readonly rows: number
  readonly bytes: number
  readonly sha256: string
  readonly rowsDigest: string
}

/** Counts and digests the rows of one table, as a stream and as a multiset; a row may come in pieces. */
export function archiveHasher(): {
  add(piece: Buffer, first: boolean, last: boolean): void
  end(): TableTally
} {
  const stream = createHash('sha256')
  const rows = new RowDigest()
  let gathered: Buffer | undefined
  let filled = 0
  const flush = () => {
    if (gathered && filled > 0) stream.update(gathered.subarray(0, filled))
    filled = 0
  }
  return {
    add: (row, first, last) => {
      rows.add(row, first, last)
      if (row.length > GATHER_BYTES - filled) flush()
      if (row.length > GATHER_BYTES) {
        stream.update(row)
        return
      }
      gathered ??= Buffer.allocUnsafe(GATHER_BYTES)
      filled += row.copy(gathered, filled)
    },
    end: () => {
      flush()
      return { rows: rows.rows, bytes: rows.bytes, sha256: stream.digest('hex'), rowsDigest: rows.hex() }
    },
  }
}
