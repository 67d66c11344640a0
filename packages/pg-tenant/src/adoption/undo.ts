import { invalidOption, TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { markerOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { runOnForget } from '../lifecycle/hook.ts'
import { databaseOf, type Lifecycle } from '../lifecycle/lifecycle.ts'
import { endSessions, revokeConnect, setLogin } from '../lifecycle/login-role.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { allowConnect } from '../lifecycle/tenant-database.ts'
import { withoutDefaults } from '../lifecycle/tenant-schema.ts'
import { recordOf } from '../registry/registry.ts'
import { tenantNotFound } from '../registry/require-tenants.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { type Bounds, runBounded, tryAgain } from './bounded.ts'
import { type Known, refuseCode } from './code-since.ts'
import { requireAtRest } from './confirm.ts'
import { forgetTenant } from './forget-tenant.ts'
import { alone, type Home } from './home.ts'
import { alterOwner, type OwnedObject, objectsIn } from './objects.ts'
import { parseBounds, type UndoOptions } from './options.ts'
import { lookingAs } from './reference.ts'
import { restorePrivileges } from './restore-acl.ts'
import { ownersOf } from './survey-facts.ts'
import { type Before, beforeOf } from './table.ts'
import { asRole } from './transfer.ts'

/** See {@link Tenancy.undoAdoption}. */
export async function undoAdoption(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: UndoOptions = {},
): Promise<void> {
  const bounds = parseBounds(options)
  const { code = 'refuse' } = options
  if (code !== 'refuse' && code !== 'accept') throw invalidOption('code', '"refuse" or "accept"')
  const application = await prepare(lifecycle)
  const { adminPool, naming } = lifecycle
  await alone(lifecycle, tenant, databaseOf(lifecycle, tenant), async (home) => {
    const undoing = { lifecycle, tenant, application, home, bounds, acceptsCode: code === 'accept' }
    await tryAgain(bounds, () => inAdminTransaction(home.pool, (admin) => undo(admin, undoing)))
    // Behind what is undone there: until then the same call goes on.
    if (home.ownDatabase)
      await inAdminTransaction(adminPool, async (books) => {
        await runOnForget({ admin: books, lifecycle, tenant })
        await forgetTenant(books, lifecycle, tenant)
      })
  })
  naming.names.learn(tenant, { schema: null, role: null, database: null })
}

interface Undoing {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  readonly application: string
  readonly home: Home
  readonly bounds: Bounds
  readonly acceptsCode: boolean
}

/** Everything is given back, and what the library made is dropped; rows are what they are now. */
async function undo(admin: Admin, work: Undoing): Promise<void> {
  const { lifecycle, tenant, home, acceptsCode } = work
  const { naming, ofLevel, registry } = lifecycle
  const before = await home.write(admin, async (books) => {
    const record = await recordOf(books, registry, tenant)
    if (!record || record.status === 'deleted') throw tenantNotFound(tenant)
    // One of its own database that was cut off is not in service yet.
    if (!home.ownDatabase || record.status !== 'provisioning') requireAtRest(record)
    return await beforeOf(books, registry, tenant)
  })
  if (!before) throw tooLate(tenant)
  const [schema, marker] = [schemaOf(naming, tenant), markerOf(naming, tenant)]
  const role = ofLevel.ownerOf(lifecycle, tenant) ?? ''
  if (home.ownDatabase && !(await isMarked(admin, schema, marker))) return
  const ownOnly = before.keptRole && before.owners.length === 0
  const look = (known?: Known) => refuseCode(admin, tenant, schema, before.since, known)
  const known = acceptsCode || ownOnly ? undefined : await look()
  if (!home.ownDatabase) await runOnForget({ admin, lifecycle, tenant })
  await giveBack(admin, work, before, { schema, marker, role }, async () => {
    // guard: what the tenant changed while its tables were waited for; now it can change nothing more
    if (known) await look(known)
    if (!before.keptRole) await removeRole(admin, work, role)
    if (!home.ownDatabase) await forgetTenant(admin, lifecycle, tenant)
  })
}

async function isMarked(admin: Admin, schema: string, marker: string): Promise<boolean> {
  const [row] = await admin.run('select to_regclass($1) is not null as there', [qualify(schema, marker)])
  return row?.there === true
}

/** @param behind what else is done until the tables are let go: all of it within the bounds */
async function giveBack(
  admin: Admin,
  { lifecycle, tenant, application, bounds }: Undoing,
  before: Before,
  { schema, marker, role }: { readonly schema: string; readonly marker: string; readonly role: string },
  behind: () => Promise<void>,
): Promise<void> {
  const { separateOwner } = traitsOf(lifecycle.level)
  const nameOf = await ownerNames(admin, before, tenant)
  const objects = await objectsIn(lookingAs(admin), schema, [marker, LEDGER_TABLE])
  await admin.run(
    [
      ...withoutDefaults(schema, separateOwner ? application : role),
      ...(separateOwner ? [asRole(role, withoutDefaults(schema, application))] : []),
      ...[...new Set(before.owners)].map(
        (oid) => `grant create on schema ${quoteIdentifier(schema)} to ${quoteIdentifier(nameOf(oid))}`,
      ),
    ].join(';\n'),
  )
  if (!before.keptRole) await becomeMember(admin, role)
  const own = [marker, LEDGER_TABLE].map((table) => `drop table ${qualify(schema, table)}`)
  await runBounded(admin, [...own, ...givingBack(objects, before, role, nameOf)], bounds, async () => {
    if (before.keptRole) await endMemberships(admin, before, role, nameOf)
    await admin.run(
      `alter schema ${quoteIdentifier(schema)} owner to ${quoteIdentifier(nameOf(before.schema.owner))}`,
    )
    await restorePrivileges(admin, schema, objects, before)
    await behind()
  })
}

/** Of a role that stays, those who owned something are members no more. */
async function endMemberships(
  admin: Admin,
  { owners }: Before,
  role: string,
  nameOf: (oid: number) => string,
): Promise<void> {
  const [me] = await admin.run('select current_user::text as name')
  const members = [...new Set(owners)].map(nameOf).filter((name) => name !== me?.name)
  for (const name of members) await admin.run(`revoke ${quoteIdentifier(role)} from ${quoteIdentifier(name)}`)
}

/** The tenant's connections end with its role, and so does what it was let into. */
async function removeRole(admin: Admin, { lifecycle, tenant }: Undoing, role: string): Promise<void> {
  if (traitsOf(lifecycle.level).logsIn) {
    const database = databaseOf(lifecycle, tenant)
    await setLogin(admin, role, false)
    await endSessions(admin.run, role)
    if (database === undefined) await revokeConnect(admin, lifecycle.registry, role)
    else await allowConnect(admin, database, role, false)
  }
  await dropRole(admin, role, tenant)
}

/** What the tenant made since goes to whom the schema belonged; what somebody else made stays theirs. */
function givingBack(
  objects: readonly OwnedObject[],
  before: Before,
  role: string,
  nameOf: (oid: number) => string,
): string[] {
  const owners = new Map(
    before.objects.map(({ class: catalogue, oid, owner }) => [`${catalogue} ${oid}`, owner]),
  )
  return objects.flatMap((object) => {
    const was = owners.get(`${object.class} ${object.oid}`)
    // What a login has made that was there goes on being its own.
    if (object.follows || object.ownerName !== role || (was === undefined && before.keptRole)) return []
    const owner = nameOf(was ?? before.schema.owner)
    return owner === role ? [] : [alterOwner(object, owner)]
  })
}

async function ownerNames(admin: Admin, before: Before, tenant: TenantKey): Promise<(oid: number) => string> {
  const oids = [before.schema.owner, ...before.owners, ...before.objects.map(({ owner }) => owner)]
  const names = new Map((await ownersOf(lookingAs(admin), oids)).map(({ oid, name }) => [oid, name]))
  return (oid) => {
    const name = names.get(oid)
    if (name !== undefined) return name
    throw new TenancyError(
      'CONFLICT',
      'A role that owned something of the tenant before is not there any more. Nothing was changed.',
      {
        details: { tenant, reason: 'adoption' },
      },
    )
  }
}

/** To give something back one must have the rights of its owner. It ends with the role. */
async function becomeMember(admin: Admin, role: string): Promise<void> {
  const [me] = await admin.run(
    `select rolsuper as superuser, rolname as name, current_setting('server_version_num')::int >= 160000 as sixteen
     from pg_roles where rolname = current_user`,
  )
  if (me?.superuser) return
  const how = me?.sixteen ? ' with inherit true, set true' : ''
  await admin.run(`grant ${quoteIdentifier(role)} to ${quoteIdentifier(String(me?.name))}${how}`)
}

/** dependent_objects_still_exist */
const STILL_USED = ['2BP01']

/** Without DROP OWNED: whatever it still owns is somebody's data. */
async function dropRole(admin: Admin, role: string, tenant: TenantKey): Promise<void> {
  if (await admin.attempt(STILL_USED, `drop role ${quoteIdentifier(role)}`)) return
  throw new TenancyError(
    'CONFLICT',
    "The tenant's role owns something outside its schema, or was given rights to it. Nothing was changed; take that away first.",
    { details: { tenant, role, reason: 'adoption' } },
  )
}

function tooLate(tenant: TenantKey): TenancyError {
  return new TenancyError(
    'CONFLICT',
    'The tenant was not adopted, or that was confirmed: what was before is not known any more. Nothing was changed.',
    { details: { tenant, reason: 'adoption' } },
  )
}
