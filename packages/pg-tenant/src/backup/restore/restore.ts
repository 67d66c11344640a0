import type { TenantKey } from '@org/core'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { lockTenant } from '../../lifecycle/lifecycle.ts'
import { pending } from '../../lifecycle/migrations.ts'
import { prepare } from '../../lifecycle/prepare.ts'
import { register, registered } from '../../registry/registry.ts'
import { invalid } from '../../scope/options.ts'
import { qualify } from '../../sql/identifier.ts'
import type { ArchivedTable, ArchiveManifest, ArchiveSummary } from '../archive/manifest.ts'
import { type OpenArchive, openArchive } from '../archive/reader.ts'
import type { BackupSource } from '../archive/source.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../client.ts'
import { actAsOwner, type Place, placeOf } from '../place.ts'
import { matchSequences, matchTables } from './drift.ts'
import { loadData } from './load.ts'
import { suspendChecks } from './suspend-checks.ts'
import { makeRoom } from './vacancy.ts'
import { verifyData } from './verify.ts'

/** Options of {@link restoreTenant}. */
export interface RestoreOptions {
  /** The path of an archive, or a Readable of its bytes. */
  readonly from: BackupSource
  /** `'replace'`: drop what the tenant has now, in the same transaction (default: refuse unless it has no row). */
  readonly force?: 'replace' | undefined
  /** Whether a dropped tenant's key may become another tenant's (default false; its own archive may always come back). */
  readonly reuseDeletedKey?: boolean | undefined
  /**
   * `full` (default) reads every table back before COMMIT and compares rows and digests with the archive; `archive`
   * trusts the digests of the archive alone, which about halves the time.
   */
  readonly verify?: 'full' | 'archive' | undefined
}

/** What was restored. */
export interface RestoreResult {
  readonly tenant: TenantKey
  /** The tenant the archive is of: another one when it was cloned. */
  readonly source: string
  /** ISO 8601: the instant the data is of. */
  readonly createdAt: string
  readonly rows: number
  readonly tables: number
  /** SHA-256 of the archive, in hex. */
  readonly sha256: string
  /** Migrations newer than the archive, applied behind the data. */
  readonly migrations: readonly string[]
}

/**
 * Puts an archive's data into a tenant of this key, the archive's own or another (a clone): provisions it as far as the
 * archive's migrations went, loads, checks, and applies the newer migrations. All in one transaction: until it commits
 * nobody sees any of it, and a process killed at any moment leaves nothing.
 *
 * @throws TenancyError VALIDATION_ERROR (not an archive, truncated, damaged: `details.reason`), NOT_FOUND (no file),
 *   INVALID_OPTION
 * @throws TenancyError CONFLICT when the tenant has data, its migrations were edited, or the archive holds what the
 *   migrations do not make (`details.reason` is `drift`)
 * @throws TenancyError TIMEOUT, DATABASE_ERROR, CONNECTION_LOST, UNKNOWN_OUTCOME (COMMIT was under way: look, and repeat)
 */
export async function restoreTenant(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const { from, force, verify = 'full' } = options ?? {}
  if (force !== undefined && force !== 'replace') throw invalid('force', '"replace"')
  if (verify !== 'full' && verify !== 'archive') throw invalid('verify', '"full" or "archive"')
  const place = placeOf(lifecycle, tenant)
  const archive = await openArchive(from)
  try {
    const { manifest } = archive
    requireKnownMigrations(lifecycle, manifest)
    const application = await prepare(lifecycle)
    const restored = await withAdminClient(lifecycle.adminPool, (admin) =>
      restore(admin, lifecycle, application, tenant, place, archive, options),
    )
    const { createdAt, tenant: source, tables } = manifest
    return { tenant, source, createdAt, tables: tables.length, ...restored }
  } finally {
    await archive.close()
  }
}

/** Before any SQL: an archive of a newer or another program is refused. */
function requireKnownMigrations({ migrations }: Lifecycle, manifest: ArchiveManifest): void {
  pending(migrations, new Map(manifest.migrations.map(({ id, checksum }) => [id, checksum])))
}

async function restore(
  admin: AdminClient,
  lifecycle: Lifecycle,
  application: string,
  tenant: TenantKey,
  place: Place,
  archive: OpenArchive,
  { force, verify = 'full', reuseDeletedKey = false }: RestoreOptions,
): Promise<Pick<RestoreResult, 'rows' | 'sha256' | 'migrations'>> {
  const { manifest } = archive
  await begin(admin, 'read committed read write')
  await pinSettings(admin)
  await lockTenant(admin, place.schema)
  await makeRoom(admin, lifecycle, tenant, place, force === 'replace')
  const own = manifest.tenant === tenant && manifest.prefix === lifecycle.naming.schemaPrefix
  const then = new Set(manifest.migrations.map(({ id }) => id))
  const migrations = lifecycle.migrations.filter(({ id }) => then.has(id))
  const { level, ofLevel, registry } = lifecycle
  const reuse = own || reuseDeletedKey
  const status = await register(admin, registry, tenant, level, { reuse })
  const work: TenantWork = { lifecycle, tenant, admin, session: undefined, application, status }
  await ofLevel.ensureRoles(work)
  await ofLevel.furnish({ ...work, lifecycle: { ...lifecycle, migrations } })
  await pinSettings(admin)
  await actAsOwner(admin, place)
  const { summary, sha256 } = await fill(admin, place, archive, verify)
  await admin.run('set local role none')
  const { migrations: newer } = await ofLevel.furnish(work)
  if (status === 'suspended') await ofLevel.takeOutOfService(work)
  await registered(admin, registry, tenant, lifecycle.migrations.at(-1)?.id)
  await admin.run('commit')
  return { rows: summary.rows, sha256, migrations: newer }
}

async function fill(
  admin: AdminClient,
  place: Place,
  archive: OpenArchive,
  verify: 'full' | 'archive',
): Promise<{ summary: ArchiveSummary; sha256: string }> {
  const { manifest } = archive
  const tables = await matchTables(admin, place, manifest)
  const checkAgain = await suspendChecks(admin, place)
  await empty(admin, place, tables)
  const { summary, sha256 } = await loadData(admin, place.schema, archive)
  if (verify === 'full') await verifyData(admin, place.schema, manifest.tables, summary.tables)
  await checkAgain()
  const { sequences } = summary
  await matchSequences(
    admin,
    place,
    sequences.map(({ name }) => name),
  )
  for (const { name, lastValue, isCalled } of sequences) {
    await admin.run('select setval($1::regclass, $2::bigint, $3)', [
      qualify(place.schema, name),
      lastValue,
      isCalled,
    ])
  }
  for (const name of manifest.materializedViews) {
    await admin.run(`refresh materialized view ${qualify(place.schema, name)}`)
  }
  return { summary, sha256 }
}

/** Tables emptied in one statement. */
const AT_ONCE = 500

/** Migrations may have put rows in; the archive holds them as they were at last. */
async function empty(admin: AdminClient, { schema }: Place, tables: readonly ArchivedTable[]): Promise<void> {
  for (let from = 0; from < tables.length; from += AT_ONCE) {
    const names = tables.slice(from, from + AT_ONCE).map(({ name }) => qualify(schema, name))
    await admin.run(`truncate ${names.join(', ')}`)
  }
}
