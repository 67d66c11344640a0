import { invalidOption, type TenantKey } from '@org/core'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { throwIfAborted } from './abort.ts'
import type { BackupOptions, BackupResult } from './backup-options.ts'
import { readSequences } from './catalog.ts'
import { beginReading, describe } from './describe.ts'
import { DEFAULT_COMPRESSION, isCompression } from './format/compression.ts'
import type { ArchiveManifest } from './format/manifest.ts'
import { openSink } from './format/sink.ts'
import { ArchiveWriter } from './format/writer.ts'
import { actAsOwner, placeOf } from './place.ts'
import { digestTables } from './read-tables.ts'
import { type Found, type Visit, visitTenant } from './visit.ts'

/** An instant that somebody else holds. */
export interface Instant {
  /** An exported snapshot. */
  readonly snapshot: string
  /** Told what there is. */
  describe(manifest: ArchiveManifest): void
}

/**
 * Writes all of a tenant's data into one archive, as of one instant (a repeatable read transaction), in constant memory.
 * The tenant stays in service; suspended tenants, and tenants being dropped, are backed up as well. Needs no program.
 *
 * @throws TenancyError INVALID_OPTION, TENANT_NOT_FOUND, CONFLICT (the file exists, or a table was rewritten while the
 *   backup ran: run it again), SERVICE_UNAVAILABLE (it cannot be written; no `pg_dump`, or one older than the server),
 *   TIMEOUT, ABORTED, DATABASE_ERROR, CONNECTION_LOST
 */
export async function backupTenant(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: BackupOptions,
  instant?: Instant,
): Promise<BackupResult> {
  const { to, compression = DEFAULT_COMPRESSION, format = 'archive', signal } = options ?? {}
  if (!isCompression(compression)) throw invalidOption('compression', '"zstd", "gzip" or "none"')
  if (format !== 'archive' && format !== 'pg_dump') throw invalidOption('format', '"archive" or "pg_dump"')
  throwIfAborted(signal)
  const visit: Visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant), signal }
  if (format === 'pg_dump') return await (await import('./pg-dump/dump.ts')).dumpTenant(visit, options)
  const sink = await openSink(to, signal)
  try {
    const writer = new ArchiveWriter(sink, compression)
    return await visitTenant(visit, ['active', 'suspended', 'deleting', 'moving'], (found) =>
      write(found, visit, writer, instant),
    )
  } catch (error) {
    await sink.abandon()
    throw error
  }
}

async function write(
  found: Found,
  visit: Visit,
  writer: ArchiveWriter,
  instant: Instant | undefined,
): Promise<BackupResult> {
  const { place, signal, tenant } = visit
  const { home } = found
  await beginReading(found, place, instant?.snapshot)
  const { manifest, unmade } = await describe(found, visit)
  instant?.describe(manifest)
  await writer.begin(manifest)
  const tables = await digestTables(found, visit, manifest.tables, writer)
  await actAsOwner(home, place)
  const sequences = (await readSequences(home, place)).filter(({ name }) => !unmade.has(name))
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
  throwIfAborted(signal)
  const sha256 = await writer.end({ tables, sequences, rows, bytes })
  const { createdAt, skipped } = manifest
  return { tenant, createdAt, bytes: writer.bytes, sha256, rows, tables, skipped }
}
