import { invalidOption, TenancyError, type TenantKey } from '@org/core'
import { traitsOf } from '../../isolation/traits.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { prepare } from '../../lifecycle/prepare.ts'
import { withTheRest } from '../../lifecycle/provision.ts'
import { transferOwnership } from '../../lifecycle/transfer-ownership.ts'
import { pending } from '../../migrations/migrations.ts'
import { throwIfAborted } from '../abort.ts'
import type { ArchiveManifest } from '../format/manifest.ts'
import { openArchive } from '../format/reader.ts'
import { isDump } from '../pg-dump/manifest.ts'
import { placeOf } from '../place.ts'
import { restoreAtOnce } from './at-once.ts'
import type { RestoreOptions, RestoreResult } from './options.ts'
import { changesTables, type Restoring } from './restoring.ts'
import { restoreStaged } from './staged.ts'

/**
 * Puts a backup's data into a tenant of this key, the backup's own or (from an archive) another, a clone: provisions it as
 * far as the archive's migrations went, loads, checks, and applies the newer migrations. All in one transaction: until it
 * commits nobody sees any of it, and a process killed at any moment leaves nothing. At level `database` that transaction is
 * the tenant's database's; one that is cut off around it is finished by running it again.
 *
 * @throws TenancyError VALIDATION_ERROR (not an archive, truncated, damaged: `details.reason`), NOT_FOUND (no file),
 *   INVALID_OPTION
 * @throws TenancyError CONFLICT when the tenant has data, its migrations were edited, or `details.reason` says `drift` (the
 *   archive holds what the migrations do not make), `level` (shared tables and tables of one's own do not mix), `version`
 *   (older than the shared schema) or `key_taken` (a row of another tenant has the key)
 * @throws TenancyError TIMEOUT, ABORTED, DATABASE_ERROR, CONNECTION_LOST, UNKNOWN_OUTCOME (COMMIT was under way: look, and
 *   repeat)
 */
export async function restoreTenant(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: RestoreOptions,
  arrives?: string,
): Promise<RestoreResult> {
  const { from, reuseDeletedKey = false, skipMigrations = false, signal, verify = 'full' } = checked(options)
  throwIfAborted(signal)
  const place = placeOf(lifecycle, tenant)
  const replace = options.force === 'replace'
  const restoring = (application: string, own: boolean): Restoring => {
    return {
      lifecycle,
      tenant,
      place,
      application,
      replace,
      reuse: own || reuseDeletedKey,
      arrives,
      verify,
      signal,
    }
  }
  const archive =
    typeof from === 'string' && (await isDump(from))
      ? await (await import('../pg-dump/open.ts')).openDump(from, options, signal)
      : await openArchive(from, signal)
  try {
    const { manifest } = archive
    // What a move brings was looked at before, table by table.
    if (!arrives || !changesTables({ archive, lifecycle }))
      requireFitting(lifecycle, manifest, place.tenantColumn !== undefined, skipMigrations)
    const own = manifest.tenant === tenant && manifest.prefix === lifecycle.naming.schemaPrefix
    const work = { ...restoring(await prepare(lifecycle), own), archive }
    await transferOwnership(lifecycle, tenant)
    const made = await (lifecycle.ofLevel.staged ? restoreStaged(work) : restoreAtOnce(work))
    const restored = await withTheRest(lifecycle, tenant, made)
    const { createdAt, tenant: source, tables } = manifest
    return { tenant, source, createdAt, tables: tables.length, ...restored }
  } finally {
    await archive.close()
  }
}

function checked(options: RestoreOptions): RestoreOptions {
  const { force, verify, skipMigrations } = options ?? {}
  if (force !== undefined && force !== 'replace') throw invalidOption('force', '"replace"')
  if (verify !== undefined && verify !== 'full' && verify !== 'archive')
    throw invalidOption('verify', '"full" or "archive"')
  if (skipMigrations !== undefined && typeof skipMigrations !== 'boolean')
    throw invalidOption('skipMigrations', 'true or false')
  return options ?? {}
}

/** Before any SQL: an archive of a newer or another program, or of another kind of level, is refused. */
function requireFitting(
  { migrations }: Lifecycle,
  manifest: ArchiveManifest,
  shared: boolean,
  skipMigrations: boolean,
): void {
  if (traitsOf(manifest.isolation).shared !== shared) throw misfit('level', OTHER_KIND)
  const missing = pending(migrations, new Map(manifest.migrations.map(({ id, checksum }) => [id, checksum])))
  if (shared && missing.length > 0 && !skipMigrations) throw misfit('version', OLDER)
}

const OTHER_KIND =
  'The archive is of tables that tenants share (level row) and this tenancy keeps them in schemas of their own, or the ' +
  'other way round: their tables differ. Restore it with a tenancy of its own level; a tenant changes it by fleet.move. Nothing was changed.'
const OLDER =
  'The archive is older than the shared schema, which cannot go back for one tenant. Restore it into a database with the ' +
  'migrations of its time, migrate there and back up again; or, when newer migrations only added columns with defaults, say ' +
  'skipMigrations: true. Nothing was changed.'

function misfit(reason: 'level' | 'version', message: string): TenancyError {
  return new TenancyError('CONFLICT', message, { details: { reason } })
}
