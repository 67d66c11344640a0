import type { TenantKey } from '@org/core'
import { inAdminTransaction } from '../admin/transaction.ts'
import { markerOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from './apply-migrations.ts'
import type { TenantWork } from './levels/level.ts'
import { type Lifecycle, ownerOf, standingOf } from './lifecycle.ts'
import {
  allowApplication,
  grantCreate,
  grantMarker,
  ownershipState,
  type SchemaOwner,
  transferSome,
} from './schema-owner.ts'
import { ensureRole } from './tenant-role.ts'
import { setUsage } from './tenant-schema.ts'
import { onTenant } from './work.ts'

// Level `schema`: an earlier release made everything as the administrator, and somebody may have made something by hand. What he owns
// in a tenant's schema is given to the tenant's role, a few at a time; the right to read the marker comes last and says that it is done.

/** Objects given in one transaction: each is locked, and so are its indexes and its sequences. */
const BATCH = 50

/**
 * Brings a tenant of an earlier release to what this one makes, in transactions of its own, where that is not so yet. Nothing
 * happens at other levels, and where there is no such tenant.
 *
 * @param looking whether to look for what came since
 * @returns whether there was something to do
 * @throws TenancyError TIMEOUT when a table stayed locked; CONFLICT when a role of the tenant's name is something else
 */
export async function transferOwnership(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  looking: 'as a mark says' | 'at everything' = 'as a mark says',
): Promise<boolean> {
  const { adminPool, level, naming } = lifecycle
  const owner = ownerOf(lifecycle, tenant)
  if (!traitsOf(level).separateOwner || owner === undefined) return false
  const home = { schema: schemaOf(naming, tenant), marker: markerOf(naming, tenant), owner }
  const ours = [home.marker, LEDGER_TABLE]
  // Without the tenant's lock, which somebody may hold for long who reads it.
  const looked = looking === 'at everything' ? ours : undefined
  if ((await inAdminTransaction(adminPool, (admin) => ownershipState(admin, home, looked))) !== 'not yet')
    return false
  return await onTenant(lifecycle, tenant, async (stage) => {
    if (!(await stage(begin))) return false
    while ((await stage((work) => transferMore(work, BATCH))) > 0);
    await stage(end)
    return true
  })
}

/** The same in the transaction of `work`, for a tenant that nobody has yet. */
export async function transferOwnershipAtOnce(work: TenantWork): Promise<void> {
  const home = homeOf(work)
  if (!home || (await ownershipState(work.admin, home)) !== 'not yet' || !(await begin(work))) return
  await transferMore(work, Number.MAX_SAFE_INTEGER)
  await end(work)
}

async function transferMore(work: TenantWork, most: number): Promise<number> {
  const home = homeOf(work)
  return home ? await transferSome(work.admin, home, [home.marker, LEDGER_TABLE], most) : 0
}

function homeOf({ application, lifecycle, tenant }: TenantWork): SchemaOwner | undefined {
  const { naming } = lifecycle
  const owner = ownerOf(lifecycle, tenant)
  return owner === undefined
    ? undefined
    : { schema: schemaOf(naming, tenant), marker: markerOf(naming, tenant), owner, member: application }
}

async function begin(work: TenantWork): Promise<boolean> {
  const { admin, lifecycle, status, tenant } = work
  const home = homeOf(work)
  if (!home || status === 'deleted') return false
  if ((await standingOf(admin, lifecycle.naming, tenant)) === 'nothing') return false
  await ensureRole(admin, home.owner, { login: false, application: undefined })
  await grantCreate(admin, home)
  await allowApplication(admin, home)
  return true
}

async function end(work: TenantWork): Promise<void> {
  const home = homeOf(work)
  if (!home || work.status === 'deleted') return
  await grantMarker(work.admin, home)
  await setUsage(work.admin, home.schema, [home.owner], work.status === 'active')
}
