import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { OwnedObject } from './objects.ts'
import type { Wanted } from './options.ts'
import type { EarlierOwner, Facts } from './survey-facts.ts'
import { type RightTo, together } from './together.ts'
import { asRole } from './transfer.ts'

/**
 * Lets those who owned something go on as before: as members of the tenant's role they may whatever its owner may. What they could
 * do with each object `giveTo` writes out.
 */
export async function keepRights(
  admin: Admin,
  { role, schema }: Wanted,
  owners: readonly EarlierOwner[],
  { sixteen }: Facts,
): Promise<void> {
  const home = quoteIdentifier(schema)
  const statements = owners.flatMap(({ name, superuser }) => {
    if (superuser) return []
    const owner = quoteIdentifier(name)
    const inSchema = `grant usage, create on schema ${home} to ${owner}`
    const member = `grant ${quoteIdentifier(role)} to ${owner}${sixteen ? ' with inherit true, set true' : ''}`
    // No lock keeps others from the schema: a session may hear of its new owner a moment ahead of who is a member of whom.
    return [member, inSchema]
  })
  if (statements.length > 0) await admin.run(statements.join(';\n'))
}

// $1 the role, $2 OIDs of relations. What a scope of level `schema` needs and does not have.
const LACKING = `select c.oid::int8::text as oid, string_agg(r.what, ', ' order by r.what) as what
from pg_class c cross join lateral unnest(case c.relkind when 'S' then array['usage', 'select'] else
  array['select', 'insert', 'update', 'delete'] end) r (what)
where c.oid = any ($2::oid[]) and not case c.relkind when 'S' then has_sequence_privilege($1, c.oid, r.what)
  else has_table_privilege($1, c.oid, r.what) end
group by c.oid`

/** Where scopes run as the application, it is to use every tenant's tables. */
export async function letApplicationIn(
  admin: Admin,
  objects: readonly OwnedObject[],
  role: string,
  application: string,
): Promise<void> {
  const relations = new Map(objects.filter(({ class: one }) => one === 1259).map((one) => [one.oid, one]))
  const lacking = await admin.run(LACKING, [application, [...relations.keys()]])
  const rights = lacking.flatMap(({ oid, what }): RightTo[] => {
    const { grantKind: kind, identity } = relations.get(Number(oid)) ?? {}
    if (kind === undefined || identity === undefined) return []
    return [
      { verb: 'grant', what: String(what), kind, identity, role: quoteIdentifier(application), how: '' },
    ]
  })
  const grants = together(rights)
  if (grants.length > 0) await admin.run(asRole(role, grants))
}
