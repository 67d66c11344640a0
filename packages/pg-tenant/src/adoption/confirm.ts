import { invalidOption, SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import { ADMIN_LIMITS, type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { markerOf, roleOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { databaseOf, type Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import type { TenantRecord } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { tryAgain } from './bounded.ts'
import { settleLogin, type Work } from './confirm-login.ts'
import { refuseDoors } from './doors.ts'
import { earlierTransactionsEnd } from './earlier-transactions.ts'
import { alone } from './home.ts'
import { type OwnedObject, objectsIn } from './objects.ts'
import { type ConfirmOptions, parseBounds } from './options.ts'
import { lookingAs } from './reference.ts'
import { letApplicationIn } from './rights.ts'
import { type EarlierOwner, ownersOf } from './survey-facts.ts'
import { beforeOf, forgetBefore } from './table.ts'
import { asRole } from './transfer.ts'

/** See {@link Tenancy.confirmAdoption}. */
export async function confirmAdoption(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: ConfirmOptions = {},
): Promise<boolean> {
  const bounds = parseBounds(options)
  const { endSessions = false } = options
  if (typeof endSessions !== 'boolean') throw invalidOption('endSessions', 'true or false')
  const application = await prepare(lifecycle)
  const database = databaseOf(lifecycle, tenant)
  return await alone(lifecycle, tenant, database, async (home) => {
    const work = { lifecycle, tenant, application, home }
    const settled = (last: boolean) =>
      tryAgain(bounds, () => inAdminTransaction(home.pool, (admin) => confirm(admin, work, last)))
    // What an open transaction has made is seen when it has committed: they are shut out, it ends, and only then is it looked at for good.
    if (!(await settled(false))) return false
    if (endSessions) await inAdminTransaction(home.pool, (admin) => endEarlierSessions(admin, work))
    await earlierTransactionsEnd(home.pool, tenant, EARLIER_MS)
    return await settled(true)
  })
}

/** Milliseconds that transactions have that were writing before. */
const EARLIER_MS = 30_000

/** Earlier owners, and whoever logged in as the tenant while they could give its login a password. */
async function endEarlierSessions(admin: Admin, { lifecycle, tenant, home }: Work): Promise<void> {
  const before = await home.write(admin, (books) => beforeOf(books, lifecycle.registry, tenant))
  const owners = await ownersOf(lookingAs(admin), before?.owners ?? [])
  const names = owners.filter(({ superuser }) => !superuser).map(({ name }) => name)
  if (names.length > 0 && traitsOf(lifecycle.level).logsIn) names.push(roleOf(lifecycle.naming, tenant))
  // guard: one that became the tenant's role is that until it ends
  await admin.run(END_SESSIONS, [names])
}

// $1 roles, whose rights the administrator has: beside its own, each is waited for until it has ended, five seconds at most.
const END_SESSIONS = `select pg_terminate_backend(pid, 5000) from pg_stat_activity
  where usename = any ($1::text[]) and usename <> current_user and datname = current_database() and pid <> pg_backend_pid()`

/** @param last whether what was before is forgotten, so that there is no way back */
async function confirm(admin: Admin, work: Work, last: boolean): Promise<boolean> {
  const { lifecycle, tenant, home } = work
  const { registry } = lifecycle
  const before = await home.write(admin, async (books) => {
    const record = await recordOf(books, registry, tenant)
    if (!record || record.status === 'deleted') throw tenantNotFound(tenant)
    requireAtRest(record)
    return await beforeOf(books, registry, tenant)
  })
  if (!before) return false
  const owners = await ownersOf(lookingAs(admin), before.owners)
  await settle(admin, work, owners, last)
  if (traitsOf(lifecycle.level).logsIn) await settleLogin(admin, work, before)
  // Behind the last doubt: in a database of its own, what is settled there can be settled once more.
  if (last) await home.write(admin, (books) => forgetBefore(books, registry, tenant))
  return true
}

/** Everything is the tenant's role's, and those who were there before are no members of it any more. */
async function settle(
  admin: Admin,
  { lifecycle, tenant, application }: Work,
  owners: readonly EarlierOwner[],
  last: boolean,
): Promise<void> {
  const { naming, level, ofLevel } = lifecycle
  const schema = schemaOf(naming, tenant)
  const role = ofLevel.ownerOf(lifecycle, tenant) ?? ''
  const { logsIn, separateOwner } = traitsOf(level)
  const objects = await objectsIn(lookingAs(admin), schema, [markerOf(naming, tenant), LEDGER_TABLE])
  refuseOthers(tenant, objects, role)
  await refuseDoors(admin, tenant, schema, role)
  const leaving = [...owners.map(({ name }) => name), application].filter((name) => name !== role)
  const revoked = await revoking(admin, objects, leaving)
  if (revoked.length > 0) await revoke(admin, asRole(role, revoked), last)
  await endMembership(admin, role, owners, separateOwner || logsIn ? undefined : application)
  // A session that was reading who it is a member of while that changed may have missed it (acl.c): told again, it reads anew.
  if (last && !separateOwner && !logsIn) await admin.run(`alter role ${quoteIdentifier(role)} nologin`)
  if (separateOwner) await letApplicationIn(admin, objects, role, application)
  const staying = separateOwner ? [application] : []
  await closeSchema(
    admin,
    schema,
    leaving.filter((name) => !staying.includes(name)),
  )
}

/**
 * Takes privileges to objects back. An open transaction that changes one of them is not waited for the first time: its owner loses the
 * schema and the membership at once, and these when it has ended.
 */
async function revoke(admin: Admin, statements: string, last: boolean): Promise<void> {
  if (last) return void (await admin.run(statements))
  await admin.run(`set local lock_timeout = ${FIRST_LOCK_MS}`)
  await admin.attempt([SQLSTATE.LOCK_NOT_AVAILABLE], statements)
  await admin.run(`set local lock_timeout = ${ADMIN_LIMITS.lockTimeout}`)
}

/** Milliseconds for each lock. */
const FIRST_LOCK_MS = 200

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
