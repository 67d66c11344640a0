import { SQLSTATE, TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { roleOf, schemaOf } from '../isolation/names.ts'
import { databaseOf, type Lifecycle } from '../lifecycle/lifecycle.ts'
import { fixSearchPath, grantConnect, setPassword } from '../lifecycle/login-role.ts'
import { allowConnect } from '../lifecycle/tenant-database.ts'
import { ensureRole } from '../lifecycle/tenant-role.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'
import type { Home } from './home.ts'
import { lookingAs } from './reference.ts'
import { surveyLogin } from './survey-login.ts'
import type { Before } from './table.ts'

/** An adoption that is being confirmed. */
export interface Work {
  readonly lifecycle: Lifecycle
  readonly tenant: TenantKey
  readonly application: string
  readonly home: Home
}

/** The tenant's login is what provisioning makes: nobody's member, at home in its schema, and let into no other database by us. */
export async function settleLogin(admin: Admin, work: Work, { keptRole, owners }: Before): Promise<void> {
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
