import { TenancyError, type TenantKey } from '@org/core'
import { type Admin, inAdminTransaction } from '../admin/transaction.ts'
import { applicationOf } from '../doctor/application.ts'
import { readOnly } from '../doctor/read-only.ts'
import { markerOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { prepare } from '../lifecycle/prepare.ts'
import { allowApplication, allowOwner } from '../lifecycle/schema-owner.ts'
import { markSchema } from '../lifecycle/tenant-schema.ts'
import { lockTenant } from '../registry/locks.ts'
import { recordMigrations, register, registered } from '../registry/registry.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { tryAgain } from './bounded.ts'
import { transactionOf } from './code-since.ts'
import { type Baseline, baselineOf, examine, isUnconfirmed } from './examine.ts'
import { type Adoption, AdoptionRefused, isInTheWay } from './finding.ts'
import { type AdoptOptions, parseAdopt, type Wanted } from './options.ts'
import { lookingAs, migrationsUpTo } from './reference.ts'
import { keepRights, letApplicationIn } from './rights.ts'
import type { Survey } from './survey.ts'
import { beforeOf, keepBefore, withMore } from './table.ts'
import { giveTo } from './transfer.ts'

/** See {@link Tenancy.adopt}. */
export async function adopt(
  lifecycle: Lifecycle,
  tenant: TenantKey,
  options: AdoptOptions = {},
): Promise<Adoption> {
  const { adminPool, naming } = lifecycle
  requireAdoptable(lifecycle)
  const wanted = parseAdopt(lifecycle, tenant, options)
  const application = await applicationOf(lifecycle.pool)
  const again = await readOnly(adminPool, (look) => isUnconfirmed(look, lifecycle, tenant))
  const baseline = again ? SETTLED : await baselineOf(lifecycle, wanted, application)
  if (wanted.dryRun)
    return await readOnly(adminPool, async (look) => {
      return (await examine(look, lifecycle, wanted, baseline, application, again)).adoption
    })
  await prepare(lifecycle)
  const known = naming.names.of(tenant)
  try {
    return await tryAgain(wanted, () =>
      inAdminTransaction(adminPool, (admin) => takeOver(admin, lifecycle, wanted, baseline, application)),
    )
  } catch (error) {
    // What was learned of its names was rolled back with the rest.
    naming.names.learn(tenant, { schema: null, role: null, database: null, ...known })
    throw error
  }
}

/** Of a tenant that was adopted before: its ledger says what it has. */
const SETTLED: Baseline = { id: null, from: 'ledger', reference: undefined, findings: [] }

/** One transaction. Its last act locks the tables, so that they are locked as briefly as can be. */
async function takeOver(
  admin: Admin,
  lifecycle: Lifecycle,
  wanted: Wanted,
  baseline: Baseline,
  application: string,
): Promise<Adoption> {
  const { registry, level } = lifecycle
  const { tenant, role } = wanted
  await lockTenant(admin, registry, tenant)
  const earlier = await beforeOf(admin, registry, tenant)
  const { adoption, survey } = await examine(
    lookingAs(admin),
    lifecycle,
    wanted,
    baseline,
    application,
    earlier !== undefined,
  )
  if (isInTheWay(adoption.findings) || !survey.schema) throw new AdoptionRefused(tenant, adoption)
  if (!earlier) await furnish(admin, lifecycle, wanted, baseline, application)
  const before = { ...beforeIn(survey, survey.schema, role), since: await transactionOf(admin) }
  await keepBefore(admin, registry, tenant, earlier ? withMore(earlier, before) : before)
  const owners = survey.owners.filter(({ name }) => name !== role)
  await keepRights(admin, wanted, owners, survey.facts)
  await giveTo(admin, survey.objects, role, wanted, owners)
  if (traitsOf(level).ownerApart) await letApplicationIn(admin, survey.objects, role, application)
  return { ...adoption, adopted: true, earlierOwners: owners.map(({ name }) => name) }
}

/** Registry, role, marker and ledger. */
async function furnish(
  admin: Admin,
  lifecycle: Lifecycle,
  { tenant, schema, role, names, facts, reuse }: Wanted,
  { id }: Baseline,
  application: string,
): Promise<void> {
  const { level, naming, ofLevel, registry } = lifecycle
  const status = await register(admin, registry, tenant, level, { ...facts, reuse, names })
  await admin.run(`alter schema ${quoteIdentifier(schema)} owner to current_user`)
  await ofLevel.ensureRoles({ lifecycle, tenant, admin, session: undefined, application, status })
  const [marker, apart] = [markerOf(naming, tenant), traitsOf(level).ownerApart]
  await markSchema(admin, schema, marker, tenant, apart ? application : role)
  if (apart) {
    const home = { schema, marker, owner: role, application }
    await allowOwner(admin, home)
    await allowApplication(admin, home)
  }
  const has = migrationsUpTo(lifecycle, id).map(({ id, checksum }) => ({ id, checksum, durationMs: 0 }))
  if (has.length > 0) {
    await admin.run(
      `insert into ${qualify(schema, LEDGER_TABLE)} (id, checksum) select * from unnest($1::text[], $2::text[])`,
      [has.map(({ id }) => id), has.map(({ checksum }) => checksum)],
    )
    await recordMigrations(admin, registry, tenant, has)
  }
  await registered(admin, registry, tenant, id ?? undefined)
}

function beforeIn({ objects, owners }: Survey, schema: NonNullable<Survey['schema']>, role: string) {
  return {
    schema,
    objects: objects
      .filter(({ ownerName }) => ownerName !== role)
      .map(({ class: catalogue, oid, owner, acl, columns }) => ({
        class: catalogue,
        oid,
        owner,
        acl,
        columns,
      })),
    owners: owners.filter(({ name }) => name !== role).map(({ oid }) => oid),
  }
}

/** @throws TenancyError INVALID_OPTION */
export function requireAdoptable({ level, distributedSchemas }: Lifecycle): void {
  const { shared, logsIn } = traitsOf(level)
  if (!shared && !logsIn && !distributedSchemas) return
  throw new TenancyError(
    'INVALID_OPTION',
    distributedSchemas
      ? 'Distributed schemas cannot be adopted in place: Citus moves a schema when it is made. Restore a backup into a new tenant.'
      : `At level ${level} tenants cannot be adopted in place.`,
    { details: { option: 'isolation' } },
  )
}
