import type { Look } from '../doctor/read-only.ts'
import { type Grants, SCHEMA_GRANTS } from './objects.ts'
import type { Wanted } from './options.ts'

/** A role that owns something in the schema, or the schema. */
export interface EarlierOwner {
  readonly oid: number
  readonly name: string
  readonly superuser: boolean
  /** Whether it has the rights of roles it is a member of without asking; decides before PostgreSQL 16. */
  readonly inherits: boolean
  /** Whether the administrator has its rights and may become it. */
  readonly within: boolean
}

/** What is asked before anything else. */
export interface Facts {
  readonly admin: string
  readonly superuser: boolean
  readonly createsRoles: boolean
  readonly mayCreate: boolean
  readonly database: string
  readonly sixteen: boolean
  readonly oid: string | null
  readonly owner: string | null
  readonly acl: Grants | null
  /** OID of who owns the database. */
  readonly databaseOwner: string
  /** Tables of this library that are there. */
  readonly marked: readonly string[]
  readonly roleThere: boolean
  readonly applicationInherits: boolean
  /** How many locks one transaction can have at most, about. */
  readonly locks: number
}

// $1 schema, $2 role, $3 application.
const FACTS = `select me.rolname as admin, me.rolsuper as superuser, me.rolsuper or me.rolcreaterole as "createsRoles",
  has_database_privilege(me.oid, current_database(), 'create') as "mayCreate", current_database() as database,
  current_setting('server_version_num')::int >= 160000 as sixteen,
  (select datdba::int8::text from pg_database where datname = current_database()) as "databaseOwner",
  n.oid::int8::text as oid, n.nspowner::int8::text as owner, ${SCHEMA_GRANTS} as acl,
  array(select c.relname::text from pg_class c where c.relnamespace = n.oid and c.relkind = 'r' and starts_with(c.relname, '_tenant_')) as marked,
  exists (select from pg_roles r where r.rolname = $2) as "roleThere",
  coalesce((select rolinherit and not rolsuper from pg_roles where rolname = $3), false) as "applicationInherits",
  current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int
    + current_setting('max_prepared_transactions')::int) as locks
from pg_roles me left join pg_namespace n on n.nspname = $1 where me.rolname = current_user`

// $1 OIDs of roles.
const OWNERS = `select r.oid::int8::text as oid, r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherits,
  pg_has_role(current_user, r.oid, 'usage') and pg_has_role(current_user, r.oid,
    case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end) as within
from pg_roles r where r.oid = any ($1::oid[]) order by r.rolname`

/** OID of the role `pg_database_owner`, to whom the schema `public` belongs (src/include/catalog/pg_authid.dat). */
export const PG_DATABASE_OWNER = 6171

/** The roles of some OIDs. */
export async function ownersOf(look: Look, oids: readonly number[]): Promise<readonly EarlierOwner[]> {
  const rows = await look<EarlierOwner>(OWNERS, [[...new Set(oids)]])
  return rows.map((row) => ({ ...row, oid: Number(row.oid) }))
}

/** @param application the role the application logs in with */
export async function factsOf(look: Look, { schema, role }: Wanted, application: string): Promise<Facts> {
  return ((await look<Facts>(FACTS, [schema, role, application])) as [Facts])[0]
}
