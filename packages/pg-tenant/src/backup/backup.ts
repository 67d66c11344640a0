import { TenancyError, type TenantKey } from '@org/core'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { standingOf } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { find } from '../registry/read.ts'
import { invalid } from '../scope/options.ts'
import { qualify } from '../sql/identifier.ts'
import { type Compression, DEFAULT_COMPRESSION, isCompression } from './archive/compression.ts'
import type { ArchivedTable, ArchiveManifest, TableSummary } from './archive/manifest.ts'
import { type BackupTarget, openSink } from './archive/sink.ts'
import { ArchiveWriter } from './archive/writer.ts'
import { columnList, readNames, readSequences, readTables } from './catalog.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from './client.ts'
import { copyOut } from './copy.ts'
import { archiveHasher } from './hash-row.ts'
import { actAsOwner, lockTenantForSession, openForOwner, type Place, placeOf } from './place.ts'

/** Options of {@link backupTenant}. */
export interface BackupOptions {
  /**
   * The path of a file to be made (readable by its owner only; never overwritten), or a Writable, which is ended. The
   * data in it is as readable as in the database: encrypt what leaves the machine.
   */
  readonly to: BackupTarget
  /** `zstd` (default where Node.js has it: 22.15), `gzip` or `none`. */
  readonly compression?: Compression | undefined
}

/** What a backup holds. */
export interface BackupResult {
  readonly tenant: TenantKey
  /** ISO 8601: when its snapshot was taken. */
  readonly createdAt: string
  /** Bytes of the archive. */
  readonly bytes: number
  /** SHA-256 of the whole archive, in hex, as `sha256sum` says it. */
  readonly sha256: string
  readonly rows: number
  readonly tables: readonly TableSummary[]
  /** What is not in it, with the reason: foreign tables. */
  readonly skipped: readonly { readonly name: string; readonly kind: string }[]
}

/**
 * Writes all of a tenant's data into one archive, as of one instant (a repeatable read transaction), in constant memory.
 * The tenant stays in service; suspended tenants, and tenants being dropped, are backed up as well. Needs no program.
 *
 * @throws TenancyError INVALID_OPTION, TENANT_NOT_FOUND, CONFLICT (the file exists, or a table was rewritten while the
 *   backup ran: run it again), SERVICE_UNAVAILABLE (it cannot be written), TIMEOUT, DATABASE_ERROR, CONNECTION_LOST
 */
export async function backupTenant(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: BackupOptions,
): Promise<BackupResult> {
  const { to, compression = DEFAULT_COMPRESSION } = options ?? {}
  if (!isCompression(compression)) throw invalid('compression', '"zstd", "gzip" or "none"')
  const place = placeOf(lifecycle, tenant)
  await prepare(lifecycle)
  const record = await find(lifecycle.pool, lifecycle.registry, tenant)
  if (!record || record.status === 'deleted' || record.status === 'provisioning') throw notFound(tenant)
  const closed = record.status !== 'active'
  const sink = await openSink(to)
  try {
    const writer = new ArchiveWriter(sink, compression)
    return await withAdminClient(lifecycle.adminPool, (admin) =>
      write(admin, lifecycle, tenant, place, closed, writer),
    )
  } catch (error) {
    await sink.abandon()
    throw error
  }
}

async function write(
  admin: AdminClient,
  lifecycle: Lifecycle,
  tenant: TenantKey,
  place: Place,
  closed: boolean,
  writer: ArchiveWriter,
): Promise<BackupResult> {
  // Migrations and restores wait for backups; backups of an open tenant do not wait for each other.
  await admin.run(`set lock_timeout = '10s'`)
  await lockTenantForSession(admin, place.schema, !closed)
  if ((await standingOf(admin, lifecycle.naming, tenant)) === 'nothing') throw notFound(tenant)
  await begin(admin, `repeatable read ${closed ? 'read write' : 'read only'}`)
  // The first statement takes no snapshot: what is dropped or provisioned before we have the lock is seen.
  await admin.run(`lock table ${qualify(place.schema, lifecycle.naming.marker)} in access share mode`)
  await pinSettings(admin)
  if (closed) await openForOwner(admin, place)
  const manifest = await describe(admin, lifecycle, tenant, place)
  await writer.begin(manifest)
  const tables: TableSummary[] = []
  for (const [index, table] of manifest.tables.entries()) {
    await writer.startTable(index)
    tables.push(await copyTable(admin, place, table, writer))
  }
  const sequences = await readSequences(admin, place)
  const rows = tables.reduce((sum, table) => sum + table.rows, 0)
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
  const sha256 = await writer.end({ tables, sequences, rows, bytes })
  const { createdAt, skipped } = manifest
  return { tenant, createdAt, bytes: writer.bytes, sha256, rows, tables, skipped }
}

const FACTS = `select current_setting('server_version_num')::int as "serverVersion",
  pg_current_snapshot()::text as snapshot, to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt"`

async function describe(
  admin: AdminClient,
  { level, naming }: Lifecycle,
  tenant: TenantKey,
  place: Place,
): Promise<ArchiveManifest> {
  const [facts] = await admin.run(FACTS)
  const migrations = await admin.run(
    `select id, checksum, to_char(applied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "appliedAt"
     from ${qualify(place.schema, LEDGER_TABLE)} order by applied_at, id collate "C"`,
  )
  await actAsOwner(admin, place)
  return {
    format: 'pg-tenant-archive',
    tenant,
    schema: place.schema,
    prefix: naming.schemaPrefix,
    isolation: level,
    ...(facts as Pick<ArchiveManifest, 'serverVersion' | 'snapshot' | 'createdAt'>),
    migrations: migrations as unknown as ArchiveManifest['migrations'],
    tables: await readTables(admin, place),
    materializedViews: await readNames(admin, place, 'm'),
    skipped: (await readNames(admin, place, 'f')).map((name) => ({ name, kind: 'foreign table' })),
  }
}

/**
 * One table, in a savepoint that is rolled back: that frees its locks, so that a tenant with thousands of tables does
 * not exhaust the server's lock table (`max_locks_per_transaction`).
 */
async function copyTable(
  admin: AdminClient,
  { schema }: Place,
  table: ArchivedTable,
  writer: ArchiveWriter,
): Promise<TableSummary> {
  const hasher = archiveHasher()
  if (!table.partitioned) {
    const name = qualify(schema, table.name)
    await admin.run(`savepoint one_table; lock table only ${name} in access share mode`)
    await requireUnchanged(admin, name)
    await copyOut(admin.wire, `copy ${name}${columnList(table)} to stdout`, (row) => {
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

export function notFound(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'TENANT_NOT_FOUND',
    'There is no such tenant, or it has not been provisioned completely. Look at list().',
    { details: { tenant } },
  )
}
