import type { TenantKey } from '@org/core'
import type { BackupSource } from '../format/source.ts'
import type { ProgramOptions } from '../pg-dump/program.ts'
import type { Restored } from './restoring.ts'

/** Options of {@link restoreTenant}. */
export interface RestoreOptions extends ProgramOptions {
  /**
   * The path of an archive, or a Readable of its bytes; or the path of a file of `format: 'pg_dump'`, with its
   * `.manifest.json` beside it.
   */
  readonly from: BackupSource
  /** `'replace'`: drop what the tenant has now, in the same transaction (default: refuse unless it has no row). */
  readonly force?: 'replace' | undefined
  /** Whether a dropped tenant's key may become another tenant's (default false; its own archive may always come back). */
  readonly reuseDeletedKey?: boolean | undefined
  /**
   * `full` (default) reads every table back before COMMIT and compares rows and digests with the archive; `archive`
   * trusts the digests of the archive alone, which about halves the time. At level `row`, where triggers stay in force, and
   * for `pg_dump`, it makes no difference.
   */
  readonly verify?: 'full' | 'archive' | undefined
  /**
   * At level `row`: whether an archive may be older than the shared schema, which cannot go back (default false). Its rows
   * then get the defaults of newer columns, and what newer migrations did to rows is not done to them.
   */
  readonly skipMigrations?: boolean | undefined
  /**
   * Stops the restore: what runs is cancelled on the server and undone. Behind COMMIT it has no effect. At level `database`
   * a restore stopped between its stages is finished by running it again.
   */
  readonly signal?: AbortSignal | undefined
}

/** What was restored. */
export interface RestoreResult extends Restored {
  readonly tenant: TenantKey
  /** The tenant the backup is of: another one when it was cloned. */
  readonly source: string
  /** ISO 8601: the instant the data is of. */
  readonly createdAt: string
  readonly tables: number
}
