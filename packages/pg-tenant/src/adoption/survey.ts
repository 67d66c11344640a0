import { isTenancyError } from '@org/core'
import type { Look } from '../doctor/read-only.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import { markerOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { LEDGER_TABLE } from '../lifecycle/apply-migrations.ts'
import { requireNoDependents } from '../lifecycle/dependents.ts'
import { REMEDY, readSharedRights, wordsOf } from '../lifecycle/falls-through.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'
import { alterOwner, type Grants, type OwnedObject, objectsIn, SCHEMA_GRANTS } from './objects.ts'
import type { Wanted } from './options.ts'
import { ownedByTenant, tenantsAmong } from './other-tenants.ts'
import { surveyLogin } from './survey-login.ts'
import { inSchema } from './survey-schema.ts'

/** A role that owns something in the schema, or the schema. */
export interface EarlierOwner {
  readonly oid: number
  readonly name: string
  readonly superuser: boolean
  /** Whether it has the rights of roles it is a member of without asking; decides before PostgreSQL 16. */
  readonly inherits: boolean
  /** Whether the administrator has its rights and may become it. */
  readonly within: boolean
}

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

export interface Facts {
  readonly admin: string
  readonly superuser: boolean
  readonly createsRoles: boolean
  readonly mayCreate: boolean
  readonly database: string
  readonly sixteen: boolean
  readonly oid: string | null
  readonly owner: string | null
  readonly acl: Grants | null
  /** OID of who owns the database. */
  readonly databaseOwner: string
  /** Tables of this library that are there. */
  readonly marked: readonly string[]
  readonly roleThere: boolean
  readonly applicationInherits: boolean
  /** How many locks one transaction can have at most, about. */
  readonly locks: number
}

// $1 schema, $2 role, $3 application.
const FACTS = `select me.rolname as admin, me.rolsuper as superuser, me.rolsuper or me.rolcreaterole as "createsRoles",
  has_database_privilege(me.oid, current_database(), 'create') as "mayCreate", current_database() as database,
  current_setting('server_version_num')::int >= 160000 as sixteen,
  (select datdba::int8::text from pg_database where datname = current_database()) as "databaseOwner",
  n.oid::int8::text as oid, n.nspowner::int8::text as owner, ${SCHEMA_GRANTS} as acl,
  array(select c.relname::text from pg_class c where c.relnamespace = n.oid and c.relkind = 'r' and starts_with(c.relname, '_tenant_')) as marked,
  exists (select from pg_roles r where r.rolname = $2) as "roleThere",
  coalesce((select rolinherit and not rolsuper from pg_roles where rolname = $3), false) as "applicationInherits",
  current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int
    + current_setting('max_prepared_transactions')::int) as locks
from pg_roles me left join pg_namespace n on n.nspname = $1 where me.rolname = current_user`

// $1 OIDs of roles.
const OWNERS = `select r.oid::int8::text as oid, r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherits,
  pg_has_role(current_user, r.oid, 'usage') and pg_has_role(current_user, r.oid,
    case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) as within
from pg_roles r where r.oid = any ($1::oid[]) order by r.rolname`

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
  const [facts] = (await look<Facts>(FACTS, [name, role, application])) as [Facts]
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

/** OID of the role `pg_database_owner`, to whom the schema `public` belongs (src/include/catalog/pg_authid.dat). */
const PG_DATABASE_OWNER = 6171

/** The roles of some OIDs. */
export async function ownersOf(look: Look, oids: readonly number[]): Promise<readonly EarlierOwner[]> {
  const rows = await look<EarlierOwner>(OWNERS, [[...new Set(oids)]])
  return rows.map((row) => ({ ...row, oid: Number(row.oid) }))
}

function* ofAdministrator(facts: Facts): Generator<AdoptionFinding> {
  const admin = quoteIdentifier(facts.admin)
  const lacks = (message: string, fix: string): AdoptionFinding => ({
    code: 'ADMINISTRATOR_LACKS',
    severity: 'error',
    subject: facts.admin,
    message: `The administrator (adminPool) ${message}.`,
    fix,
  })
  if (!facts.createsRoles) yield lacks('may not create roles', `ALTER ROLE ${admin} CREATEROLE;`)
  if (!facts.mayCreate)
    yield lacks(
      'may not own a schema of the database',
      `GRANT CREATE ON DATABASE ${quoteIdentifier(facts.database)} TO ${admin};`,
    )
}

/** Before PostgreSQL 16 whoever inherits would see every tenant in unscoped queries. */
function* ofApplication(
  facts: Facts,
  level: IsolationLevel,
  application: string,
): Generator<AdoptionFinding> {
  if (!traitsOf(level).ownRole || facts.sixteen || !facts.applicationInherits) return
  yield {
    code: 'APPLICATION_INHERITS',
    severity: 'error',
    subject: application,
    message:
      "The application's role inherits the rights of roles it is a member of, so unscoped queries would see every tenant.",
    fix: `ALTER ROLE ${quoteIdentifier(application)} NOINHERIT;`,
  }
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

function roleTaken({ roleThere }: Facts, role: string): AdoptionFinding | undefined {
  if (!roleThere) return undefined
  return {
    code: 'ROLE_EXISTS',
    severity: 'error',
    subject: role,
    message: `A role ${quoteIdentifier(role)} is there already. The tenant's is made for it, so that it has nothing else.`,
    fix: 'Say another name (role: …), or drop that role.',
  }
}

/** A name that was said, perhaps for one that is there. */
function roleMade({ role, saysRole }: Wanted): AdoptionFinding | undefined {
  if (!saysRole) return undefined
  return {
    code: 'ROLE_MADE',
    severity: 'warning',
    subject: role,
    message: `There is no role ${quoteIdentifier(role)}: a login of that name is made, with a password of its own.`,
    fix: 'Nothing, if that is meant; else say the login that is there.',
  }
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

function outOfReach(
  { oid, name, superuser, within }: EarlierOwner,
  schema: string,
  objects: readonly OwnedObject[],
  { admin, owner: schemaOwner, databaseOwner }: Facts,
): AdoptionFinding | undefined {
  if (within) return undefined
  const theirs = objects.filter(({ owner, follows }) => owner === oid && !follows)
  // REASSIGN OWNED is refused for the role that a server was made with.
  const hasSchema = (Number(schemaOwner) === PG_DATABASE_OWNER ? databaseOwner : schemaOwner) === String(oid)
  const handedOver = [
    ...theirs.map((object) => alterOwner(object, admin)),
    ...(hasSchema ? [`alter schema ${quoteIdentifier(schema)} owner to ${quoteIdentifier(admin)}`] : []),
  ]
  const fix = superuser
    ? handedOver.map((statement) => `${statement};`).join(' ')
    : `GRANT ${quoteIdentifier(name)} TO ${quoteIdentifier(admin)};`
  return {
    code: 'OWNER_OUT_OF_REACH',
    severity: 'error',
    subject: name,
    message: `The administrator does not have the rights of ${quoteIdentifier(name)}, who owns ${theirs.length || 'none'} of the objects${theirs.length ? '' : ', but the schema'}.`,
    fix: `As a superuser, or whoever administers that role: ${fix}`,
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
