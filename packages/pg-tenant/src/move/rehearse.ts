import { TenancyError } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { type AdminClient, begin, pinSettings, withAdminClient } from '../archive/client.ts'
import { beginReading, describe } from '../archive/describe.ts'
import type { ArchiveManifest } from '../archive/format/manifest.ts'
import type { OpenArchive } from '../archive/format/reader.ts'
import { placeOf } from '../archive/place.ts'
import { isStructured, putIn } from '../archive/restore/put-in.ts'
import type { ArchiveRestoring } from '../archive/restore/restoring.ts'
import { visitTenant } from '../archive/visit.ts'
import { ownNamesOf } from '../isolation/names.ts'
import type { TenantWork } from '../lifecycle/levels/level.ts'
import { applicationRole, prepare, prepareIn } from '../lifecycle/prepare.ts'
import { register } from '../registry/registry.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { Route } from './route.ts'

/**
 * Makes the tenant there, with all it is made of and no rows, and undoes that: what is lacking there (a right, an extension, a type, a
 * function, a feature of a newer PostgreSQL) is told with the tenant in service.
 *
 * @param bare nobody was there yet: the control schema is made and undone along with it
 * @throws TenancyError INVALID_OPTION, CONFLICT, or what the server said of an object
 */
export async function rehearse(route: Route, bare: boolean): Promise<void> {
  const { tenant, to } = route
  const { lifecycle } = to
  const { ofLevel } = lifecycle
  if (ofLevel.row) return
  await requireRights(route)
  // A database is not made in a transaction; whether somebody else has its names is seen all the same.
  const manifest = ofLevel.staged ? undefined : await manifestOf(route)
  const application = bare ? await applicationRole(lifecycle.pool) : await prepare(lifecycle)
  await withAdminClient(lifecycle.adminPool, async (admin) => {
    await begin(admin, 'read committed read write')
    if (bare) await prepareIn(admin, lifecycle, application)
    const work = { lifecycle, tenant, admin, session: undefined, application }
    if (manifest) await makeOf(manifest, work)
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

async function manifestOf({ from: { lifecycle }, tenant }: Route): Promise<ArchiveManifest> {
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
    ...({ replace: false, reuse: true, arrives: true, verify: 'archive', signal: undefined } as const),
  }
  if (!isStructured(restoring)) return
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
