import { TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import type { IsolationLevel } from '../isolation/isolation.ts'
import type { Naming } from '../isolation/names.ts'
import { traitsOf } from '../isolation/traits.ts'
import { baseTypeOf } from '../sql/types-within.ts'
import type { TenantWork } from './levels/level.ts'

/** Something in a shared schema that a scope can use although it is nobody's alone. */
export interface SharedRight {
  /** `schema.name` */
  readonly object: string
  /** `table`, `view`, `sequence`, `function`, … */
  readonly kind: string
  /** Who may: `PUBLIC`, or a role; with how many more. */
  readonly who: string
  /** The rights, in capitals. */
  readonly what: string
  /** Declared in `sharedTables`, but may be written. */
  readonly declared: boolean
}

// Whose rights a scope has: PUBLIC's; at levels `schema` and `row` the application's, and those of roles it inherits from;
// else those of the tenants' own roles, which are known by the markers of their schemas. What extensions bring along may be
// read. A table whose policies bind whoever holds the right is kept apart by them, but neither from triggers, which run as whoever
// writes, nor from foreign keys, which are checked as its owner (hazard x); its owner has no more by them. $1 shared schemas, $2 the application's
// role or null, $3 schema prefix, $4 role prefix, $5 marker, $6 declared tables, $7 schema of the registry, $8 whether
// functions count (at level `row` they are looked at by themselves).
export const SHARED_RIGHTS = `with declared as (
  select d.* from pg_catalog.jsonb_to_recordset($6::pg_catalog.jsonb) d (schema text, name text, write boolean, "references" boolean)
), relation as (
  select c.oid, n.nspname, c.relname as name, c.relowner as owner, c.relkind as kind, c.relacl as acl,
    c.relrowsecurity as bound, c.relforcerowsecurity as forced,
    case c.relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
      when 'f' then 'foreign table' else 'table' end as word,
    exists (select from pg_catalog.pg_depend e where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      and e.objid = c.oid and e.deptype = 'e') as extension
  from pg_catalog.pg_namespace n join pg_catalog.pg_class c on c.relnamespace = n.oid
  where n.nspname = any ($1::pg_catalog.text[]) and n.nspname <> $7 and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
), granted as (
  select r.nspname, r.name, r.word, r.owner, r.bound, r.forced, r.extension, a.grantee, a.privilege_type as what
  from relation r cross join lateral pg_catalog.aclexplode(coalesce(r.acl,
    pg_catalog.acldefault(case r.kind when 'S' then 's' else 'r' end::"char", r.owner))) a
  union all
  select r.nspname, r.name, r.word, r.owner, r.bound, r.forced, r.extension, a.grantee, a.privilege_type
  from relation r join pg_catalog.pg_attribute t on t.attrelid = r.oid and t.attacl is not null
    cross join lateral pg_catalog.aclexplode(t.attacl) a
  union all
  select n.nspname, p.proname, 'function', p.proowner, false, false,
    exists (select from pg_catalog.pg_depend e where e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      and e.objid = p.oid and e.deptype = 'e'), a.grantee, a.privilege_type
  from pg_catalog.pg_namespace n join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.prosecdef
    cross join lateral pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
  where $8 and n.nspname = any ($1::pg_catalog.text[]) and n.nspname <> $7
), scope as (
  select g.nspname, g.name, g.word, g.what, g.extension, coalesce(r.rolname, 'PUBLIC') as who,
    g.what in ('SELECT', 'EXECUTE') as harmless, g.what in ('REFERENCES', 'TRIGGER') as runs
  from granted g left join pg_catalog.pg_roles r on r.oid = g.grantee
  where (g.grantee = 0 and (g.word <> 'function' or $2::pg_catalog.text is null or g.owner <> (
        select oid from pg_catalog.pg_roles where rolname = $2))
      or $2 is not null and exists (select from pg_catalog.pg_roles me where me.rolname = $2 and not me.rolsuper
        and pg_catalog.pg_has_role(me.oid, g.grantee, 'usage')
        and (g.word <> 'function' or g.owner <> me.oid))
      or $2 is null and pg_catalog.starts_with(r.rolname, $4) and exists (
        select from pg_catalog.pg_namespace h join pg_catalog.pg_class m on m.relnamespace = h.oid and m.relname = $5
        where h.nspname = $3 || pg_catalog.substr(r.rolname, pg_catalog.length($4) + 1))
      or $2 is null and exists (select from pg_catalog.pg_class m join pg_catalog.pg_namespace h on h.oid = m.relnamespace and h.nspowner = m.relowner
          cross join lateral pg_catalog.aclexplode(m.relacl) may
        where pg_catalog.starts_with(m.relname, $5 || ':') and may.grantee = g.grantee and may.grantee <> m.relowner))
    and case when g.what in ('REFERENCES', 'TRIGGER') then g.grantee <> g.owner
      else not (g.bound and (g.forced or g.grantee <> g.owner) and not coalesce(r.rolbypassrls, false)) end
)
select s.nspname || '.' || s.name as object, s.word as kind,
  min(s.who) || case when count(distinct s.who) > 1 then ' and ' || (count(distinct s.who) - 1) || ' more' else '' end as who,
  string_agg(distinct s.what, ', ' order by s.what) as what, bool_or(d.write is not null) as declared
from scope s cross join lateral (
  select bool_or(d.write) as write, bool_or(d."references") as referenced from declared d
  where coalesce(d.schema, s.nspname) = s.nspname and coalesce(d.name, s.name) = s.name) d
where not (s.harmless and (s.extension or d.write is not null)) and not (coalesce(d.write, false) and not s.runs)
  and not (coalesce(d.referenced, false) and s.what = 'REFERENCES')
group by s.nspname, s.name, s.word
order by 1
limit 1000`

/** Values of {@link SHARED_RIGHTS}. */
export function sharedRightsOf(
  naming: Naming,
  level: IsolationLevel,
  application: string,
  controlSchema: string,
): unknown[] {
  const { schemaPrefix, rolePrefix, marker, sharedSchemas, sharedTables } = naming
  const { shared, ownRole } = traitsOf(level)
  const acting = ownRole ? null : application
  const declared = JSON.stringify(sharedTables)
  return [sharedSchemas, acting, schemaPrefix, rolePrefix, marker, declared, controlSchema, !shared]
}

export async function readSharedRights(
  admin: Pick<Admin, 'run'>,
  naming: Naming,
  level: IsolationLevel,
  application: string,
  controlSchema: string,
): Promise<readonly SharedRight[]> {
  const values = sharedRightsOf(naming, level, application, controlSchema)
  return await admin.run(SHARED_RIGHTS, values)
}

/** What it is, in words that follow the object's name. */
export const wordsOf = ({ kind, who, what, declared }: SharedRight): string =>
  RUNS.test(what)
    ? `is a ${kind} of everybody's: by ${who} every scope may ${what}, and a tenant's code then runs with rights that are not its own (a ` +
      "foreign key calls its casts as the table's owner, a trigger is whoever's who writes)"
    : declared
      ? `is declared as shared, to be read, but ${who} may ${what} (${kind})`
      : `is a ${kind} of everybody's: by ${who} every scope may ${what}`

const RUNS = /REFERENCES|TRIGGER/

// $1 shared schemas, $2 a schema that is to be a tenant's, and all in it, or null. Foreign keys to tables of others whose check calls a
// cast of neither a superuser nor the other table's owner. They stay when REFERENCES is taken back.
const RUNNING_KEYS = `select pg_catalog.format('%I.%I', n.nspname, f.relname) as "table", pg_catalog.quote_ident(k.conname) as name, p.relowner::pg_catalog.regrole::pg_catalog.text as owner
  from pg_catalog.pg_constraint k join pg_catalog.pg_class p on p.oid = k.confrelid join pg_catalog.pg_class f on f.oid = k.conrelid
    join pg_catalog.pg_namespace n on n.oid = f.relnamespace
  where k.contype = 'f' and case when $2::pg_catalog.text is not null then n.nspname = $2 and p.relnamespace <> f.relnamespace
      else f.relowner <> p.relowner and p.relnamespace = any (array(
        select s.oid from pg_catalog.pg_namespace s where s.nspname = any ($1::pg_catalog.text[]))) end
    and exists (select from rows from (unnest(k.conkey), unnest(k.conpfeqop)) u (attnum, operator)
      join pg_catalog.pg_operator o on o.oid = u.operator
      join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.attnum
      join pg_catalog.pg_cast c on c.castsource = ${baseTypeOf('a.atttypid')} and c.casttarget = o.oprright
      join pg_catalog.pg_proc e on e.oid = c.castfunc join pg_catalog.pg_roles r on r.oid = e.proowner
      where case when $2 is not null then e.pronamespace = f.relnamespace else r.oid <> p.relowner and not r.rolsuper end)
  order by 1, 2 limit 1000`

/** What is there already of what {@link SHARED_RIGHTS} would keep from coming: as a finding says it. */
export async function readRunningKeys(
  admin: Pick<Admin, 'run'>,
  { sharedSchemas }: Naming,
  schema?: string,
): Promise<readonly { readonly subject: string; readonly message: string; readonly fix: string }[]> {
  const rows = await admin.run(RUNNING_KEYS, [sharedSchemas, schema ?? null])
  return rows.map(({ table, name, owner }) => ({
    subject: `${table}`,
    message: `Foreign key ${name} of ${table} calls a cast of the tenant’s, with the rights of ${owner}, who owns the table it points to.`,
    fix: `ALTER TABLE ${table} DROP CONSTRAINT ${name}, and REVOKE REFERENCES on the other table from whoever made it.`,
  }))
}

export const REMEDY =
  'REVOKE that right, move it out of sharedSchemas, or name it in sharedTables if every tenant may have it (REFERENCES: with ' +
  'references: true, where no tenant has SQL of its own).'

/** Milliseconds for which a tenancy believes what it saw: rights in shared schemas change with deployments, tenants come in hundreds. */
const BELIEVED_MS = 60_000
const seen = new WeakMap<object, number>()

/**
 * Refuses to make a tenant whose scopes would read or write rows of everybody. At level `database` every tenant has a
 * `public` of its own.
 *
 * @throws TenancyError INVALID_OPTION with `details.finding` `shared_rights` and the objects
 */
export async function refuseFallingThrough({ admin, application, lifecycle }: TenantWork): Promise<void> {
  const { level, naming, registry } = lifecycle
  if (traitsOf(level).ownDatabase || performance.now() - (seen.get(lifecycle) ?? -BELIEVED_MS) < BELIEVED_MS)
    return
  const found = await readSharedRights(admin, naming, level, application, registry.controlSchema)
  const [first] = found
  if (first) {
    const more = found.length > 1 ? ` (and ${found.length - 1} more)` : ''
    throw new TenancyError(
      'INVALID_OPTION',
      `${first.object} ${wordsOf(first)}${more}. ${REMEDY} Nothing was changed.`,
      {
        details: {
          option: 'sharedTables',
          finding: 'shared_rights',
          objects: found
            .slice(0, 20)
            .map(({ object }) => object)
            .join(', '),
        },
      },
    )
  }
  seen.set(lifecycle, performance.now())
}
