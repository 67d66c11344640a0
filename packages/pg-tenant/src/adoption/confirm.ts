import { invalidOption, SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import { ADMIN_LIMITS, type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { markerOf, roleOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { databaseOf, type Lifecycle } from '../lifecycle/lifecycle.ts'
import { fixSearchPath, grantConnect, setPassword } from '../lifecycle/login-role.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { allowConnect } from '../lifecycle/tenant-database.ts'
import { ensureRole } from '../lifecycle/tenant-role.ts'
import type { TenantRecord } from '../registry/record.ts'
import { recordOf } from '../registry/registry.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { tryAgain } from './bounded.ts'
import { refuseDoors } from './doors.ts'
import { earlierTransactionsEnd } from './earlier-transactions.ts'
import type { AdoptionFinding } from './finding.ts'
import { alone, type Home } from './home.ts'
import { type OwnedObject, objectsIn } from './objects.ts'
import { type ConfirmOptions, parseBounds } from './options.ts'
import { lookingAs } from './reference.ts'
import { letApplicationIn } from './rights.ts'
import { type EarlierOwner, ownersOf } from './survey-facts.ts'
import { surveyLogin } from './survey-login.ts'
import { type Before, beforeOf, forgetBefore } from './table.ts'
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

interface Work {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  readonly application: string
  readonly home: Home
}

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
    if (!record || record.status === 'deleted') throw unknown(tenant)
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

/** The tenant's login is what provisioning makes: nobody's member, at home in its schema, and let into no other database by us. */
async function settleLogin(admin: Admin, work: Work, { keptRole, owners }: Before): Promise<void> {
  const { lifecycle, tenant, application } = work
  const { naming, registry } = lifecycle
  const [role, schema] = [roleOf(naming, tenant), schemaOf(naming, tenant)]
  const database = databaseOf(lifecycle, tenant)
  if (keptRole) {
    // guard: it may have been given more since
    const found = await surveyLogin(lookingAs(admin), lifecycle, { role, schema }, application)
    refuseUnfit(tenant, found)
    await ensureRole(admin, role, { login: true, application: undefined })
    // What is said of a database comes before what is said of the role, which would only be in doctor's way.
    await admin.run(`alter role ${quoteIdentifier(role)} reset search_path`)
    await fixSearchPath(admin, { lifecycle, tenant }, database)
  }
  if (owners.length > 0) await sayPasswordAgain(admin, work)
  if (database !== undefined) return await closeDatabase(admin, database, role)
  if (!keptRole) return
  await grantConnect(admin, registry, role)
  const [here] = await admin.run('select current_database() as name')
  const revoke = `revoke create on database ${quoteIdentifier(String(here?.name))} from ${quoteIdentifier(role)}`
  await admin.attempt([SQLSTATE.INSUFFICIENT_PRIVILEGE], revoke)
}

/** guard: earlier owners were members, so they could give the role a password of theirs (ALTER ROLE), and get in with it for good */
async function sayPasswordAgain(admin: Admin, { lifecycle, tenant, home }: Work): Promise<void> {
  const { keeper } = lifecycle.ofLevel
  if (!keeper) return
  await home.write(admin, async (books) => {
    if ((await keeper.chosen(books, tenant)) === undefined) return
    await setPassword({ admin, lifecycle, tenant }, keeper, false, databaseOf(lifecycle, tenant), books)
  })
}

// $1 the database, $2 the tenant's role.
const LET_IN = `select distinct case a.grantee when 0 then null else pg_get_userbyid(a.grantee) end as name
from pg_database d cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
where d.datname = $1 and a.grantee <> d.datdba and pg_get_userbyid(a.grantee) <> $2`

/** The administrator owns it, and beside him the tenant alone gets in. */
async function closeDatabase(admin: Admin, database: string, role: string): Promise<void> {
  const name = quoteIdentifier(database)
  await admin.run(`alter database ${name} owner to current_user`)
  // guard: who owned it set with what every session in it begins
  await admin.run(`alter database ${name} reset search_path; alter database ${name} reset role`)
  const others = await admin.run(LET_IN, [database, role])
  const from = others.map((one) => (one.name === null ? 'public' : quoteIdentifier(String(one.name))))
  if (from.length > 0) await admin.run(`revoke all on database ${name} from ${from.join(', ')} cascade`)
  await admin.run(`revoke all on database ${name} from ${quoteIdentifier(role)}`)
  await allowConnect(admin, database, role, true)
}

function refuseUnfit(tenant: TenantKey, findings: readonly AdoptionFinding[]): void {
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length === 0) return
  const text = errors.map(({ message, fix }) => `${message} ${fix ?? ''}`).join(' ')
  throw new TenancyError('CONFLICT', `It is not confirmed. ${text}`, {
    details: { tenant, reason: 'adoption', findings: errors.map(({ code }) => code).join(', ') },
  })
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
