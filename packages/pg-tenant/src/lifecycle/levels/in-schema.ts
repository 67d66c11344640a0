import type { TenantKey } from '@org/core'
import type { Admin } from '../../admin/transaction.ts'
import { markerOf, roleOf, schemaOf } from '../../isolation/names.ts'
import { quoteIdentifier } from '../../sql/identifier.ts'
import { applyMigrations } from '../apply-migrations.ts'
import { onThisNode } from '../distributed-schemas.ts'
import { standingOf } from '../lifecycle.ts'
import { allowApplication, allowOwner } from '../schema-owner.ts'
import { shareSchemas, withHint } from '../shared-schemas.ts'
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
  const { naming, distributedSchemas } = lifecycle
  const schema = schemaOf(naming, tenant)
  const created = (await standingOf(home, naming, tenant)) === 'nothing'
  const place = { schema, marker: markerOf(naming, tenant), member }
  if (created) await createSchema(home, place, tenant, distributedSchemas)
  else await grantSchema(home, place, distributedSchemas)
  if (owner !== undefined && owner !== member) {
    const own = { ...place, owner }
    await allowOwner(home, own)
    await allowApplication(home, own)
    await shareSchemas(home, naming, member)
  }
  const lacking = await shareSchemas(home, naming, owner ?? member)
  const applied = applyMigrations(home, lifecycle, tenant, owner, created, admin)
  return { created, ...(await applied.catch((error: unknown) => Promise.reject(withHint(error, lacking)))) }
}

/**
 * What levels have in common that keep a tenant in a schema of the control schema's database: one transaction.
 *
 * @param membersOf the roles that are shut out with a tenant
 */
export function schemaSteps(
  membersOf: (work: TenantWork) => readonly string[] | Promise<readonly string[]>,
): Omit<LevelLifecycle, 'level' | 'ensureRoles' | 'furnish' | 'ownerOf'> {
  const usage = async (work: TenantWork, allowed: boolean) =>
    await changeUsage(work, await membersOf(work), allowed)
  return {
    staged: false,
    atHome: (work, fn) => fn(work.admin),
    takeOutOfService: (work) => usage(work, false),
    putBackIntoService: (work) => usage(work, true),
    exists: async ({ admin, lifecycle, tenant }) =>
      (await standingOf(admin, lifecycle.naming, tenant)) === 'provisioned',
    drain: async ({ admin, lifecycle: { naming }, tenant }) =>
      drainSchema(admin, schemaOf(naming, tenant), markerOf(naming, tenant)),
    takeDown: async ({ admin, lifecycle, tenant }) => dropSchema(admin, schemaOf(lifecycle.naming, tenant)),
  }
}

/**
 * A tenant is closed on the coordinator alone, where all scopes are parsed, so that one can be closed while a node is down. It is
 * opened on every node: one that has joined meanwhile got the rights as they were then.
 */
async function changeUsage(
  { admin, lifecycle, tenant }: TenantWork,
  members: readonly string[],
  allowed: boolean,
): Promise<void> {
  const { distributedSchemas, naming } = lifecycle
  const change = () => setUsage(admin, schemaOf(naming, tenant), members, allowed)
  if (distributedSchemas && !allowed) await onThisNode(admin, change)
  else await change()
}

/** Privileges, owners and rows stay as they are: they hang on the schema, not on its name. */
export function renameSchema({ lifecycle: { naming }, tenant }: TenantWork, from: TenantKey): string {
  const [old, name] = [schemaOf(naming, from), schemaOf(naming, tenant)].map(quoteIdentifier)
  return `alter schema ${old} rename to ${name}`
}

/** A role without a password: one stored as MD5 would be lost with the name (manual, ALTER ROLE). */
export function renameRole({ lifecycle: { naming }, tenant }: TenantWork, from: TenantKey): string {
  const [old, name] = [roleOf(naming, from), roleOf(naming, tenant)].map(quoteIdentifier)
  return `alter role ${old} rename to ${name}`
}

/** What a tenant that is ready lacks: the right to go in. */
export function allowUsage({ lifecycle: { naming }, tenant }: TenantWork, role: string): string {
  return `grant usage on schema ${quoteIdentifier(schemaOf(naming, tenant))} to ${quoteIdentifier(role)}`
}
