import { TenancyError, type TenantKey } from '@org/core'
import type { Admin } from '../admin/transaction.ts'

/** The transaction that is under way, as `tenant_adoption` keeps it. */
export async function transactionOf(admin: Admin): Promise<string> {
  const [row] = await admin.run('select pg_current_xact_id()::text as id')
  return String(row?.id)
}

// What runs with the rights of its owner or of whoever uses a table: whether the transaction that made or last changed it is younger than
// the adoption; one that gave an owner in the adoption itself is as old as that. And what it is, apart from whose. $1 schema, $2 the
// transaction of the adoption.
const CODE = `with home as (select oid from pg_namespace where nspname = $1)
select i.type || ' ' || i.identity as code, made.class || ' ' || made.oid as key, age(made.xmin) < age($2::xid8::xid) as since,
  md5((made.made - array['proowner', 'proacl'])::text) as print
from (
    select 1255 as class, p.oid, p.xmin, to_jsonb(p) as made from home join pg_proc p on p.pronamespace = home.oid
    union all select 2620, t.oid, t.xmin, to_jsonb(t) from home join pg_class c on c.relnamespace = home.oid join pg_trigger t on t.tgrelid = c.oid
      where not t.tgisinternal
    union all select 2618, w.oid, w.xmin, to_jsonb(w) from home join pg_class c on c.relnamespace = home.oid join pg_rewrite w on w.ev_class = c.oid
    union all select 3256, y.oid, y.xmin, to_jsonb(y) from home join pg_class c on c.relnamespace = home.oid join pg_policy y on y.polrelid = c.oid
  ) made cross join lateral pg_identify_object(made.class, made.oid, 0) i
order by 1`

/** What there is, and what each is. */
export type Known = ReadonlyMap<string, string>

/** Named in the error; the rest is counted. */
const NAMED = 20

/**
 * What a tenant wrote as its own role is about to be somebody's who may more: a function with its owner's rights, a view, a trigger that
 * fires when the earlier owner writes.
 *
 * @param known what was there at an earlier look: only what is another by now is refused. Whoever has changed the owners changed what says when
 * @throws TenancyError CONFLICT (`details.reason` `code`)
 */
export async function refuseCode(
  admin: Admin,
  tenant: TenantKey,
  schema: string,
  since: string,
  known?: Known,
): Promise<Known> {
  const rows = await admin.run(CODE, [schema, since])
  const isNew = (row: Record<string, unknown>) =>
    known ? known.get(String(row.key)) !== row.print : row.since === true
  const code = rows.filter(isNew).map((row) => String(row.code))
  if (code.length === 0) return new Map(rows.map((row) => [String(row.key), String(row.print)]))
  const named = code.slice(0, NAMED).join(', ')
  const more = code.length > NAMED ? ` and ${code.length - NAMED} more` : ''
  throw new TenancyError(
    'CONFLICT',
    `Since the adoption code was made or changed in the schema, which would run with the rights of whoever owned it before: ${named}${more}. ` +
      "Nothing was changed. Look at it; drop it, or give it with code: 'accept'.",
    { details: { tenant, reason: 'code', objects: named, count: code.length } },
  )
}
