import type { Admin } from '../admin/transaction.ts'
import type { TenantConnection } from '../credentials/connection.ts'
import { keepCredential } from '../credentials/table.ts'
import { markerOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { fixSearchPath, grantConnect, setLogin, setPassword } from '../lifecycle/login-role.ts'
import { allowApplication, allowOwner } from '../lifecycle/schema-owner.ts'
import { allowConnect } from '../lifecycle/tenant-database.ts'
import { ensureRole } from '../lifecycle/tenant-role.ts'
import { markSchema } from '../lifecycle/tenant-schema.ts'
import type { TenantStatus } from '../registry/record.ts'
import { recordMigrations, registered } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { Home } from './home.ts'
import type { Baseline, Known } from './known.ts'
import type { Wanted } from './options.ts'
import { migrationsUpTo } from './reference.ts'
import type { Survey } from './survey.ts'

interface Furnishing {
  readonly lifecycle: Lifecycle
  readonly wanted: Wanted
  readonly application: string
  readonly home: Home
  readonly status: TenantStatus
  readonly survey: Survey
  readonly known: Known
}

/** Writes down in the registry's database: in the same transaction or, where the tenant's is another, in one of its own. */
type Write = <T>(fn: (books: Admin) => Promise<T>) => Promise<T>

/** Role, marker and ledger, where the tenant's data is. @returns its own connection, where a password was set now */
export async function furnish(
  admin: Admin,
  work: Furnishing,
  write: Write,
): Promise<TenantConnection | undefined> {
  const { lifecycle, wanted, application, home, status, known } = work
  const { level, naming, ofLevel } = lifecycle
  const { tenant, schema, role } = wanted
  await admin.run(`alter schema ${quoteIdentifier(schema)} owner to current_user`)
  const { logsIn, separateOwner } = traitsOf(level)
  const connection = logsIn
    ? await ensureLogin(admin, work, write)
    : await ofLevel.ensureRoles({ lifecycle, tenant, admin, session: undefined, application, status })
  const own = {
    schema,
    marker: markerOf(naming, tenant),
    owner: role,
    member: separateOwner ? application : role,
  }
  await markSchema(admin, own, tenant)
  if (separateOwner) {
    await allowOwner(admin, own)
    await allowApplication(admin, own)
  }
  const has = migrationsUpTo(lifecycle, known.baseline.id)
  if (has.length > 0)
    await admin.run(
      `insert into ${qualify(schema, LEDGER_TABLE)} (id, checksum) select * from unnest($1::text[], $2::text[])`,
      [has.map(({ id }) => id), has.map(({ checksum }) => checksum)],
    )
  if (!home.ownDatabase) await settleBooks(admin, lifecycle, wanted, known.baseline)
  return connection
}

/** The registry has all of it: from COMMIT on it is a tenant. */
export async function settleBooks(
  books: Admin,
  lifecycle: Lifecycle,
  { tenant }: Wanted,
  { id }: Pick<Baseline, 'id'>,
): Promise<void> {
  const { registry } = lifecycle
  const has = migrationsUpTo(lifecycle, id).map(({ id, checksum }) => ({ id, checksum, durationMs: 0 }))
  if (has.length > 0) await recordMigrations(books, registry, tenant, has)
  await registered(books, registry, tenant, id ?? undefined)
}

/** A login that is there stays as it is until the confirmation, but for a password that it is to have. */
async function ensureLogin(
  admin: Admin,
  { lifecycle, wanted, survey, known }: Furnishing,
  write: Write,
): Promise<TenantConnection | undefined> {
  const { registry, ofLevel } = lifecycle
  const { tenant, role, database } = wanted
  const { keeper } = ofLevel
  if (!keeper) return undefined
  const whose = { admin, lifecycle, tenant }
  const anew = (chosenAnew: boolean) =>
    write((books) => setPassword(whose, keeper, chosenAnew, database, books))
  if (survey.kept) {
    const { password } = known.login ?? {}
    if (password === undefined) return await anew(true)
    const sealed = await keeper.toStore(tenant, password)
    await write((books) => keepCredential(books, registry, tenant, role, sealed))
    return undefined
  }
  await ensureRole(admin, role, { login: true, application: undefined })
  await setLogin(admin, role, true)
  if (database === undefined) await grantConnect(admin, registry, role)
  else await allowConnect(admin, database, role, true)
  await fixSearchPath(admin, whose, database)
  return await anew(false)
}
