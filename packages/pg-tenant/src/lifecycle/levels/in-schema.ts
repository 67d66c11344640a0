import { schemaOf } from '../../isolation/names.ts'
import type { Admin } from '../admin.ts'
import { applyMigrations } from '../apply-migrations.ts'
import { standingOf } from '../lifecycle.ts'
import { createSchema, drainSchema, dropSchema, grantSchema, setUsage } from '../tenant-schema.ts'
import type { Furnished, LevelLifecycle, TenantWork } from './level.ts'

/**
 * Makes or completes the tenant's schema.
 *
 * @param home a transaction in the database that holds it
 * @param member the role scopes run as
 * @param owner the role migrations run as
 */
export async function furnishSchema(
  { lifecycle, tenant, admin }: TenantWork,
  home: Admin,
  member: string,
  owner: string | undefined,
): Promise<Furnished> {
  const { naming } = lifecycle
  const schema = schemaOf(naming, tenant)
  const created = (await standingOf(home, naming, tenant)) === 'nothing'
  if (created) await createSchema(home, schema, naming.marker, tenant)
  await grantSchema(home, schema, naming.marker, member)
  const migrations = await applyMigrations(home, lifecycle, tenant, owner, admin)
  return { created, migrations }
}

/** What levels have in common that keep a tenant in a schema of the control schema's database: one transaction. */
export function schemaSteps(
  memberOf: (work: TenantWork) => string,
): Omit<LevelLifecycle, 'level' | 'ensureRoles' | 'furnish' | 'ownerOf'> {
  const usage = async (work: TenantWork, allowed: boolean) =>
    setUsage(work.admin, schemaOf(work.lifecycle.naming, work.tenant), memberOf(work), allowed)
  return {
    staged: false,
    atHome: (work, fn) => fn(work.admin),
    takeOutOfService: (work) => usage(work, false),
    putBackIntoService: (work) => usage(work, true),
    exists: async ({ admin, lifecycle, tenant }) =>
      (await standingOf(admin, lifecycle.naming, tenant)) === 'provisioned',
    drain: async ({ admin, lifecycle: { naming }, tenant }) =>
      drainSchema(admin, schemaOf(naming, tenant), naming.marker),
    takeDown: async ({ admin, lifecycle, tenant }) => dropSchema(admin, schemaOf(lifecycle.naming, tenant)),
  }
}
