import type { IsolationLevel } from '../isolation/isolation.ts'
import { traitsOf } from '../isolation/traits.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'
import { alterOwner, type OwnedObject } from './objects.ts'
import type { Wanted } from './options.ts'
import { type EarlierOwner, type Facts, PG_DATABASE_OWNER } from './survey-facts.ts'

// What is in the way about roles: the administrator's, the application's, the tenant's, the earlier owners'.

export function* ofAdministrator(facts: Facts): Generator<AdoptionFinding> {
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
export function* ofApplication(
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

export function roleTaken({ roleThere }: Facts, role: string): AdoptionFinding | undefined {
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
export function roleMade({ role, saysRole }: Wanted): AdoptionFinding | undefined {
  if (!saysRole) return undefined
  return {
    code: 'ROLE_MADE',
    severity: 'warning',
    subject: role,
    message: `There is no role ${quoteIdentifier(role)}: a login of that name is made, with a password of its own.`,
    fix: 'Nothing, if that is meant; else say the login that is there.',
  }
}

export function outOfReach(
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
