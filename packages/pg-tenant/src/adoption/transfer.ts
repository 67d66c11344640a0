import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { type Bounds, runBounded } from './bounded.ts'
import { alterOwner, type OwnedObject } from './objects.ts'
import type { EarlierOwner } from './survey.ts'

/** Gives objects to the tenant's role: each is locked exclusively, from then until the transaction ends. */
export async function giveTo(
  admin: Admin,
  objects: readonly OwnedObject[],
  role: string,
  bounds: Bounds,
  owners: readonly EarlierOwner[],
): Promise<void> {
  const others = objects.filter(({ ownerName }) => ownerName !== role)
  const statements = others.filter(({ follows }) => !follows).map((object) => alterOwner(object, role))
  await runBounded(admin, statements, bounds)
  // Before PostgreSQL 16 membership gives nothing to roles that do not inherit.
  const [server] = await admin.run(`select current_setting('server_version_num')::int >= 160000 as sixteen`)
  const left = new Set(
    owners.filter(({ inherits, superuser }) => !inherits && !superuser).map(({ oid }) => oid),
  )
  if (server?.sixteen || left.size === 0) return
  const grants = others.flatMap(({ owner, ownerName, grantKind, identity }) =>
    left.has(owner) && grantKind
      ? [`grant all on ${grantKind} ${identity} to ${quoteIdentifier(ownerName)}`]
      : [],
  )
  if (grants.length > 0) await admin.run(asRole(role, grants))
}

/** Statements of the owner of what they are about; none of them runs anybody's code. */
export function asRole(role: string, statements: readonly string[]): string {
  return [`set local role ${quoteIdentifier(role)}`, ...statements, 'set local role none'].join(';\n')
}
