import { OF_TOOLS } from '../migrations/tools.ts'
import { tenantsWithNames } from '../registry/record.ts'

/** What stands before each expression in a line at length: names before it may hold anything else. */
export const SAID = '\u0002'

// What is said of each thing, in lines. To write the definition of a view, or of a function with a parsed body, PostgreSQL locks what
// they read.
const PLAIN = (said: Said) => `
  select key, concat_ws(' ', 'relation', relname, relkind, relpersistence, reloptions::text,
    case when relrowsecurity then 'row security' end, case when relforcerowsecurity then 'forced' end,
    'owner', case when relowner = role then 'tenant' else relowner::regrole::text end) as line from relation
  union all
  select key, concat_ws(' ', 'privileges', relname, (
    select string_agg(replace(a::text, owner, 'tenant'), ',' order by replace(a::text, owner, 'tenant')) from unnest(coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r'::"char" end, relowner))) a))
  from relation
  union all
  select r.key, concat_ws(' ', 'column', r.relname || '.' || a.attname, replace(format_type(a.atttypid, a.atttypmod), r.home, ''),
    case when a.attnotnull then 'not null' end, nullif(a.attidentity, ''), nullif(a.attgenerated, ''),
    'default ' || ${said(`replace(replace(pg_get_expr(d.adbin, d.adrelid), r.home, ''), replace(r.home, '''', ''''''), '')`)})
  from relation r join pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped and r.relkind <> 'S'
  left join pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
  union all
  select r.key, concat_ws(' ', 'constraint', r.relname || '.' || c.conname, ${said(`replace(pg_get_constraintdef(c.oid), r.home, '')`)})
  from relation r join pg_constraint c on c.conrelid = r.oid where c.contype <> 'n'
  union all
  select r.key, concat_ws(' ', 'index', r.relname || '.' || ic.relname, ${said(`replace(pg_get_indexdef(i.indexrelid), r.home, '')`)},
    case when not i.indisvalid then 'invalid' end)
  from relation r join pg_index i on i.indrelid = r.oid join pg_class ic on ic.oid = i.indexrelid
  union all
  select r.key, concat_ws(' ', 'policy', r.relname || '.' || p.polname, p.polcmd, p.polpermissive,
    (select string_agg(case when o = r.role then 'tenant' else o::regrole::text end, ',' order by 1) from unnest(p.polroles) o),
    ${said(`replace(pg_get_expr(p.polqual, p.polrelid), r.home, '')`)}, ${said(`replace(pg_get_expr(p.polwithcheck, p.polrelid), r.home, '')`)})
  from relation r join pg_policy p on p.polrelid = r.oid
  union all
  select r.key, concat_ws(' ', 'trigger', r.relname || '.' || t.tgname, t.tgenabled, ${said(`replace(pg_get_triggerdef(t.oid), r.home, '')`)})
  from relation r join pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal
  union all
  select r.key, concat_ws(' ', 'sequence', r.relname, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
  from relation r join pg_sequence s on s.seqrelid = r.oid
  union all
  select f.key, concat_ws(' ', 'type', t.typname, t.typtype, replace(format_type(nullif(t.typbasetype, 0), t.typtypmod), f.home, ''),
    (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
    (select string_agg(${said(`replace(pg_get_constraintdef(c.oid), f.home, '')`)}, ',' order by 1) from pg_constraint c where c.contypid = t.oid))
  from fleet f join own_type t on t.typnamespace = f.schema and t.typtype in ('e', 'd', 'r')
  union all
  select f.key, concat('schema owner ', case when f.schema_owner = f.role then 'tenant' else f.schema_owner::regrole::text end)
  from fleet f`
const LOCKING = (said: Said) => `
  select r.key, concat_ws(' ', 'view', r.relname, ${said("replace(pg_get_viewdef(r.oid), r.home, '')")})
  from relation r where r.relkind in ('v', 'm')
  union all
  select f.key, concat_ws(' ', 'function', p.proname || '(' || replace(pg_get_function_identity_arguments(p.oid), f.home, '') || ')',
    p.prokind, p.provolatile, case when p.prosecdef then 'security definer' end,
    'owner', case when p.owned_by = f.role then 'tenant' else p.owned_by::regrole::text end,
    (select string_agg(replace(a::text, f.owner, 'tenant'), ',' order by replace(a::text, f.owner, 'tenant')) from unnest(coalesce(p.acl, acldefault('f', p.owned_by))) a),
    (select string_agg(replace(replace(c, '"', ''), f.nspname, 'tenant'), ',' order by c) from unnest(p.proconfig) c),
    md5(concat(replace(p.prosrc, f.home, ''), replace(pg_get_function_result(p.oid), f.home, ''))),
    ${said("replace(pg_get_function_sqlbody(p.oid), f.home, '')")})
  from fleet f join routine p on p.pronamespace = f.schema`
/** How a line says what the server has read and words: see {@link SAID}. */
type Said = (text: string) => string
const WHOLE: Said = (text) => `chr(${SAID.charCodeAt(0)}) || ${text}`
const [plain, locking] = [PLAIN((text) => text), LOCKING((text) => `md5(${text})`)]
const both = (one: string, other: string) => `${one}\n  union all${other}`
const LINES_OF = {
  whole: both(PLAIN(WHOLE), LOCKING(WHOLE)),
  all: both(plain, locking),
  plain,
  locking,
} as const

/** Which lines: all of them (at length, or definitions as digests), those that take no locks, or the others. */
export type Lines = keyof typeof LINES_OF

// A marker may hold its tenant's key.
const RELNAME = `case when c.relname like '\\_tenant\\_%:%' then split_part(c.relname, ':', 1) else c.relname::text end`

/** Whose a thing is, and who may use it: as it is, or left out, to compare schemas before they are anybody's. */
export type Owners = 'told' | 'untold'

// What an extension brings is not the migrations': it stays where it is, and a schema that is compared before it is anybody's may lack it.
const OF_NO_EXTENSION = (catalogue: string, oid: string) => `not exists (
  select from pg_depend e where e.classid = '${catalogue}'::regclass and e.objid = ${oid} and e.deptype = 'e')`

const OWNERS = {
  told: {
    role: 'coalesce(r.oid, 0)',
    schema: 'n.nspowner',
    relation: 'c.relowner, c.relacl',
    routine: 'p.proowner as owned_by, p.proacl as acl',
    relations: '',
    routines: '',
    types: '',
  },
  untold: {
    role: '0::oid',
    schema: '0::oid',
    relation: '0::oid as relowner, null::aclitem[] as relacl',
    routine: '0::oid as owned_by, null::aclitem[] as acl',
    relations: ` and ${OF_NO_EXTENSION('pg_class', 'c.oid')}`,
    routines: ` where ${OF_NO_EXTENSION('pg_proc', 'p.oid')}`,
    types: ` where ${OF_NO_EXTENSION('pg_type', 't.oid')}`,
  },
} as const satisfies Record<Owners, object>

// Ledgers of other tools are no part of it: some tenants of a fleet may have been adopted. Every line of `shape` says one thing about a tenant's schema. Its own name and its role's are taken out, so that two
// tenants made alike read alike. $1 schema prefix, $2 role prefix, $3 keys or null for all, $4 level.
const SHAPE = (tenant: string, lines: Lines, owners: Owners = 'told') => `
with fleet as materialized (
  select t.key, n.oid as schema, quote_ident(n.nspname) || '.' as home, n.nspname,
    ${OWNERS[owners].role} as role, ${OWNERS[owners].schema} as schema_owner, quote_ident(coalesce(t.role_name, $2 || t.key)) as owner
  from ${tenantsWithNames(tenant)} join pg_namespace n on n.nspname = coalesce(t.schema_name, $1 || t.key) left join pg_roles r on r.rolname = coalesce(t.role_name, $2 || t.key)
  where t.prefix = $1 and t.isolation = $4 and t.status in ('active', 'suspended') and ($3::text[] is null or t.key = any ($3))
), relation as materialized (
  select f.key, f.home, f.owner, f.role, c.oid, ${RELNAME} as relname, c.relkind, ${OWNERS[owners].relation}, c.relrowsecurity,
    c.relforcerowsecurity, c.relpersistence, c.reloptions
  from pg_class c join fleet f on f.schema = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relname !~ '${OF_TOOLS}'${OWNERS[owners].relations}
), routine as (
  select p.*, ${OWNERS[owners].routine} from pg_proc p${OWNERS[owners].routines}
), own_type as (
  select t.* from pg_type t${OWNERS[owners].types}
), shape (key, line) as (${LINES_OF[lines]}
)`

/** One fingerprint for each tenant, with the migrations it has: the whole fleet in one query. */
export const FINGERPRINTS = (
  tenant: string,
  migration: string,
  lines: Lines = 'all',
) => `${SHAPE(tenant, lines)}
select s.key, s.print, coalesce(m.has, '') as version from (
  select key, md5(string_agg(line, E'\\n' order by line collate "C")) as print from shape group by key) s
left join (select key, md5(string_agg(id, ' ' order by id collate "C")) as has from ${migration} applied where prefix = $1 group by key) m
  on m.key = s.key`

/** The lines themselves, for a few tenants. */
export const LINES = (tenant: string, owners: Owners = 'told') =>
  `${SHAPE(tenant, 'whole', owners)} select key, line from shape order by key collate "C", line collate "C"`

// Its own lock, and those of the tables it reads.
const LOCKS_OF_A_VIEW = 4

/**
 * $1 schema prefix, $2 level. The keys, and in how many parts to ask for the lines that take locks, so that they never take
 * more than a quarter of the table of locks, which others need meanwhile.
 */
export const PARTS = (tenant: string) => `
select array_agg(key order by key collate "C") as keys, ceil(${LOCKS_OF_A_VIEW} * sum(views)
    / greatest(1.0, current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int / 4.0))::int as parts
from (
  select t.key, count(c.namespace) as views
  from ${tenantsWithNames(tenant)} join pg_namespace n on n.nspname = coalesce(t.schema_name, $1 || t.key)
  left join (select relnamespace as namespace from pg_class where relkind in ('v', 'm')
    union all select pronamespace from pg_proc where prosqlbody is not null) c on c.namespace = n.oid
  where t.prefix = $1 and t.isolation = $2 and t.status in ('active', 'suspended')
  group by t.key) each`
