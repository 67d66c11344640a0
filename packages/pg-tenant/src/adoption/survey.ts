import { isTenancyError } from '@org/core'
import type { Look } from '../doctor/read-only.ts'
import { markerOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { requireNoDependents } from '../lifecycle/dependents.ts'
import { REMEDY, readRunningKeys, readSharedRights, wordsOf } from '../lifecycle/falls-through.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'
import { type OwnedObject, objectsIn } from './objects.ts'
import type { Wanted } from './options.ts'
import { ownedByTenant, tenantsAmong } from './other-tenants.ts'
import { type EarlierOwner, type Facts, factsOf, ownersOf, PG_DATABASE_OWNER } from './survey-facts.ts'
import { surveyLogin } from './survey-login.ts'
import { ofAdministrator, ofApplication, outOfReach, roleMade, roleTaken } from './survey-roles.ts'
import { inSchema } from './survey-schema.ts'

/** What there is, as far as adopting it needs to know. */
export interface Survey {
  readonly findings: readonly AdoptionFinding[]
  readonly schema: Pick<OwnedObject, 'oid' | 'owner' | 'acl'> | undefined
  readonly objects: readonly OwnedObject[]
  readonly owners: readonly EarlierOwner[]
  readonly facts: Facts
  /** Whether the role is there and is to be the tenant's. */
  readonly kept: boolean
}

/**
 * Looks at everything that could be in the way, so that it is told of at once. It changes nothing and runs nobody's code: the
 * catalogue alone is read.
 *
 * @param books where the registry is
 * @param application the role the application logs in with
 * @param again whether the tenant was adopted already and only what came since is to be taken over
 */
export async function survey(
  look: Look,
  books: Look,
  lifecycle: Lifecycle,
  wanted: Wanted,
  application: string,
  again: boolean,
): Promise<Survey> {
  const { schema: name, role, tenant } = wanted
  const { level, naming, registry } = lifecycle
  const { logsIn, ownDatabase } = traitsOf(level)
  const facts = await factsOf(look, wanted, application)
  const findings: AdoptionFinding[] = [
    ...(facts.admin === role ? [] : ofAdministrator(facts)),
    ...ofApplication(facts, level, application),
  ]
  const add = (finding: AdoptionFinding | undefined) => finding && findings.push(finding)
  if (!ownDatabase) add(alreadyShared(lifecycle, name))
  if (!ownDatabase)
    for (const right of await readSharedRights(
      { run: (sql, values) => look(sql, values) },
      naming,
      level,
      application,
      registry.controlSchema,
    ))
      add({
        code: 'SHARED_RIGHTS',
        severity: 'error',
        subject: right.object,
        message: `${right.object} ${wordsOf(right)}.`,
        fix: REMEDY,
      })
  for (const key of await readRunningKeys({ run: (sql, values) => look(sql, values) }, naming, name))
    add({ code: 'SHARED_RIGHTS', severity: 'error', ...key })
  const kept = logsIn && facts.roleThere && !again
  if (kept) findings.push(...(await surveyLogin(look, lifecycle, wanted, application)))
  else if (!again) add(roleTaken(facts, role) ?? (logsIn ? roleMade(wanted) : undefined))
  if (facts.oid === null) {
    add({
      code: 'SCHEMA_NOT_FOUND',
      severity: 'error',
      subject: name,
      message: `There is no schema ${quoteIdentifier(name)} in database ${quoteIdentifier(facts.database)}.`,
      fix: await nearestTo(look, name),
    })
    return { findings, schema: undefined, objects: [], owners: [], facts, kept }
  }
  if (!again && facts.marked.length > 0) add(taken(name, facts.marked))
  const objects = await objectsIn(look, name, [markerOf(naming, tenant), LEDGER_TABLE])
  const schema = { oid: Number(facts.oid), owner: Number(facts.owner), acl: facts.acl }
  // The second time the schema is the administrator's because it was adopted.
  const owning = [...(again ? [] : [schema.owner]), ...objects.map(({ owner }) => owner)]
  // Nobody can be given that role, nor it anything: it is whoever owns the database.
  const owners = await ownersOf(
    look,
    owning.map((oid) => (oid === PG_DATABASE_OWNER ? Number(facts.databaseOwner) : oid)),
  )
  const asked = kept ? [...owners, { name: role }] : owners
  const tenants = await tenantsAmong(books, lifecycle, tenant, asked)
  if (kept && tenants.includes(role)) add(ownedByTenant(name, role))
  for (const owner of owners.filter((one) => !kept || one.name !== role))
    add(
      tenants.includes(owner.name)
        ? ownedByTenant(name, owner.name)
        : outOfReach(owner, name, objects, facts),
    )
  if (objects.length * 3 > facts.locks)
    add({
      code: 'TOO_MANY_OBJECTS',
      severity: 'error',
      subject: name,
      message: `There are ${objects.length} objects in it, and one transaction locks them all: the server has room for about ${facts.locks} locks.`,
      fix: `ALTER SYSTEM SET max_locks_per_transaction = ${Math.ceil((objects.length * 64 * 4) / Math.max(1, facts.locks))}; -- and restart`,
    })
  findings.push(...(await inSchema(look, name, application, role, ownDatabase)))
  add(await hangingOnIt(look, name))
  return { findings, schema, objects, owners, facts, kept }
}

function alreadyShared({ naming, registry }: Lifecycle, name: string): AdoptionFinding | undefined {
  if (name !== registry.controlSchema && !naming.sharedSchemas.includes(name)) return undefined
  const what =
    name === registry.controlSchema ? 'the control schema' : 'a schema that all tenants share (sharedSchemas)'
  return {
    code: 'SCHEMA_SHARED',
    severity: 'error',
    subject: name,
    message: `${quoteIdentifier(name)} is ${what}, so it cannot be one tenant's.`,
    ...(name !== registry.controlSchema && {
      fix: 'If it is one tenant’s all the same: leave it out of sharedSchemas (by default it is "public").',
    }),
  }
}

async function nearestTo(look: Look, name: string): Promise<string> {
  const found = await look<{ name: string }>(
    `select nspname as name from pg_namespace where regexp_replace(lower(nspname), '[^[:alnum:]]', '', 'g') = regexp_replace(lower($1), '[^[:alnum:]]', '', 'g')
       and nspname not like 'pg\\_%' order by 1 limit 3`,
    [name],
  )
  const names = found.map((one) => quoteIdentifier(one.name)).join(', ')
  return names === ''
    ? 'Say the name as the catalogue has it (pg_namespace), in its case.'
    : `There is ${names}: say that.`
}

function taken(schema: string, marked: readonly string[]): AdoptionFinding {
  return {
    code: 'SCHEMA_TAKEN',
    severity: 'error',
    subject: schema,
    message: `${quoteIdentifier(schema)} is a tenant's already: it has ${marked.map(quoteIdentifier).join(', ')}.`,
    fix: 'find(key) says whose. If no registry knows it: drop those tables, then adopt it.',
  }
}

async function hangingOnIt(look: Look, schema: string): Promise<AdoptionFinding | undefined> {
  try {
    await requireNoDependents({ run: (sql, values) => look(sql, values) }, schema, undefined)
    return undefined
  } catch (error) {
    if (!isTenancyError(error) || error.details.reason !== 'dependents') throw error
    return {
      code: 'REACHED_FROM',
      severity: 'warning',
      subject: schema,
      message: `Outside the schema there is what hangs on it: ${error.details.dependents}. Its owner loses its rights here with the confirmation.`,
      fix: 'GRANT what it needs to its owner, or move it.',
    }
  }
}
