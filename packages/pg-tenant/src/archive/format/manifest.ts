import type { IsolationLevel } from '../../isolation/isolation.ts'
import type { Skipped } from '../structure/read.ts'
import type { StructureStatement } from '../structure/statement.ts'
import { isDescription, isTally } from './checks.ts'
import { unreadable } from './format.ts'

/** A column of an archived table, in the order of its data. Generated columns are not there. */
export interface ArchivedColumn {
  readonly name: string
  /** Its type as `format_type` writes it under the tenant's search path. */
  readonly type: string
}

/** A table of the tenant. */
export interface ArchivedTable {
  readonly name: string
  readonly columns: readonly ArchivedColumn[]
  /** Its stored generated columns. */
  readonly computed?: readonly string[] | undefined
  /** A partitioned table holds no rows itself; its partitions are listed by themselves. */
  readonly partitioned: boolean
  /** The table it is a partition of, and its bounds. */
  readonly partitionOf?: { readonly parent: string; readonly bound: string } | undefined
}

/** The first frame: what the archive is of. */
export interface ArchiveManifest {
  readonly format: 'pg-tenant-archive'
  readonly tenant: string
  readonly schema: string
  readonly prefix: string
  readonly isolation: IsolationLevel
  /** `server_version_num`, e.g. 180004. */
  readonly serverVersion: number
  /** ISO 8601. */
  readonly createdAt: string
  /** `pg_current_snapshot()`: which transactions the archive has seen. */
  readonly snapshot: string
  /** The tenant's ledger, oldest first. */
  readonly migrations: readonly {
    readonly id: string
    readonly checksum: string
    readonly appliedAt: string
  }[]
  /** In the order of their foreign keys, as far as they have one: referenced tables first. */
  readonly tables: readonly ArchivedTable[]
  /** Materialized views that hold data; they are filled anew after a restore. */
  readonly materializedViews: readonly string[]
  /** What the archive leaves out, with what it is: foreign tables, large objects, publications. */
  readonly skipped: readonly Skipped[]
  /**
   * What the schema is made of, in an order in which it can be made, with `pg_tenant:here` for its name. It is not there at level
   * `row`, nor in archives of releases that took it from the migrations.
   */
  readonly structure?: readonly StructureStatement[] | undefined
  /** Whether what calls overloaded functions says which one; archives of earlier releases leave it to the text of the call. */
  readonly calls?: boolean | undefined
}

/** How much of a table is in the archive. */
export interface TableSummary {
  readonly name: string
  readonly rows: number
  /** Bytes of COPY text, uncompressed. */
  readonly bytes: number
  /** SHA-256 of that text, in hex. */
  readonly sha256: string
  /** The rows as a multiset, in hex: the same in whatever order they lie on disk (see row-digest.ts). */
  readonly rowsDigest: string
  /** The same of rows with their generated columns (see computed.ts). */
  readonly computedDigest?: string | undefined
}

export interface ArchivedSequence {
  readonly name: string
  /** In decimal; sequences go up to 2^63. */
  readonly lastValue: string
  readonly isCalled: boolean
}

/** The last frame. */
export interface ArchiveSummary {
  readonly tables: readonly TableSummary[]
  readonly sequences: readonly ArchivedSequence[]
  readonly rows: number
  readonly bytes: number
}

/**
 * Reads the first frame. Its digest has been checked: what is wrong here was written wrongly, or by somebody else. Every
 * part of it is looked at, because names and numbers of it become SQL and sizes.
 *
 * @throws TenancyError VALIDATION_ERROR
 */
export function parseManifest(payload: Buffer): ArchiveManifest {
  return checkDescription(payload, 'pg-tenant-archive')
}

/** Reads the last frame. Errors as {@link parseManifest}. */
export function parseSummary(payload: Buffer): ArchiveSummary {
  return checkSummary(parse(payload))
}

/** The same of what stands beside a file of pg_dump: what both say of a tenant. */
export function checkDescription<Manifest extends { readonly format: string }>(
  payload: Buffer,
  format: Manifest['format'],
): Manifest {
  const manifest = parse(payload)
  if ((manifest as { format?: unknown }).format !== format || !isDescription(manifest))
    throw unreadable('damaged')
  return manifest as Manifest
}

/** The same of what was counted. */
export function checkSummary(summary: object): ArchiveSummary {
  if (!isTally(summary)) throw unreadable('damaged')
  return summary as ArchiveSummary
}

function parse(payload: Buffer): object {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    if (typeof value === 'object' && value !== null) return value
  } catch {
    // The error below says all there is to say; JSON.parse would quote the content.
  }
  throw unreadable('damaged')
}
