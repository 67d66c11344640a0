import { createHash, randomBytes } from 'node:crypto'
import type { TenantKey } from '@org/core'
import { withAdminPool } from '../../admin/session.ts'
import { type Admin, inAdminTransaction } from '../../admin/transaction.ts'
import { type Place, placeOf } from '../../archive/place.ts'
import { traitsOf } from '../../isolation/traits.ts'
import { MOVE_PUBLICATION } from '../../lifecycle/dependents.ts'
import type { Lifecycle } from '../../lifecycle/lifecycle.ts'
import { pending } from '../../migrations/migrations.ts'
import { qualify, quoteIdentifier } from '../../sql/identifier.ts'
import { baseTypeOf, typesWithin } from '../../sql/types-within.ts'
import { type Route, refused } from '../route.ts'

/** How the rows of a table are found again, and which of its columns nobody can write. */
export interface Followed {
  readonly name: string
  /** The columns of its replica identity. */
  readonly key: readonly string[]
  /** Identity columns that are always generated: an UPDATE cannot name them. */
  readonly fixed: readonly string[]
  /** Another one where the table is another, or ALTER TABLE may have written its rows anew, which the log does not tell. */
  readonly made: string
}

/** The hash of an enum or OID, also in an array, row or range, is another in each database (archive/restore/hashed.ts). */
const HASHED_BY_OID = `o.opcintype in ('anyenum'::regtype, 'oid'::regtype)
  or o.opcintype in ('anyarray'::regtype, 'record'::regtype, 'anyrange'::regtype, 'anymultirange'::regtype) and (a.attnum is null
    or exists (select from (${typesWithin('a.atttypid')}) w join pg_type t on t.oid = w.type
      where t.typtype = 'e' or t.typnamespace = 'pg_catalog'::regnamespace and t.typname ~ '^(oid$|reg)'))`

// $1 schema, $2 names that are no data of the tenant, $3 who owns the rest.
const TABLES = `select c.relname as name, coalesce(k.columns, '[]') as key,
    (select coalesce(json_agg(a.attname), '[]') from pg_attribute a where a.attrelid = c.oid and a.attidentity = 'a' and not a.attisdropped) as fixed,
    (select concat_ws(' ', c.oid, string_agg(a.xmin::text, ' ' order by a.attnum)) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as made,
    case when c.relpersistence <> 'p' then 'is unlogged'
      when pg_get_userbyid(c.relowner) <> $3 then 'belongs to another role'
      when c.relrowsecurity and c.relforcerowsecurity then 'forces row-level security on its owner'
      when exists (select from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal and t.tgenabled in ('R', 'A'))
        or exists (select from pg_rewrite r where r.ev_class = c.oid and r.ev_enabled in ('R', 'A')) then 'has a trigger or rule that runs on replicas'
      when exists (select from pg_partition_ancestors(c.oid) up join pg_partitioned_table p on p.partrelid = up.relid and p.partstrat = 'h'
          cross join lateral unnest(p.partattrs::int2[], p.partclass::oid[]) k (attnum, class) join pg_opclass o on o.oid = k.class
          left join pg_attribute a on a.attrelid = p.partrelid and a.attnum = k.attnum and k.attnum > 0 where ${HASHED_BY_OID})
        then 'is partitioned by HASH of an enum or an OID, so that its rows lie in other partitions there'
      when k.columns is null then 'has no primary key (nor REPLICA IDENTITY USING INDEX) by which a row is found again'
      when k.generated or c.relreplident = 'f' and exists (select from pg_attribute a where a.attrelid = c.oid and a.attgenerated <> '')
        then 'has a generated column in its replica identity'
      when k.composite then 'has a column of a row type in its key' end as why
  from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relkind = 'r' and c.relname <> all ($2::text[])
  left join lateral (select json_agg(a.attname order by k.ord) as columns, bool_or(a.attgenerated <> '') as generated,
      bool_or(b.typtype = 'c') as composite
    from pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality k (attnum, ord)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    join pg_type b on b.oid = ${baseTypeOf('a.atttypid')}
    where i.indrelid = c.oid and i.indisvalid and i.indimmediate and k.ord <= i.indnkeyatts
      and case c.relreplident when 'i' then i.indisreplident when 'n' then false else i.indisprimary end) k on true
  where n.nspname = $1
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
  order by c.relname collate "C"`

