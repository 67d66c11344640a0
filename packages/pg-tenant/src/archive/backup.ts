import { TenancyError, type TenantKey } from '@org/core'
import { invalid } from '../errors/invalid.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify } from '../sql/identifier.ts'
import { throwIfAborted } from './abort.ts'
import type { BackupOptions, BackupResult } from './backup-options.ts'
import { copySource, readSequences } from './catalog.ts'
import type { AdminClient } from './client.ts'
import { copyOut } from './copy.ts'
import { beginReading, describe } from './describe.ts'
import { DEFAULT_COMPRESSION, isCompression } from './format/compression.ts'
import type { ArchivedTable, TableSummary } from './format/manifest.ts'
import { openSink } from './format/sink.ts'
import { ArchiveWriter } from './format/writer.ts'
import { archiveHasher } from './hash-row.ts'
import { type Place, placeOf } from './place.ts'
import { type Found, type Visit, visitTenant } from './visit.ts'

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
): Promise<BackupResult> {
  const { to, compression = DEFAULT_COMPRESSION, format = 'archive', signal } = options ?? {}
  if (!isCompression(compression)) throw invalid('compression', '"zstd", "gzip" or "none"')
  if (format !== 'archive' && format !== 'pg_dump') throw invalid('format', '"archive" or "pg_dump"')
  throwIfAborted(signal)
  const visit: Visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant), signal }
  if (format === 'pg_dump') return await (await import('./pg-dump/dump.ts')).dumpTenant(visit, options)
  const sink = await openSink(to, signal)
  try {
    const writer = new ArchiveWriter(sink, compression)
    return await visitTenant(visit, ['active', 'suspended', 'deleting'], (found) =>
      write(found, visit, writer),
    )
  } catch (error) {
    await sink.abandon()
    throw error
  }
}

async function write(found: Found, visit: Visit, writer: ArchiveWriter): Promise<BackupResult> {
  const { place, signal, tenant } = visit
  const { home } = found
  await beginReading(found, place)
  const manifest = await describe(found, visit)
  await writer.begin(manifest)
  const tables: TableSummary[] = []
  for (const [index, table] of manifest.tables.entries()) {
    await writer.startTable(index)
    tables.push(await copyTable(home, place, table, writer))
  }
  const sequences = await readSequences(home, place)
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
  throwIfAborted(signal)
  const sha256 = await writer.end({ tables, sequences, rows, bytes })
  const { createdAt, skipped } = manifest
  return { tenant, createdAt, bytes: writer.bytes, sha256, rows, tables, skipped }
}

/**
 * One table, in a savepoint that is rolled back: that frees its locks, so that a tenant with thousands of tables does
 * not exhaust the server's lock table (`max_locks_per_transaction`).
 */
async function copyTable(
  admin: AdminClient,
  place: Place,
  table: ArchivedTable,
  writer: ArchiveWriter,
): Promise<TableSummary> {
  const hasher = archiveHasher()
  if (!table.partitioned) {
    const name = qualify(place.schema, table.name)
    await admin.run(`savepoint one_table; lock table only ${name} in access share mode`)
    await requireUnchanged(admin, name)
    await copyOut(admin, `copy ${copySource(place, table)} to stdout`, (row) => {
      hasher.add(row)
      return writer.add(row)
    })
    await admin.run('rollback to savepoint one_table; release savepoint one_table')
  }
  return { name: table.name, ...hasher.end() }
}

/**
 * TRUNCATE and the rewriting kinds of ALTER TABLE do not keep old row versions (manual 13.6): a snapshot from before
 * finds the table empty. The file the snapshot knows must still be the table's.
 */
async function requireUnchanged(admin: AdminClient, name: string): Promise<void> {
  const [row] = await admin.run(
    'select relfilenode = pg_relation_filenode(oid) as unchanged from pg_class where oid = $1::regclass',
    [name],
  )
  if (row?.unchanged === true) return
  throw new TenancyError(
    'CONFLICT',
    'A table was truncated, rewritten or replaced while the backup ran, so it cannot be read as of one instant. ' +
      'Nothing was kept; run the backup again.',
  )
}
