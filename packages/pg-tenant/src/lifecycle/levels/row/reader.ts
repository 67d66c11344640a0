import { TenancyError } from '@org/core'
import { isOurs, keepCredential } from '../../../credentials/table.ts'
import { roleOf } from '../../../isolation/names.ts'
import type { RowPlace } from '../../../isolation/row.ts'
import { quoteIdentifier } from '../../../sql/identifier.ts'
import { roleExists } from '../../tenant-role.ts'
import type { TenantWork } from '../level.ts'
import { type ViewPlace, viewPlaceOf } from './view-place.ts'

/**
 * The tenant's own role: it reads the views, where it sees the tenant's rows, and has no other right. It cannot log in
 * until somebody gives it a password.
 *
 * @throws TenancyError CONFLICT when a role of that name is somebody else's
 */
export async function ensureReader(work: TenantWork, row: RowPlace): Promise<void> {
  const { admin, lifecycle, tenant } = work
  const { naming, registry } = lifecycle
  const views = await viewPlaceOf(admin, naming, row)
  if (!views) return
  const name = roleOf(naming, tenant)
  const ours = await isOurs(admin, registry, tenant)
  const there = await roleExists(admin, name)
  if (there && !ours) {
    throw new TenancyError(
      'CONFLICT',
      "A role of the name that the tenant's own would have is there already and was not made for it. Choose another " +
        'rolePrefix, or leave row.views out.',
      { details: { role: name } },
    )
  }
  const role = quoteIdentifier(name)
  if (!there) {
    await admin.run(`create role ${role} nologin inherit`)
    const server = await serverOf(work)
    if (!server.superuser) {
      const how = server.sixteen ? ' with inherit false, set true' : ''
      await admin.run(`grant ${role} to ${quoteIdentifier(server.admin)}${how}`)
    }
  }
  if (!ours) await keepCredential(admin, registry, tenant, name, null)
  const { database } = await serverOf(work)
  await admin.run(`alter role ${role} in database ${quoteIdentifier(database)}
    set search_path to ${quoteIdentifier(views.schema)}${naming.sharedPath}`)
  // A suspended tenant is taken out of service again in the same transaction (provision.ts).
  await setReading(work, views, true)
}

/** Lets the tenant's role read the views, or no longer: from COMMIT on, also on connections it has already. */
export async function allowReading(work: TenantWork, row: RowPlace, allowed: boolean): Promise<void> {
  const views = await viewPlaceOf(work.admin, work.lifecycle.naming, row)
  if (!views || !(await isOurs(work.admin, work.lifecycle.registry, work.tenant))) return
  await setReading(work, views, allowed)
}

async function setReading(work: TenantWork, { readers }: ViewPlace, allowed: boolean): Promise<void> {
  const { admin, lifecycle, tenant } = work
  const [role, group] = [roleOf(lifecycle.naming, tenant), readers].map(quoteIdentifier)
  const how = (await serverOf(work)).sixteen ? ' with inherit true, set false' : ''
  await admin.run(allowed ? `grant ${group} to ${role}${how}` : `revoke ${group} from ${role}`)
}

interface Server {
  readonly sixteen: boolean
  readonly superuser: boolean
  readonly admin: string
  readonly database: string
}

async function serverOf({ admin }: TenantWork): Promise<Server> {
  const [row] = await admin.run<Server>(
    `select current_setting('server_version_num')::int >= 160000 as sixteen, rolsuper as superuser, rolname as admin,
       current_database() as database from pg_roles where rolname = current_user`,
  )
  return row as Server
}
