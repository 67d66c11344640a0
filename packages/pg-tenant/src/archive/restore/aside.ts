import { randomBytes } from 'node:crypto'
import type { Admin } from '../../admin/transaction.ts'
import { requireNoDependents } from '../../lifecycle/dependents.ts'
import { standingOf } from '../../lifecycle/lifecycle.ts'
import { dropSchema } from '../../lifecycle/tenant-schema.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { openForOwner, type Place } from '../place.ts'
import type { Restoring } from './restoring.ts'
import { closeMarker, conflict, isEmpty, NOT_EMPTY } from './vacancy.ts'

/**
 * Makes way for a restore without touching what is there: in this transaction the tenant's schema has another name, for
 * everybody else it is as before, and scopes go on in it. Dropping it at once would keep others waiting for as long as the
 * archive takes (a foreign key to a shared table goes with an exclusive lock on that).
 *
 * @returns what is there now, if anything
 * @throws TenancyError CONFLICT when it has data and may not be replaced, or something outside hangs on it
 */
export async function moveAside(
  home: Admin,
  { lifecycle, place, replace, tenant }: Restoring,
): Promise<Place | undefined> {
  if ((await standingOf(home, lifecycle.naming, tenant)) === 'nothing') return undefined
  if (!replace && !(await isEmpty(home, place))) throw conflict(tenant, NOT_EMPTY)
  await requireNoDependents(home, place.schema, undefined)
  // A room looks at every table of its role, also where a suspended tenant is shut out.
  await openForOwner(home, place)
  const name = `_replaced_${randomBytes(12).toString('hex')}`
  await home.run(`alter schema ${quoteIdentifier(place.schema)} rename to ${quoteIdentifier(name)}`)
  return placeAt(place, name)
}

/** Drops what was moved aside, when the restored tenant is there and compared: waits for running scopes, and looks once more. */
export async function dropAside(home: Admin, aside: Place | undefined, restoring: Restoring): Promise<void> {
  if (!aside) return
  const { place, replace, tenant } = restoring
  await closeMarker(home, aside)
  if (!replace && !(await isEmpty(home, aside))) throw conflict(tenant, NOT_EMPTY)
  await requireNoDependents(home, aside.schema, undefined)
  for (const { grant } of await home.run(OTHERS, [aside.schema, place.owner ?? '', place.schema]))
    await home.run(String(grant))
  await dropSchema(home, aside.schema)
}

// Who else was let into the schema stays so: that is the administrator's word, not the archive's.
const OTHERS = `select format('grant %s on schema %I to %I', lower(a.privilege_type), $3::text, r.rolname) as grant
  from pg_namespace n cross join aclexplode(n.nspacl) a join pg_roles r on r.oid = a.grantee
  where n.nspname = $1 and r.rolname <> $2 and a.grantee <> n.nspowner`

/** The same place in a schema of another name. */
export function placeAt(place: Place, schema: string): Place {
  const { searchPath } = place
  const shared = searchPath.slice(quoteIdentifier(place.schema).length)
  return {
    ...place,
    schema,
    searchPath: quoteIdentifier(schema) + shared,
    marker: qualify(schema, place.markerName),
  }
}
