import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { type Bounds, runBounded } from './bounded.ts'
import { alterOwner, type OwnedObject } from './objects.ts'
import type { EarlierOwner } from './survey.ts'

/**
 * Gives objects to the tenant's role, and at once to those who owned them, by name, what they could do with them: each is locked exclusively,
 * from then until the transaction ends.
 */
export async function giveTo(
  admin: Admin,
  objects: readonly OwnedObject[],
  role: string,
  bounds: Bounds,
  owners: readonly EarlierOwner[],
): Promise<void> {
  const others = objects.filter(({ ownerName }) => ownerName !== role)
  const statements = others.filter(({ follows }) => !follows).map((object) => alterOwner(object, role))
  const grants = grantsToOwners(others, owners)
  await runBounded(admin, grants.length > 0 ? [...statements, asRole(role, grants)] : statements, bounds)
}

/**
 * As members of the role they have all of it, but a session may go without: PostgreSQL loses the news of a membership that comes while the
 * session is listing those it has (`roles_is_member_of`), and before 16 a role that does not inherit has nothing by it. Privilege
 * lists are read under the lock of their table. One statement for all that is granted alike.
 */
function grantsToOwners(objects: readonly OwnedObject[], owners: readonly EarlierOwner[]): string[] {
  const names = new Map(owners.filter(({ superuser }) => !superuser).map(({ oid, name }) => [oid, name]))
  const alike = new Map<string, { readonly to: string; readonly on: string[] }>()
  for (const object of objects) {
    const [name, what] = [names.get(object.owner), rightsOfOwner(object)]
    if (name === undefined || what === '') continue
    const key = JSON.stringify([object.grantKind, what, name])
    const group = alike.get(key) ?? { to: quoteIdentifier(name), on: [] }
    group.on.push(object.identity)
    alike.set(key, group)
  }
  return [...alike].map(([key, { to, on }]) => {
    const [kind, what] = JSON.parse(key) as [string, string]
    return `grant ${what} on ${kind} ${on.join(', ')} to ${to}`
  })
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
