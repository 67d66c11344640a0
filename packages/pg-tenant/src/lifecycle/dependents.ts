import { TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { roleOf, schemaOf } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { OWN_PATH } from '../sql/own-path.ts'
import type { TenantWork } from './levels/level.ts'

/** What a move publishes begins so; it is taken back, or left by a process that was killed, and is nobody's. */
export const MOVE_PUBLICATION = 'pg_tenant_move_'

const columns = (text: string) =>
  text.split(/\s+/).map((column) => ({ column, catalog: column.slice(0, column.indexOf('.')) }))

/** In which schema something is. */
const IN_SCHEMA =
  columns(`pg_class.relnamespace pg_type.typnamespace pg_proc.pronamespace pg_constraint.connamespace
  pg_operator.oprnamespace pg_opclass.opcnamespace pg_opfamily.opfnamespace pg_collation.collnamespace pg_conversion.connamespace
  pg_statistic_ext.stxnamespace pg_ts_config.cfgnamespace pg_ts_dict.dictnamespace pg_ts_parser.prsnamespace pg_ts_template.tmplnamespace`)

/** Of which table something is. */
const OF_TABLE = columns('pg_attrdef.adrelid pg_rewrite.ev_class pg_trigger.tgrelid pg_policy.polrelid')

const each = (of: typeof IN_SCHEMA, sql: (one: (typeof IN_SCHEMA)[number]) => string, between = '') =>
  of.map(sql).join(`${between}\n    `)

// $1 schema, $2 the tenant's role or ''. What hangs on an object of the schema and is in another one, or in none (publications,
// event triggers, extensions): CASCADE would take it along; what belongs to the tenant's role and is elsewhere, and policies for it
// there: DROP OWNED would (large objects have words of their own); and subscriptions that write into its tables, which would stop.
// A cast is where one of its types is.
const CANDIDATES = `with home as (select oid from pg_namespace where nspname = $1),
  own as (
    ${each(IN_SCHEMA, ({ catalog, column }) => `select '${catalog}'::regclass as class, ${catalog}.oid from home join ${catalog} on ${column} = home.oid`, ' union all')}),
  relations as (select oid from own where class = 'pg_class'::regclass),
  members as (
    select class, oid from own union all select 'pg_namespace'::regclass, oid from home union all
    ${each(OF_TABLE, ({ catalog, column }) => `select '${catalog}'::regclass, ${catalog}.oid from relations c join ${catalog} on ${column} = c.oid`, ' union all')})
  select distinct d.classid, d.objid, d.objsubid from members m join pg_depend d on d.refclassid = m.class and d.refobjid = m.oid
    and d.deptype in ('n', 'a', 'P', 'S')
  where not exists (select from members i where i.class = d.classid and i.oid = d.objid)
  union select s.classid, s.objid, 0 from pg_roles r join pg_shdepend s on s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid
      and s.deptype in ('o', 'r') and s.dbid = (select oid from pg_database where datname = current_database())
    where r.rolname = $2 and s.classid <> 'pg_largeobject'::regclass
      and not exists (select from members m where m.class = s.classid and m.oid = s.objid)
  union select 'pg_subscription'::regclass, s.srsubid, 0 from relations c join pg_subscription_rel s on s.srrelid = c.oid`

// $1 schema, $2, $3 and $4 the candidates' catalogues, oids and columns.
const OUTSIDE = `with home as (select oid from pg_namespace where nspname = $1),
  outside as (
    select d.* from unnest($2::oid[], $3::oid[], $4::int[]) as d (classid, objid, objsubid) where coalesce(case d.classid
        ${each(IN_SCHEMA, ({ catalog, column }) => `when '${catalog}'::regclass then (select ${column} from ${catalog} where oid = d.objid)`)}
        ${each(OF_TABLE, ({ catalog, column }) => `when '${catalog}'::regclass then (select c.relnamespace from ${catalog} join pg_class c on c.oid = ${column} where ${catalog}.oid = d.objid)`)}
        when 'pg_amop'::regclass then (select f.opfnamespace from pg_amop o join pg_opfamily f on f.oid = o.amopfamily where o.oid = d.objid)
        when 'pg_amproc'::regclass then (select f.opfnamespace from pg_amproc o join pg_opfamily f on f.oid = o.amprocfamily where o.oid = d.objid)
        when 'pg_cast'::regclass then (select t.typnamespace from pg_cast o join pg_type t on t.oid in (o.castsource, o.casttarget)
            and t.typnamespace = (select oid from home) where o.oid = d.objid limit 1)
        when 'pg_default_acl'::regclass then (select home.oid from home)
      end, 0) <> (select oid from home))
  -- What an extension has made is named by it.
  select distinct i.type || ' ' || i.identity as name from (
    select distinct case when e.refobjid is null then o.classid else e.refclassid end as classid,
      coalesce(e.refobjid, o.objid) as objid, case when e.refobjid is null then o.objsubid else 0 end as objsubid
    from outside o left join pg_depend e on e.classid = o.classid and e.objid = o.objid and e.deptype = 'e') o
    cross join lateral pg_identify_object(o.classid, o.objid, o.objsubid) i
  where i.type is not null and not exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
      where o.classid = 'pg_publication_rel'::regclass and r.oid = o.objid and starts_with(p.pubname, '${MOVE_PUBLICATION}'))
    and i.identity !~ '(^| )pg_(toast_)?temp' order by 1`

async function dependentsOf(home: Pick<Admin, 'run'>, schema: string, role: string): Promise<string[]> {
  const candidates = await home.run(CANDIDATES, [schema, role])
  if (candidates.length === 0) return []
  const columns = ['classid', 'objid', 'objsubid'].map((column) => candidates.map((found) => found[column]))
  return (await home.run(OUTSIDE, [schema, ...columns])).map(({ name }) => String(name))
}

// $1 `off` shows them.
const SHOW_SHARDS = `select pg_catalog.set_config('citus.override_table_visibility', $1, true)`

/**
 * Makes sure that dropping a tenant's schema and role takes nothing along that is not in the schema.
 *
 * @param home a transaction in the database that holds the schema, under the pinned path
 * @throws TenancyError CONFLICT (`details.reason` `dependents`) that names what hangs on it
 */
export async function requireNoDependents(
  home: Pick<Admin, 'run'>,
  schema: string,
  role: string | undefined,
): Promise<void> {
  const look = () => dependentsOf(home, schema, role ?? '')
  if ((await look()).length === 0) return
  // Citus hides in pg_class what pg_depend shows: shards, where this node has some. Elsewhere nobody reads that setting.
  await home.run(SHOW_SHARDS, ['off'])
  const found = await look()
  await home.run(SHOW_SHARDS, ['on'])
  refuse(found)
}

function refuse(found: readonly string[]): void {
  if (found.length === 0) return
  const named = found.slice(0, NAMED).join(', ')
  const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : ''
  throw new TenancyError(
    'CONFLICT',
    `What is outside this tenant's schema hangs on it and would be dropped with it: ${named}${more}. Nothing was dropped. ` +
      'Take it off first (DROP or ALTER it; an extension: ALTER EXTENSION … SET SCHEMA), then run this again.',
    { details: { reason: 'dependents', dependents: named, count: found.length } },
  )
}

// $1 role. What DROP OWNED would take along, large objects too.
const OWNED = `select i.type || ' ' || i.identity as name from pg_roles r
  join pg_shdepend s on s.refclassid = 'pg_authid'::regclass and s.refobjid = r.oid and s.deptype = 'o'
    and s.dbid = (select oid from pg_database where datname = current_database())
  cross join lateral pg_identify_object(s.classid, s.objid, s.objsubid) i
  where r.rolname = $1 and i.identity !~ '(^| )pg_(toast_)?temp' order by 1`

/**
 * Requires that nothing outside what is the tenant's own would be dropped with it. In a database of its own that is all there is; what may
 * be elsewhere is what its login owns in the registry's database.
 *
 * @throws TenancyError CONFLICT (`details.reason` `dependents`)
 */
export async function requireAlone({ admin, lifecycle, tenant }: TenantWork): Promise<void> {
  const { level, naming, ofLevel } = lifecycle
  const { shared, ownDatabase } = traitsOf(level)
  if (shared) return
  await admin.run(`set local search_path to ${OWN_PATH}`)
  if (ownDatabase) {
    // guard: a login that was there before the tenant was adopted had what it had
    const owned = await admin.run(OWNED, [roleOf(naming, tenant)])
    return refuse(owned.map(({ name }) => String(name)))
  }
  await requireNoDependents(admin, schemaOf(naming, tenant), ofLevel.ownerOf(lifecycle, tenant))
}

/** Dependents named in an error; the rest is counted. */
const NAMED = 20
