import { TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import type { TenantConnection } from '../credentials/connection.ts'
import { applicationOf } from '../doctor/application.ts'
import { readOnly } from '../doctor/read-only.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { lockTenant } from '../registry/locks.ts'
import { register } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { tryAgain } from './bounded.ts'
import { transactionOf } from './code-since.ts'
import { baselineOf, examine, isFurnished } from './examine.ts'
import { type Adoption, type AdoptionFinding, AdoptionRefused, isInTheWay, worstFirst } from './finding.ts'
import { forgetTenant } from './forget-tenant.ts'
import { furnish, settleBooks } from './furnish.ts'
import { alone, atHome, type Home } from './home.ts'
import type { Baseline, Known } from './known.ts'
import { tryLogin } from './login.ts'
import { type AdoptOptions, parseAdopt, type Wanted } from './options.ts'
import { lookingAs } from './reference.ts'
import { keepRights, letApplicationIn } from './rights.ts'
import type { Survey } from './survey.ts'
import { surveyDatabase } from './survey-database.ts'
import { type Before, beforeOf, keepBefore, withMore } from './table.ts'
import { giveTo } from './transfer.ts'

/** See {@link Tenancy.adopt}. */
export async function adopt(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: AdoptOptions = {},
): Promise<Adoption> {
  const { adminPool } = lifecycle
  requireAdoptable(lifecycle)
  const wanted = parseAdopt(lifecycle, tenant, options)
  const application = await applicationOf(lifecycle.pool)
  if (wanted.database === undefined)
    return await atHome(lifecycle, undefined, (home) => adoptAt({ lifecycle, wanted, application, home }, []))
  const { findings, reachable } = await readOnly(adminPool, (look) => surveyDatabase(look, lifecycle, wanted))
  if (!reachable) return refuse(wanted, findings)
  const work = (home: Home) => adoptAt({ lifecycle, wanted, application, home }, findings)
  if (wanted.dryRun) return await atHome(lifecycle, wanted.database, work)
  await prepare(lifecycle)
  return await alone(lifecycle, tenant, wanted.database, work)
}

/** One adoption. */
interface Work {
  readonly lifecycle: Lifecycle
  readonly wanted: Wanted
  readonly application: string
  readonly home: Home
}

async function adoptAt(work: Work, outside: readonly AdoptionFinding[]): Promise<Adoption> {
  const { lifecycle, wanted, application, home } = work
  const { naming } = lifecycle
  const again = await home.look((look, books) => isFurnished(look, books, lifecycle, wanted))
  const baseline = again ? SETTLED : await baselineOf(lifecycle, home.pool, wanted, application)
  const login =
    !again && (await isThere(home, wanted, lifecycle)) ? await tryLogin(lifecycle, wanted) : undefined
  const known = { again, baseline, login, outside }
  if (wanted.dryRun)
    return await home.look(async (look, books) => {
      return (await examine(look, books, lifecycle, wanted, known, application)).adoption
    })
  await prepare(lifecycle)
  const names = naming.names.of(wanted.tenant)
  try {
    const adoption = await tryAgain(wanted, () =>
      inAdminTransaction(home.pool, (admin) => takeOver(admin, work, known)),
    )
    if (home.ownDatabase) await settleBooksOfOwnDatabase(work)
    if (adoption.earlierOwners.length > 0) await tellAgain(work).catch(() => {})
    return adoption
  } catch (error) {
    if (home.ownDatabase && !again) await forgetUnlessThere(work)
    // What was learned of its names was rolled back with the rest.
    naming.names.learn(wanted.tenant, { schema: null, role: null, database: null, ...names })
    throw error
  }
}

/**
 * A session of an earlier owner that was listing whose member it is while that changed has not heard of it, and goes on without: what it may
 * is granted by name, but row-level security binds it, which passes over the owner's members alone. Told once more, it reads anew. A login
 * that was there keeps its attributes, whatever they are.
 */
async function tellAgain({ lifecycle, wanted, home }: Work): Promise<void> {
  if (traitsOf(lifecycle.level).logsIn) return
  await inAdminTransaction(home.pool, (admin) =>
    admin.run(`alter role ${quoteIdentifier(wanted.role)} noinherit`),
  )
}

/** What the tenant's own database says is true, also where an earlier run was cut off in between. */
async function settleBooksOfOwnDatabase({ lifecycle, wanted, home }: Work): Promise<void> {
  const { adminPool, migrations } = lifecycle
  const ledger = qualify(wanted.schema, LEDGER_TABLE)
  const has = await home.look((look) => look<{ id: string }>(`select id from ${ledger}`))
  const ids = new Set(has.map(({ id }) => id))
  const baseline = { id: migrations.findLast(({ id }) => ids.has(id))?.id ?? null }
  await inAdminTransaction(adminPool, (books) => settleBooks(books, lifecycle, wanted, baseline))
}

/** Of a tenant that was adopted before: its ledger says what it has. */
const SETTLED: Baseline = { id: null, from: 'ledger', reference: undefined, findings: [] }

async function isThere(home: Home, { role }: Wanted, { level }: Lifecycle): Promise<boolean> {
  if (!traitsOf(level).logsIn) return false
  return await home.look(
    async (look) => (await look('select from pg_roles where rolname = $1', [role])).length > 0,
  )
}

/** One transaction. Its last act locks the tables, so that they are locked as briefly as can be. */
async function takeOver(admin: Admin, work: Work, known: Known): Promise<Adoption> {
  const { lifecycle, wanted, application, home } = work
  const { registry, level } = lifecycle
  const { tenant, role } = wanted
  const earlier = await home.write(admin, async (books) => {
    await lockTenant(books, registry, tenant)
    return await beforeOf(books, registry, tenant)
  })
  const again = home.ownDatabase ? known.again : earlier !== undefined
  const { adoption, survey } = await home.write(admin, (books) =>
    examine(lookingAs(admin), lookingAs(books), lifecycle, wanted, { ...known, again }, application),
  )
  if (isInTheWay(adoption.findings) || !survey.schema) throw new AdoptionRefused(tenant, adoption)
  const since = await transactionOf(admin)
  const before = { ...beforeIn(survey, survey.schema, role), since }
  const status = await home.write(admin, async (books) => {
    const found = again ? undefined : await register(books, registry, tenant, level, registering(wanted))
    await keepBefore(books, registry, tenant, again && earlier ? withMore(earlier, before) : before)
    return found
  })
  let connection: TenantConnection | undefined
  if (status !== undefined)
    connection = await furnish(admin, { ...work, status, survey, known }, (write) => home.write(admin, write))
  const owners = survey.owners.filter(({ name }) => name !== role)
  await keepRights(admin, wanted, owners, survey.facts)
  await giveTo(admin, survey.objects, role, wanted, owners, async () => {
    if (traitsOf(level).separateOwner) await letApplicationIn(admin, survey.objects, role, application)
  })
  const earlierOwners = owners.map(({ name }) => name)
  return withConnection({ ...adoption, adopted: true, earlierOwners }, connection)
}

const registering = ({ facts, reuse, names }: Wanted) => ({ ...facts, reuse, names })

/** What the registry was told ahead of what then did not happen. What cannot be found out stays for the next run. */
async function forgetUnlessThere({ lifecycle, wanted, home }: Work): Promise<void> {
  const { adminPool, registry } = lifecycle
  try {
    if (await home.look((look, books) => isFurnished(look, books, lifecycle, wanted))) return
    await inAdminTransaction(adminPool, async (books) => {
      if (await beforeOf(books, registry, wanted.tenant)) await forgetTenant(books, lifecycle, wanted.tenant)
    })
  } catch {}
}

function refuse(wanted: Wanted, findings: readonly AdoptionFinding[]): Adoption {
  const { tenant, schema, role, dryRun } = wanted
  const adoption = {
    tenant,
    schema,
    role,
    adopted: false,
    baseline: null,
    baselineFrom: 'none',
    objects: 0,
    earlierOwners: [],
    findings: worstFirst(findings),
  }
  if (dryRun) return adoption
  throw new AdoptionRefused(tenant, adoption)
}

/** Not enumerable: `console.log` and JSON show nothing of it. */
function withConnection(adoption: Adoption, connection: TenantConnection | undefined): Adoption {
  return connection ? Object.defineProperty(adoption, 'connection', { value: connection }) : adoption
}

function beforeIn({ objects, owners, kept }: Survey, schema: Before['schema'], role: string) {
  return {
    schema,
    objects: objects
      .filter(({ ownerName }) => kept || ownerName !== role)
      .map(({ class: catalogue, oid, owner, acl, columns }) => ({
        class: catalogue,
        oid,
        owner,
        acl,
        columns,
      })),
    owners: owners.filter(({ name }) => name !== role).map(({ oid }) => oid),
    ...(kept && { keptRole: true as const }),
  }
}

/** @throws TenancyError INVALID_OPTION */
export function requireAdoptable({ level, distributedSchemas }: Lifecycle): void {
  if (!traitsOf(level).shared && !distributedSchemas) return
  throw new TenancyError(
    'INVALID_OPTION',
    distributedSchemas
      ? 'Distributed schemas cannot be adopted in place: Citus moves a schema when it is made. Restore a backup into a new tenant.'
      : `At level ${level} the tables of all tenants are adopted at once, where they are: doctor() says what is in the way, then provision(key).`,
    { details: { option: 'isolation' } },
  )
}
