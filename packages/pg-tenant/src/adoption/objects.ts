import type { Look } from '../doctor/read-only.ts'
import { OWNED_OBJECTS } from '../lifecycle/owned-objects.ts'
import { quoteIdentifier } from '../sql/identifier.ts'

/** A privilege list: OID of the grantee (0 is PUBLIC), the privilege, whether it may be granted on. */
export type Grants = readonly (readonly [grantee: number, privilege: string, grantable: boolean])[]

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
  /** Who may what, `null` for the owner's default; of its columns by their numbers. */
  readonly acl: Grants | null
  readonly columns: Readonly<Record<string, Grants>> | null
  /** OIDs of roles that are named in those lists; 0 is PUBLIC. */
  readonly grantees: readonly number[]
  /** A sequence of a column: its owner is that of its table, whatever one asks. */
  readonly follows: boolean
}

/** A privilege list as it is kept: by OIDs, for roles may get other names. `null`: the default of its owner. */
const GRANTS = (list: string) => `case when ${list} is not null then coalesce((
    select jsonb_agg(jsonb_build_array(a.grantee::int8, a.privilege_type, a.is_grantable)) from aclexplode(${list}) a), '[]') end`

/** Of the schema itself, whose row is `n`. */
export const SCHEMA_GRANTS = GRANTS('n.nspacl')

// $1 the schema, $2 names of the tables of this library, which count where they are not the administrator's.
const OBJECTS = `with ${OWNED_OBJECTS}
select m.class::oid::int8::int as class, m.oid::int8::text as oid, i.type as kind, i.identity, m.owner::int8::text as owner,
  pg_get_userbyid(m.owner) as "ownerName", ${GRANTS('m.acl')} as acl, m.follows,
  (select jsonb_object_agg(a.attnum, ${GRANTS('a.attacl')}) from pg_attribute a
    where m.class = 1259 and a.attrelid = m.oid and a.attacl is not null) as columns,
  array(select a.grantee::int8::text from aclexplode(m.acl) a union select e.grantee::int8::text from pg_attribute a
    cross join lateral aclexplode(a.attacl) e where m.class = 1259 and a.attrelid = m.oid and a.attacl is not null) as grantees
from made m cross join lateral pg_identify_object(m.class, m.oid, 0) i
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
