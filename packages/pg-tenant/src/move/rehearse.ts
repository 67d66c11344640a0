import { isTenancyError, TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { readTables } from '../archive/catalog.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../archive/client.ts'
import { beginReading, describe } from '../archive/describe.ts'
import type { ArchiveManifest } from '../archive/format/manifest.ts'
import type { OpenArchive } from '../archive/format/reader.ts'
import { placeOf } from '../archive/place.ts'
import { matchTables } from '../archive/restore/drift.ts'
import { isStructured, putIn } from '../archive/restore/put-in.ts'
import { type ArchiveRestoring, changesTables as areOthers } from '../archive/restore/restoring.ts'
import { visitTenant } from '../archive/visit.ts'
import { ownNamesOf } from '../isolation/names.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import { requireFittingKey } from '../lifecycle/levels/row/fitting-key.ts'
import { applicationRole, prepare, prepareIn } from '../lifecycle/prepare.ts'
import { register } from '../registry/registry.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { MoveSettings } from './options.ts'
import { changesTables, type Route, refused } from './route.ts'
import { requireNumbers } from './shared-sequences.ts'

/**
 * Makes the tenant there, with all it is made of and no rows, and undoes that: what is lacking there (a right, an extension, a type, a
 * function, a feature of a newer PostgreSQL) is told with the tenant in service.
 *
 * @param bare nobody was there yet: the control schema is made and undone along with it
 * @throws TenancyError INVALID_OPTION, CONFLICT, or what the server said of an object
 */
export async function rehearse(route: Route, { dryRun }: MoveSettings, bare: boolean): Promise<void> {
  const { tenant, to } = route
  const { lifecycle } = to
  const { ofLevel } = lifecycle
  if (ofLevel.row) {
    const manifest = await manifestOf(route)
    if (changesTables(route)) await matchShared(route, manifest, dryRun)
    return await requireNumbers(route, manifest)
  }
  await requireRights(route)
  // A database is not made in a transaction; whether somebody else has its names is seen all the same.
  const manifest = ofLevel.staged ? undefined : await manifestOf(route)
  const application = bare ? await applicationRole(lifecycle.pool) : await prepare(lifecycle)
  await withAdminClient(lifecycle.adminPool, async (admin) => {
    await begin(admin, 'read committed read write')
    if (bare) await prepareIn(admin, lifecycle, application)
    const work = { lifecycle, tenant, admin, session: undefined, application }
    if (manifest)
      await makeOf(manifest, work).catch((error: unknown) => Promise.reject(asTables(route, error)))
    else await ofLevel.exists({ ...work, status: 'deleted' })
    await admin.run('rollback')
  })
}

/** Roles, schema and objects, as a move makes them. */
async function makeOf(
  manifest: ArchiveManifest,
  made: Omit<TenantWork, 'status'> & { admin: AdminClient },
): Promise<void> {
  const { admin, lifecycle, tenant } = made
  const { ofLevel } = lifecycle
  const facts = { reuse: true, arrives: true, names: ownNamesOf(lifecycle.naming, tenant) }
  const status = await register(admin, lifecycle.registry, tenant, lifecycle.level, facts)
  const work = { ...made, status }
  const empty = { ...work, lifecycle: { ...lifecycle, migrations: [] } }
  await ofLevel.ensureRoles(empty)
  await admin.run('savepoint furnished')
  await ofLevel.furnish(empty)
  await admin.run('rollback to savepoint furnished')
  await putInNothing(admin, work, manifest)
}

/**
 * A tenant of its own tables becomes rows of those that all share: they have to be there, with its columns, and take its key.
 *
 * @param dryRun changes nothing, also where they are not made yet: then nobody knows
 */
async function matchShared(route: Route, manifest: ArchiveManifest, dryRun: boolean): Promise<void> {
  const { tenant, to } = route
  const { adminPool, ofLevel } = to.lifecycle
  if (!ofLevel.row) return
  const { row } = ofLevel
  if (!dryRun) await ofLevel.migrateShared?.(to.lifecycle)
  const place = placeOf(to.lifecycle, tenant)
  await withAdminClient(adminPool, async (admin) => {
    await begin(admin, 'read committed read only')
    await pinSettings(admin)
    if (dryRun && (await readTables(admin, place)).length === 0) return
    await requireFittingKey(admin, row, tenant)
    await matchTables(admin, place, manifest).catch((error: unknown) =>
      Promise.reject(asTables(route, error)),
    )
    await admin.run('rollback')
  })
}

/** What an archive says of a place that lacks something, in a move's words. */
function asTables(route: Route, error: unknown): unknown {
  if (!isTenancyError(error, 'CONFLICT') || error.details.reason !== 'drift') return error
  const { drift, count } = error.details
  const { code, details, message } = refused(
    route,
    'tables',
    `The tenant has what the migrations of ${route.to.name} do not make: ${drift}. Make it there by a migration, or take it away here. ` +
      'Nothing was changed.',
  )
  return new TenancyError(code, message, { details: { ...details, drift: drift ?? '', count: count ?? 0 } })
}

export async function manifestOf({ from: { lifecycle }, tenant }: Route): Promise<ArchiveManifest> {
  const visit = { lifecycle, tenant, place: placeOf(lifecycle, tenant) }
  return await visitTenant(visit, ['active', 'suspended'], async (found) => {
    await beginReading(found, visit.place)
    return (await describe(found, visit)).manifest
  })
}

/** As a restore does, of an archive without rows. */
async function putInNothing(home: AdminClient, work: TenantWork, manifest: ArchiveManifest): Promise<void> {
  const { application, lifecycle, tenant } = work
  const restoring: ArchiveRestoring = {
    ...{ lifecycle, tenant, application, place: placeOf(lifecycle, tenant), archive: empty(manifest) },
    ...({ replace: false, reuse: true, verify: 'archive', signal: undefined } as const),
  }
  if (!isStructured(restoring) && !areOthers(restoring)) return
  await pinSettings(home)
  await putIn(home, home, restoring, work)
}

function empty(manifest: ArchiveManifest): OpenArchive {
  const tables = manifest.tables.map(({ name }) => ({ name, rows: 0, bytes: 0, sha256: '', rowsDigest: '' }))
  const end = { summary: { tables, sequences: [], rows: 0, bytes: 0 }, sha256: '', bytes: 0 }
  return {
    manifest,
    // biome-ignore lint/correctness/useYield: there is nothing in it
    blocks: async function* () {
      return end
    },
    close: async () => {},
  }
}

const RIGHTS = `select r.rolname as role, current_database() as database, r.rolsuper or r.rolcreaterole as roles,
    r.rolsuper or r.rolcreatedb as databases, has_database_privilege(r.oid, current_database()::text, 'create'::text) as schemas
  from pg_roles r where r.rolname = current_user`

/** @throws TenancyError INVALID_OPTION */
async function requireRights({ tenant, to }: Route): Promise<void> {
  const { adminPool, ofLevel } = to.lifecycle
  const [rights] = await inAdminTransaction(adminPool, (admin) => admin.run(RIGHTS))
  const role = quoteIdentifier(String(rights?.role))
  const needed: readonly (readonly [needs: boolean, has: unknown, give: string])[] = [
    [placeOf(to.lifecycle, tenant).owner !== undefined, rights?.roles, `ALTER ROLE ${role} CREATEROLE`],
    [ofLevel.staged, rights?.databases, `ALTER ROLE ${role} CREATEDB`],
    [
      !ofLevel.staged,
      rights?.schemas,
      `GRANT CREATE ON DATABASE ${quoteIdentifier(String(rights?.database))} TO ${role}`,
    ],
  ]
  const lacking = needed.filter(([needs, has]) => needs && has !== true).map(([, , give]) => give)
  if (lacking.length === 0) return
  throw new TenancyError(
    'INVALID_OPTION',
    `The administrator (adminPool) of ${to.name} lacks a right that it needs. Run: ${lacking.join('; ')}. Nothing was changed.`,
    { details: { option: 'adminPool', role: String(rights?.role), placement: to.name } },
  )
}