const SOURCE = `select current_setting('wal_level') as level, r.rolsuper or r.rolreplication as replicates, r.rolname as role,
    has_database_privilege(r.oid, current_database()::text, 'create'::text) as creates,
    current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots) as slots
  from pg_roles r where r.rolname = current_user`
const TARGET = `select has_parameter_privilege('session_replication_role'::text, 'set'::text) as replays, current_user::text as role`

/** What is told of a tenant's changes, and under which name. */
export interface Published {
  readonly name: string
  readonly tables: readonly Followed[]
}

/** Runs `fn` in the database that holds the tenant's data. */
export function atHome<T>(
  { adminPool }: Lifecycle,
  { database }: Place,
  fn: (admin: Admin) => Promise<T>,
): Promise<T> {
  if (database === undefined) return inAdminTransaction(adminPool, fn)
  return withAdminPool(adminPool, database, (pool) => inAdminTransaction(pool, fn))
}

/**
 * Whether the tenant's changes can be followed from server to server, asked before anything is changed.
 *
 * @throws TenancyError CONFLICT (`details.reason` `replication`) that says what to do
 */
export async function requireReplicable(route: Route): Promise<void> {
  const { from, tenant, to } = route
  const place = placeOf(from.lifecycle, tenant)
  const refuse = (what: string) => refused(route, 'replication', `${what} ${OR}`)
  if (traitsOf(from.lifecycle.level).shared || traitsOf(to.lifecycle.level).shared)
    throw refuse('At level row tenants share their tables, and the changes of one are not told apart.')
  if (from.lifecycle.distributedSchemas || to.lifecycle.distributedSchemas)
    throw refuse('Schemas that Citus distributes are moved by citus_schema_move, or as a stream.')
  const [source] = await atHome(from.lifecycle, place, (admin) => admin.run(SOURCE))
  const role = quoteIdentifier(String(source?.role))
  if (source?.level !== 'logical')
    throw refuse('The server it is to leave needs wal_level = logical, and a restart.')
  if (source.replicates !== true)
    throw refuse(`The administrator lacks a right in ${from.name}: ALTER ROLE ${role} REPLICATION.`)
  if (source.creates !== true)
    throw refuse(`The administrator lacks a right in ${from.name}: GRANT CREATE ON DATABASE … TO ${role}.`)
  if (Number(source.slots) < 1)
    throw refuse(`${from.name} has no replication slot left (max_replication_slots).`)
  const [target] = await atHome(to.lifecycle, { ...place, database: undefined }, (admin) => admin.run(TARGET))
  if (target?.replays !== true)
    throw refuse(
      `The administrator lacks a right in ${to.name}: GRANT SET ON PARAMETER session_replication_role TO ` +
        `${quoteIdentifier(String(target?.role))}.`,
    )
  await requireUpToDate(route)
  await atHome(from.lifecycle, place, (admin) => readFollowed(admin, route, place))
}

/** What is applied behind the data would change the tables that changes are replayed on. */
async function requireUpToDate(route: Route): Promise<void> {
  const { adminPool, registry } = route.from.lifecycle
  const rows = await inAdminTransaction(adminPool, (admin) =>
    admin.run(
      `select id, checksum from ${qualify(registry.controlSchema, 'tenant_migration')} where prefix = $1 and key = $2`,
      [registry.prefix, route.tenant],
    ),
  )
  const applied = new Map(rows.map(({ id, checksum }) => [String(id), String(checksum)]))
  if (pending(route.to.lifecycle.migrations, applied).length > 0)
    throw refused(route, 'replication', `The tenant lacks migrations: run migrate first. ${OR}`)
}

