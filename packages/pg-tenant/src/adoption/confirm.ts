import { TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { markerOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import type { TenantRecord } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { tryAgain } from './bounded.ts'
import { refuseDoors } from './doors.ts'
import { earlierTransactionsEnd } from './earlier-transactions.ts'
import { type OwnedObject, objectsIn } from './objects.ts'
import { parseBounds, type SettleOptions } from './options.ts'
import { lookingAs } from './reference.ts'
import { letApplicationIn } from './rights.ts'
import { type EarlierOwner, ownersOf } from './survey.ts'
import { beforeOf, forgetBefore } from './table.ts'
import { asRole } from './transfer.ts'

/** See {@link Tenancy.confirmAdoption}. */
export async function confirmAdoption(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: SettleOptions = {},
): Promise<boolean> {
  const bounds = parseBounds(options)
  const application = await prepare(lifecycle)
  const work = { lifecycle, tenant, application }
  const settled = (last: boolean) =>
    tryAgain(bounds, () => inAdminTransaction(lifecycle.adminPool, (admin) => confirm(admin, work, last)))
  // What an open transaction has made is seen when it has committed: they are shut out, it ends, and only then is it looked at for good.
  if (!(await settled(false))) return false
  await earlierTransactionsEnd(lifecycle.adminPool, tenant, EARLIER_MS)
  return await settled(true)
}

/** Milliseconds that transactions have that were writing before. */
const EARLIER_MS = 30_000

interface Work {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  readonly application: string
}

/** @param last whether what was before is forgotten, so that there is no way back */
async function confirm(admin: Admin, work: Work, last: boolean): Promise<boolean> {
  const { lifecycle, tenant } = work
  const { registry } = lifecycle
  const record = await recordOf(admin, registry, tenant)
  if (!record || record.status === 'deleted') throw unknown(tenant)
  requireAtRest(record)
  const before = await beforeOf(admin, registry, tenant)
  if (!before) return false
  const owners = await ownersOf(lookingAs(admin), before.owners)
  await settle(admin, work, owners)
  if (last) await forgetBefore(admin, registry, tenant)
  return true
}

/** Everything is the tenant's role's, and those who were there before are no members of it any more. */
async function settle(
  admin: Admin,
  { lifecycle, tenant, application }: Work,
  owners: readonly EarlierOwner[],
): Promise<void> {
  const { naming, level, ofLevel } = lifecycle
  const schema = schemaOf(naming, tenant)
  const role = ofLevel.ownerOf(lifecycle, tenant) ?? ''
  const { ownerApart } = traitsOf(level)
  const objects = await objectsIn(lookingAs(admin), schema, [markerOf(naming, tenant), LEDGER_TABLE])
  refuseOthers(tenant, objects, role)
  await refuseDoors(admin, tenant, schema, role)
  const leaving = [...owners.map(({ name }) => name), application]
  const revoked = await revoking(admin, objects, leaving)
  if (revoked.length > 0) await admin.run(asRole(role, revoked))
  await endMembership(admin, role, owners, ownerApart ? undefined : application)
  if (ownerApart) await letApplicationIn(admin, objects, role, application)
  const staying = ownerApart ? [application] : []
  await closeSchema(
    admin,
    schema,
    leaving.filter((name) => !staying.includes(name)),
  )
}

/** What others made since is theirs: the tenant could not use it, and they would lose it. */
function refuseOthers(tenant: TenantKey, objects: readonly OwnedObject[], role: string): void {
  const others = objects.filter(({ follows, ownerName }) => !follows && ownerName !== role)
  if (others.length === 0) return
  const named = others.slice(0, NAMED).map(({ identity, ownerName }) => `${identity} (${ownerName})`)
  const more = others.length > NAMED ? ` and ${others.length - NAMED} more` : ''
  throw new TenancyError(
    'CONFLICT',
    `Since the tenant was adopted, others made ${named.join(', ')}${more}. It is not confirmed. Run adopt(key) again, which ` +
      'takes that over too, then confirm.',
    { details: { tenant, reason: 'adoption', objects: named.join(', '), count: others.length } },
  )
}

/** Objects named in an error; the rest is counted. */
const NAMED = 20

/**
 * Takes back what is written out for some roles and for PUBLIC. What PUBLIC may with functions and types is PostgreSQL's own default;
 * nobody reaches them in a schema that is closed.
 */
async function revoking(
  admin: Admin,
  objects: readonly OwnedObject[],
  roles: readonly string[],
): Promise<string[]> {
  const rows = await admin.run(
    'select oid::int8::text as oid, rolname as name from pg_roles where rolname = any ($1::text[])',
    [roles],
  )
  const names = new Map(rows.map(({ oid, name }) => [Number(oid), quoteIdentifier(String(name))]))
  return objects.flatMap(({ grantKind, identity, grantees, owner, class: catalogue }) => {
    const from = grantees.flatMap((grantee) => {
      if (grantee === 0) return catalogue === 1259 ? ['public'] : []
      return grantee === owner ? [] : (names.get(grantee) ?? [])
    })
    return grantKind && from.length > 0
      ? [`revoke all on ${grantKind} ${identity} from ${from.join(', ')} cascade`]
      : []
  })
}

/** @param application the one that may take the role from now on, and nothing more; the administrator may as well */
async function endMembership(
  admin: Admin,
  role: string,
  owners: readonly EarlierOwner[],
  application: string | undefined,
): Promise<void> {
  const [server] = await admin.run(
    `select current_user::text as name, current_setting('server_version_num')::int >= 160000 as sixteen`,
  )
  const staying = [application, String(server?.name)]
  const quoted = quoteIdentifier(role)
  const statements = owners.flatMap(({ name, superuser }) => {
    if (superuser) return []
    if (!staying.includes(name)) return [`revoke ${quoted} from ${quoteIdentifier(name)}`]
    return server?.sixteen ? [`grant ${quoted} to ${quoteIdentifier(name)} with inherit false, set true`] : []
  })
  if (statements.length > 0) await admin.run(statements.join(';\n'))
}

/** The administrator owns it, also where it was an earlier owner. */
async function closeSchema(admin: Admin, schema: string, roles: readonly string[]): Promise<void> {
  const [me] = await admin.run('select current_user::text as name')
  const leaving = roles.filter((name) => name !== me?.name)
  const from = ['public', ...leaving.map(quoteIdentifier)].join(', ')
  await admin.run(`revoke all on schema ${quoteIdentifier(schema)} from ${from} cascade`)
}

/** What is under way is finished first. */
export function requireAtRest({ key, status }: TenantRecord): void {
  if (status === 'active' || status === 'suspended') return
  throw new TenancyError('CONFLICT', `The tenant is ${status}: finish that first. Nothing was changed.`, {
    details: { tenant: key, status },
  })
}

export function unknown(tenant: TenantKey): TenancyError {
  return new TenancyError('TENANT_NOT_FOUND', 'There is no tenant of that key, so it was not adopted.', {
    details: { tenant },
  })
}
