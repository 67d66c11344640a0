import type { TenantConnection } from '../../credentials/connection.ts'
import { ownNamesOf, schemaOf } from '../../isolation/names.ts'
import { applyMigrations } from '../apply-migrations.ts'
import type { Furnished, TenantWork } from '../levels/level.ts'
import { moveReady, takeReady } from './table.ts'

/**
 * Gives a tenant made ahead to `work.tenant`: schema, role, marker, registry and ledger get its names, in the transaction
 * of `work`. Privileges follow by themselves. Migrations it lacks are applied.
 *
 * @returns nothing when there was none to take: make one
 */
export async function claim(
  work: TenantWork,
): Promise<(Furnished & { readonly connection?: TenantConnection }) | undefined> {
  const { admin, lifecycle, tenant } = work
  const { migrations, naming, ofLevel } = lifecycle
  if (!ofLevel.ready) return undefined
  // Those made ahead have a marker for names that hold the key.
  if (Object.values(ownNamesOf(naming, tenant)).some((name) => name !== null)) return undefined
  const role = ofLevel.ownerOf(lifecycle, tenant)
  const taken = await takeReady(admin, lifecycle, { schema: schemaOf(naming, tenant), role })
  if (!taken) return undefined
  const connection = await ofLevel.ready.adopt(work, taken.key)
  await moveReady(admin, lifecycle, taken.key, tenant)
  const { more } = taken.current
    ? {}
    : await applyMigrations(admin, lifecycle, tenant, ofLevel.ownerOf(lifecycle, tenant), false)
  return {
    created: true,
    migrations: migrations.map(({ id }) => id),
    ...(more && { more }),
    ...(connection && { connection }),
  }
}
