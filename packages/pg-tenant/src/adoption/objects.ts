import type { Look } from '../doctor/read-only.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/** Something in a schema that has an owner. */
export interface OwnedObject {
  /** OID of the catalogue it is in, e.g. 1259 for `pg_class`. */
  readonly class: number
  readonly oid: number
  /** As in ALTER: `table`, `routine`, `type` … */
  readonly kind: string
  /** As in GRANT; `undefined` for what nobody can be given rights to. */
  readonly grantKind: string | undefined
  /** Qualified and quoted, as in ALTER. */
  readonly identity: string
  readonly owner: number
  readonly ownerName: string
  /** A privilege list as text, as it is in the catalogue; of its columns by their numbers. */
  readonly acl: string | null
  readonly columns: Readonly<Record<string, string>> | null
  /** OIDs of roles that are named in those lists; 0 is PUBLIC. */
  readonly grantees: readonly number[]
  /** A sequence of a column: its owner is that of its table, whatever one asks. */
  readonly follows: boolean
}

// Everything in the schema that ALTER … OWNER TO knows, but for what belongs to an extension or is made for a range type and for the tables of this library.
// $1 the schema, $2 names of those tables, which count where they are the administrator's.
const OBJECTS = `with home as (select oid from pg_namespace where nspname = $1),
made (class, oid, owner, acl, follows) as (
  select 1259, c.oid, c.relowner, c.relacl, c.relkind = 'S' and exists (select from pg_depend d where d.classid = 1259 and d.objid = c.oid
      and d.refclassid = 1259 and d.deptype in ('a', 'i'))
    from home join pg_class c on c.relnamespace = home.oid
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and not (c.relname = any ($2::text[]) and c.relowner = (
      select oid from pg_roles where rolname = current_user))
  union all select 1255, p.oid, p.proowner, p.proacl, false from home join pg_proc p on p.pronamespace = home.oid
  union all select 1247, t.oid, t.typowner, t.typacl, false from home join pg_type t on t.typnamespace = home.oid
    where (t.typtype in ('b', 'c', 'd', 'e', 'r') or t.typtype = 'm' and current_setting('server_version_num')::int < 170000) and not exists (select from pg_type e where e.typarray = t.oid)
      and (t.typtype <> 'c' or (select r.relkind from pg_class r where r.oid = t.typrelid) = 'c')
  union all select 2617, o.oid, o.oprowner, null, false from home join pg_operator o on o.oprnamespace = home.oid
  union all select 2616, o.oid, o.opcowner, null, false from home join pg_opclass o on o.opcnamespace = home.oid
  union all select 2753, o.oid, o.opfowner, null, false from home join pg_opfamily o on o.opfnamespace = home.oid
  union all select 3456, o.oid, o.collowner, null, false from home join pg_collation o on o.collnamespace = home.oid
  union all select 2607, o.oid, o.conowner, null, false from home join pg_conversion o on o.connamespace = home.oid
  union all select 3602, o.oid, o.cfgowner, null, false from home join pg_ts_config o on o.cfgnamespace = home.oid
  union all select 3600, o.oid, o.dictowner, null, false from home join pg_ts_dict o on o.dictnamespace = home.oid
  union all select 3381, o.oid, o.stxowner, null, false from home join pg_statistic_ext o on o.stxnamespace = home.oid
)
select m.class, m.oid::int8::text as oid, i.type as kind, i.identity, m.owner::int8::text as owner, pg_get_userbyid(m.owner) as "ownerName",
  m.acl::text as acl, m.follows, (select jsonb_object_agg(a.attnum, a.attacl::text) from pg_attribute a
    where m.class = 1259 and a.attrelid = m.oid and a.attacl is not null) as columns,
  array(select a.grantee::int8::text from aclexplode(m.acl) a union select e.grantee::int8::text from pg_attribute a
    cross join lateral aclexplode(a.attacl) e where m.class = 1259 and a.attrelid = m.oid and a.attacl is not null) as grantees
from made m cross join lateral pg_identify_object(m.class, m.oid, 0) i
where not exists (select from pg_depend d where d.classid = m.class and d.objid = m.oid and (d.deptype = 'e' or d.deptype = 'i' and m.class = 1255))
order by m.class, m.oid`

/** What is in a schema, under a path that holds the catalogue alone. */
export async function objectsIn(
  look: Look,
  schema: string,
  own: readonly string[],
): Promise<readonly OwnedObject[]> {
  const rows = await look<OwnedObject>(OBJECTS, [schema, own])
  return rows.map((row) => ({
    ...row,
    oid: Number(row.oid),
    owner: Number(row.owner),
    grantees: row.grantees.map(Number),
    kind: kindOf(row.class, row.kind),
    grantKind: grantKindOf(row.class, row.kind),
  }))
}

/** ALTER TABLE and ALTER ROUTINE take all there is in pg_class and pg_proc. */
function kindOf(catalogue: number, type: string): string {
  if (catalogue === 1259) return 'table'
  if (catalogue === 1255) return 'routine'
  return type === 'statistics object' ? 'statistics' : type
}

function grantKindOf(catalogue: number, type: string): string | undefined {
  if (catalogue === 1259) return type === 'sequence' ? 'sequence' : 'table'
  return catalogue === 1255 ? 'routine' : catalogue === 1247 ? 'type' : undefined
}

export function alterOwner({ kind, identity }: Pick<OwnedObject, 'kind' | 'identity'>, role: string): string {
  return `alter ${kind} ${identity} owner to ${quoteIdentifier(role)}`
}
