import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { OwnedObject } from './objects.ts'
import type { Before } from './table.ts'
import { type RightTo, together } from './together.ts'

// What is in a privilege list now and was not before, and the other way round. A list that is not written out means the owner's
// default, which it still does when it is. $1 [{class, oid, kind, identity, acl, columns}] as it was.
const DIFFERENCES = `with was as (
  select w.class, w.oid, w.kind, w.identity, nullif(w.acl, 'null') as acl, w.columns
  from jsonb_to_recordset($1::jsonb) w (class int, oid oid, kind text, identity text, acl jsonb, columns jsonb)
), lists as (
  select w.kind, w.identity, null::name as "column", w.acl as before, c.relacl as now, case c.relkind when 'S' then 's' else 'r' end::"char" as type, c.relowner as owner
    from was w join pg_class c on w.class = 1259 and c.oid = w.oid
  union all select w.kind, w.identity, a.attname, w.columns -> a.attnum::text, a.attacl, 'c', c.relowner
    from was w join pg_class c on w.class = 1259 and c.oid = w.oid join pg_attribute a on a.attrelid = c.oid and not a.attisdropped
    where a.attacl is not null or w.columns ? a.attnum::text
  union all select w.kind, w.identity, null, w.acl, p.proacl, 'f', p.proowner from was w join pg_proc p on w.class = 1255 and p.oid = w.oid
  union all select w.kind, w.identity, null, w.acl, t.typacl, 'T', t.typowner from was w join pg_type t on w.class = 1247 and t.oid = w.oid
  union all select w.kind, w.identity, null, w.acl, n.nspacl, 'n', n.nspowner from was w join pg_namespace n on w.class = 2615 and n.oid = w.oid
), items as (
  select l.kind, l.identity, l."column", false as was, a.grantee, a.privilege_type, a.is_grantable
    from lists l cross join lateral aclexplode(coalesce(l.now, acldefault(l.type, l.owner))) a
  union all
  select l.kind, l.identity, l."column", true, a.grantee, a.privilege_type, a.is_grantable
    from lists l cross join lateral aclexplode(acldefault(l.type, l.owner)) a where l.before is null
  union all
  select l.kind, l.identity, l."column", true, (g.item ->> 0)::int8::oid, g.item ->> 1, (g.item ->> 2)::boolean
    from lists l cross join lateral jsonb_array_elements(l.before) g (item)
), changed as (
  select kind, identity, "column", grantee, privilege_type, is_grantable, bool_or(was) as was from items
  where grantee = 0 or exists (select from pg_roles r where r.oid = grantee)
  group by 1, 2, 3, 4, 5, 6 having bool_or(was) = bool_and(was)
)
select kind, identity, "column", case grantee when 0 then null else pg_get_userbyid(grantee) end as grantee,
  privilege_type as what, is_grantable as grantable, was
from changed order by was, kind, identity, what`

interface Difference {
  readonly kind: string
  readonly identity: string
  readonly column: string | null
  readonly grantee: string | null
  readonly what: string
  readonly grantable: boolean
  readonly was: boolean
}

/** Makes the privileges to a schema, and to what is in it, what they were. Owners are to be what they were already. */
export async function restorePrivileges(
  admin: Admin,
  schema: string,
  objects: readonly OwnedObject[],
  before: Before,
): Promise<void> {
  const now = new Map(objects.map((one) => [`${one.class} ${one.oid}`, one]))
  const lists = before.objects.flatMap((one) => {
    const object = now.get(`${one.class} ${one.oid}`)
    return object?.grantKind ? [{ ...one, kind: object.grantKind, identity: object.identity }] : []
  })
  const home = {
    class: 2615,
    ...before.schema,
    kind: 'schema',
    identity: quoteIdentifier(schema),
    columns: null,
  }
  const found = await admin.run<Difference>(DIFFERENCES, [JSON.stringify([home, ...lists])])
  if (found.length > 0) await admin.run(together(found.map(rightOf)).join(';\n'))
}

/** Revokes come first: what is to be without the option to grant it on is granted anew. */
function rightOf({ kind, identity, column, grantee, what, grantable, was }: Difference): RightTo {
  return {
    verb: was ? 'grant' : 'revoke',
    what: column === null ? what : `${what} (${quoteIdentifier(column)})`,
    kind,
    identity,
    role: grantee === null ? 'public' : quoteIdentifier(grantee),
    how: was ? (grantable ? ' with grant option' : '') : ' cascade',
  }
}