/** The tables that can be followed, as they are now. @throws TenancyError CONFLICT */
export async function readFollowed(admin: Admin, route: Route, place: Place): Promise<readonly Followed[]> {
  const rows = await admin.run<Followed & { readonly why: string | null }>(TABLES, [
    place.schema,
    [...place.ours],
    place.owner ?? '',
  ])
  const bad = rows.filter(({ why }) => why !== null)
  if (bad.length > 0) {
    const list = bad.slice(0, NAMED).map(({ name, why }) => `${name} ${why}`)
    const more = bad.length > NAMED ? ` and ${bad.length - NAMED} more` : ''
    throw refused(
      route,
      'replication',
      `Changes of these tables cannot be followed: ${list.join('; ')}${more}. ${OR}`,
    )
  }
  return rows
}

/** Tables named in an error; the rest is counted. */
const NAMED = 20
const OR =
  'Or leave copy: "replication" out: the tenant is then out of service while it is copied. Nothing was changed.'

/** Publications of one tenant's moves begin so; each attempt has its own, for slots look for them from their beginning on. */
const beginningOf = ({ registry }: Lifecycle, tenant: TenantKey) =>
  `${MOVE_PUBLICATION}${createHash('sha256').update(`${registry.prefix}${tenant}`).digest('hex').slice(0, 16)}_`

/**
 * Says that the tenant's changes are to be told. From here on an UPDATE or DELETE of a table without a replica identity would be
 * refused: that there is none is seen under the same locks.
 */
export async function publish(route: Route): Promise<Published> {
  const { lifecycle } = route.from
  const place = placeOf(lifecycle, route.tenant)
  const name = beginningOf(lifecycle, route.tenant) + randomBytes(6).toString('hex')
  return await atHome(lifecycle, place, async (admin) => {
    const tables = await readFollowed(admin, route, place)
    const list = tables.map((table) => qualify(place.schema, table.name)).join(', ')
    const publication = `create publication ${quoteIdentifier(name)}${list === '' ? '' : ` for table ${list}`}`
    await asInheritor(admin, place.owner, publication)
    // guard: what was dropped between the two looks would have writers refused
    await readFollowed(admin, route, place)
    return { name, tables }
  })
}

/** Only who has the rights of a table's owner may publish it; from PostgreSQL 16 on the grant says whether a member has. */
async function asInheritor(admin: Admin, owner: string | undefined, statement: string): Promise<void> {
  const [facts] = await admin.run(
    `select current_setting('server_version_num')::int >= 160000 and not r.rolsuper as granted from pg_roles r where r.rolname = current_user`,
  )
  if (owner === undefined || facts?.granted !== true) await admin.run(statement)
  else {
    const grant = (inherits: boolean) =>
      `grant ${quoteIdentifier(owner)} to current_user with inherit ${inherits}`
    await admin.run(`${grant(true)}; ${statement}; ${grant(false)}`)
  }
}

const PUBLISHED = `select count(r.prrelid)::int as tables from pg_publication p left join pg_publication_rel r on r.prpubid = p.oid
  where p.pubname = $1 group by p.oid`

/** Of a publication that is gone the server tells nothing, without a word (from PostgreSQL 18 on). @throws what `missing` makes */
export async function requirePublished(
  admin: Admin,
  { name, tables }: Published,
  missing: () => Error,
): Promise<void> {
  const [found] = await admin.run(PUBLISHED, [name])
  if (found?.tables !== tables.length) throw missing()
}

/** Which publications of a tenant's moves: one alone, or all but one. */
interface Which {
  readonly only?: string
  readonly but?: string | undefined
}

const MADE = `select pubname as name from pg_publication where starts_with(pubname, $1) and pubname = coalesce($2, pubname)
  and pubname is distinct from $3`

/** Takes back what moves of this tenant have published, in the database that holds its data. */
export async function dropPublications(
  admin: Admin,
  lifecycle: Lifecycle,
  tenant: TenantKey,
  { only, but }: Which = {},
): Promise<void> {
  const rows = await admin.run(MADE, [beginningOf(lifecycle, tenant), only ?? null, but ?? null])
  for (const { name } of rows) await admin.run(`drop publication if exists ${quoteIdentifier(String(name))}`)
}

/** The same, in a transaction of its own. */
export async function unpublish({ from: { lifecycle }, tenant }: Route, which: Which = {}): Promise<void> {
  const place = placeOf(lifecycle, tenant)
  await atHome(lifecycle, place, (admin) => dropPublications(admin, lifecycle, tenant, which))
}
