import type { TenantKey } from '@org/core'
import type { Compression } from './format/compression.ts'
import type { TableSummary } from './format/manifest.ts'
import type { BackupTarget } from './format/sink.ts'
import type { ProgramOptions } from './pg-dump/program.ts'

/** Options of {@link backupTenant}. */
export interface BackupOptions extends ProgramOptions {
  /**
   * The path of a file to be made (readable by its owner only; never overwritten), or a Writable, which is ended. The
   * data in it is as readable as in the database: encrypt what leaves the machine.
   */
  readonly to: BackupTarget
  /**
   * `archive` (default): this library's own (BACKUP.md), which needs no program and restores under any key. `pg_dump`: the
   * custom format of that program; `to` is then a path, and `<to>.manifest.json`, without which no restore takes it, is written
   * beside it. Not at level `row`.
   */
  readonly format?: 'archive' | 'pg_dump' | undefined
  /** `zstd` (default where Node.js has it: 22.15), `gzip` or `none`; of an archive. */
  readonly compression?: Compression | undefined
  /** Stops the backup: what runs is cancelled on the server, and nothing is kept. */
  readonly signal?: AbortSignal | undefined
}

/** What a backup holds. */
export interface BackupResult {
  readonly tenant: TenantKey
  /** ISO 8601: when its snapshot was taken. */
  readonly createdAt: string
  /** Bytes of the file. */
  readonly bytes: number
  /** SHA-256 of the whole file, in hex, as `sha256sum` says it. */
  readonly sha256: string
  readonly rows: number
  readonly tables: readonly BackedUpTable[]
  /** What is not in it, and what PostgreSQL calls that: foreign tables, large objects, publications (BACKUP.md). */
  readonly skipped: readonly { readonly name: string; readonly kind: string }[]
}

/** A table in a backup; what is left out is not known of `pg_dump`'s. */
export type BackedUpTable = Pick<TableSummary, 'name' | 'rows'> & Partial<TableSummary>
