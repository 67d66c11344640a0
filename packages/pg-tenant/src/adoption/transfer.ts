import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { type Bounds, runBounded } from './bounded.ts'
import { alterOwner, type OwnedObject } from './objects.ts'
import type { EarlierOwner } from './survey-facts.ts'
import { type RightTo, together } from './together.ts'

/**
 * Gives objects to the tenant's role, and at once to those who owned them, by name, what they could do with them: each is locked exclusively,
 * from then until the transaction ends.
 *
 * @param behind what is left to do under these locks
 */
export async function giveTo(
  admin: Admin,
  objects: readonly OwnedObject[],
  role: string,
  bounds: Bounds,
  owners: readonly EarlierOwner[],
  behind: () => Promise<void>,
): Promise<void> {
  const others = objects.filter(({ ownerName }) => ownerName !== role)
  const statements = others.filter(({ follows }) => !follows).map((object) => alterOwner(object, role))
  const grants = grantsToOwners(others, owners)
  await runBounded(
    admin,
    grants.length > 0 ? [...statements, asRole(role, grants)] : statements,
    bounds,
    behind,
  )
}

/**
 * As members of the role they have all of it, but a session may go without: PostgreSQL loses the news of a membership that comes while the
 * session is listing those it has (`roles_is_member_of`), and before 16 a role that does not inherit has nothing by it. Privilege
 * lists are read under the lock of their table. One statement for all that is granted alike.
 */
function grantsToOwners(objects: readonly OwnedObject[], owners: readonly EarlierOwner[]): string[] {
  const names = new Map(owners.filter(({ superuser }) => !superuser).map(({ oid, name }) => [oid, name]))
  return together(
    objects.flatMap((object): RightTo[] => {
      const [name, what] = [names.get(object.owner), rightsOfOwner(object)]
      if (name === undefined || what === '' || !object.grantKind) return []
      const { grantKind: kind, identity } = object
      return [{ verb: 'grant', what, kind, identity, role: quoteIdentifier(name), how: '' }]
    }),
  )
}

/** What the owner may. By default that is all with a relation; with a routine or a type everybody may it, who goes on so. */
function rightsOfOwner({ class: catalogue, grantKind, acl, owner }: OwnedObject): string {
  if (!grantKind) return ''
  if (acl === null) return catalogue === 1259 ? 'all' : ''
  return acl.flatMap(([grantee, what]) => (grantee === owner ? [what] : [])).join(', ')
}

/** Statements of the owner of what they are about; none of them runs anybody's code. */
export function asRole(role: string, statements: readonly string[]): string {
  return [`set local role ${quoteIdentifier(role)}`, ...statements, 'set local role none'].join(';\n')
}
