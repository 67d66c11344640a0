import type { Admin } from '../../admin/transaction.ts'
import { roleOf } from '../../isolation/names.ts'
import { traitsOf } from '../../isolation/traits.ts'
import { LEDGER_TABLE } from '../../lifecycle/apply-migrations.ts'
import { furnishSchema } from '../../lifecycle/levels/in-schema.ts'
import type { TenantWork } from '../../lifecycle/levels/level.ts'
import { allowApplication, allowOwner } from '../../lifecycle/schema-owner.ts'
import { createSchema } from '../../lifecycle/tenant-schema.ts'
import { recordMigrations } from '../../registry/registry.ts'
import { qualify } from '../../sql/identifier.ts'
import { type AdminClient, pinSettings } from '../client.ts'
import type { ArchiveEnd } from '../format/reader.ts'
import type { Place } from '../place.ts'
import { requireSame } from '../structure/compare.ts'
import { readStructure } from '../structure/read.ts'
import { toHere } from '../structure/rename.ts'
import { build } from './build.ts'
import { fill } from './fill.ts'
import {
  type ArchiveRestoring,
  changesTables,
  lifecycleThen,
  type Privileges,
  type Restoring,
} from './restoring.ts'

/**
 * Makes the tenant's schema with what the archive holds, in a transaction of the database that is to have it: the schema is what
 * the archive says, made with the rights of the tenant's role. Where the administrator owns the tables (schemas that are
 * distributed), nothing that a file says may run with his: there it is what the migrations make, and is compared. So is what was rows
 * of tables that all share.
 */
export async function putIn(
  home: AdminClient,
  books: Admin,
  restoring: ArchiveRestoring,
  work: TenantWork,
): Promise<ArchiveEnd> {
  const { archive, lifecycle, place, verify } = restoring
  const { manifest } = archive
  if (isStructured(restoring)) {
    await makeSchema(home, restoring, place)
    const { registry } = lifecycle
    const applied = manifest.migrations.map(({ id, checksum }) => ({ id, checksum, durationMs: 0 }))
    if (applied.length > 0) await recordMigrations(books, registry, restoring.tenant, applied)
    return await build(home, place, archive, { verify, ...privilegesOf(restoring) })
  }
  const anew = changesTables(restoring)
  const then = { ...work, lifecycle: anew ? lifecycle : lifecycleThen(lifecycle, manifest) }
  const { owner } = place
  await furnishSchema(then, home, memberOf(restoring), owner)
  await pinSettings(home)
  const end = await fill(home, place, archive, verify)
  await home.run('set local role none')
  await pinSettings(home)
  if (manifest.structure) await compare(home, restoring)
  return end
}

/** The role scopes run as. */
export const memberOf = ({
  application,
  lifecycle: { level, naming },
  place: { owner },
  tenant,
}: Restoring): string => (traitsOf(level).ownRole ? (owner ?? roleOf(naming, tenant)) : application)

/** Whether the archive's own statements make the schema. */
export function isStructured({ archive, lifecycle, place }: ArchiveRestoring): boolean {
  return (
    archive.manifest.structure !== undefined && place.owner !== undefined && !lifecycle.distributedSchemas
  )
}

/** At level `schema` privileges are the application's, which at another would let it in without taking the tenant's role. */
export function privilegesOf({ application, archive, lifecycle: { level } }: ArchiveRestoring): Privileges {
  const [from, to] = [archive.manifest.isolation, level].map((one) => traitsOf(one).separateOwner)
  return { privileges: to || !from, comparePrivileges: from === to, application: to ? application : '' }
}

/** The schema with marker and ledger, and nothing else. */
export async function makeSchema(
  home: AdminClient,
  restoring: ArchiveRestoring,
  { schema, markerName: marker, owner = '' }: Place,
): Promise<void> {
  const { archive, tenant } = restoring
  const own = { schema, marker, owner, member: memberOf(restoring) }
  await createSchema(home, own, tenant)
  if (own.member !== owner) {
    await allowOwner(home, own)
    // Where the archive says what the application may do, that and no more.
    if (!privilegesOf(restoring).comparePrivileges) await allowApplication(home, own)
  }
  const { migrations } = archive.manifest
  await home.run(
    `insert into ${qualify(schema, LEDGER_TABLE)} (id, checksum, applied_at)
     select * from unnest($1::text[], $2::text[], $3::timestamptz[])`,
    [
      migrations.map(({ id }) => id),
      migrations.map(({ checksum }) => checksum),
      migrations.map(({ appliedAt }) => appliedAt),
    ],
  )
}

async function compare(home: AdminClient, { archive: { manifest }, place }: ArchiveRestoring): Promise<void> {
  const [version] = await home.run(`select current_setting('server_version_num')::int / 10000 as major`)
  const { statements } = await readStructure(home, place, '', manifest.calls === true)
  const found = statements.map((statement) => toHere(statement, place.schema))
  const words = version?.major === Math.floor(manifest.serverVersion / 10_000)
  requireSame(manifest.structure ?? [], found, { words, privileges: false })
}
