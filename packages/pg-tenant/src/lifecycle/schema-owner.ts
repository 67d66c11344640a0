import type { Admin } from '../admin/transaction.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import { OWNED_OBJECTS } from './owned-objects.ts'
import { setUsage, TABLE_RIGHTS, type TenantSchema } from './tenant-schema.ts'

// Level `schema`: what migrations make belongs to the tenant's role, which nobody acts as but the administrator, in the
// tenant's room; scopes use it as the application.

/** Whose schema it is, and for whom. */
export interface SchemaOwner extends TenantSchema {
  /** The tenant's role. */
  readonly owner: string
}

/** Lets the owner make something in the schema, which whoever is to own something must be able to. */
export async function grantCreate(
  admin: Admin,
  { schema, owner }: Pick<SchemaOwner, 'schema' | 'owner'>,
): Promise<void> {
  await admin.run(`grant create on schema ${quoteIdentifier(schema)} to ${quoteIdentifier(owner)}`)
}

/** Lets the owner read whose schema it is; see {@link ownershipState}. */
export async function grantMarker(
  admin: Admin,
  { schema, marker, owner }: Omit<SchemaOwner, 'member'>,
): Promise<void> {
  await admin.run(`grant select on ${qualify(schema, marker)} to ${quoteIdentifier(owner)}`)
}

/** All rights of an owner, and the application's to what it will make. */
export async function allowOwner(admin: Admin, home: SchemaOwner): Promise<void> {
  await grantCreate(admin, home)
  await grantMarker(admin, home)
  await setUsage(admin, home.schema, [home.owner], true)
}

/** Lets the application use what the owner will make: default privileges are whose who makes the objects. */
export async function allowApplication(admin: Admin, { schema, owner, member }: SchemaOwner): Promise<void> {
  const [home, role, user] = [schema, owner, member].map(quoteIdentifier)
  const defaults = `alter default privileges in schema ${home} grant`
  await admin.run(
    `set local role ${role};
     ${defaults} ${TABLE_RIGHTS} on tables to ${user};
     ${defaults} usage, select on sequences to ${user};
     set local role none`,
  )
}

// $1 schema, $2 names of relations that stay the administrator's, $3 the owner, $4 the application, which may be the administrator: it keeps
// its rights then. Parameters and names are as pg_identify_object writes them: qualified.
const OWN = `with ${OWNED_OBJECTS}
  select pg_catalog.concat(pg_catalog.format('alter %s %s owner to %I',
    case i.type when 'function' then 'routine' when 'procedure' then 'routine' when 'aggregate' then 'routine'
      when 'statistics object' then 'statistics' else i.type end, i.identity, $3::pg_catalog.text),
    case when current_user = $4 and m.class = 'pg_catalog.pg_class'::pg_catalog.regclass then pg_catalog.format('; grant all on %s %s to %I',
      case i.type when 'sequence' then i.type else 'table' end, i.identity, $4::pg_catalog.text) end) as give
  from made m cross join lateral pg_catalog.pg_identify_object(m.class, m.oid, 0) i
  where m.owner = (select r.oid from pg_catalog.pg_roles r where r.rolname = current_user) and not m.follows
  order by m.class, m.oid`

/**
 * Gives some of what the administrator owns in the schema to its owner. Each table is locked for itself, for as long as the change of
 * a name takes.
 *
 * @param ours relations that stay the administrator's: marker and ledger
 * @returns how many
 */
export async function transferSome(
  admin: Admin,
  { schema, owner, member }: SchemaOwner,
  ours: readonly string[],
  most: number,
): Promise<number> {
  const rows = await admin.run(`${OWN} limit $5`, [schema, [...ours], owner, member, most])
  if (rows.length > 0) await admin.run(rows.map(({ give }) => String(give)).join(';'))
  return rows.length
}

/** How far a schema is given to its owner. */
export type Given = 'no schema' | 'not yet' | 'given'

// $1 schema, $2 the tenant's role, $3 marker. Who may read the marker has been given all.
const GIVEN = `select case when coalesce(pg_catalog.has_table_privilege(r.oid, m.oid, 'select'), false)
    then 'given' else 'not yet' end as given
  from pg_catalog.pg_namespace n join pg_catalog.pg_class m on m.relnamespace = n.oid and m.relname = $3
  left join pg_catalog.pg_roles r on r.rolname = $2 where n.nspname = $1`

/**
 * Whether what is in the schema belongs to its owner.
 *
 * @param ours relations that stay the administrator's; said, what came since is looked for as well
 */
export async function ownershipState(
  admin: Pick<Admin, 'run'>,
  { schema, marker, owner }: Omit<SchemaOwner, 'member'>,
  ours?: readonly string[],
): Promise<Given> {
  const [found] = await admin.run(GIVEN, [schema, owner, marker])
  if (!found) return 'no schema'
  if (found.given !== 'given' || !ours) return found.given as Given
  const more = await admin.run(`${OWN} limit 1`, [schema, [...ours], owner, ''])
  return more.length > 0 ? 'not yet' : 'given'
}
