import type { Look } from '../doctor/read-only.ts'
import type { AdoptionFinding, AdoptionFindingCode } from './finding.ts'

interface Found {
  readonly subject: string
  readonly what: string
  readonly fix: string
}

interface Check {
  readonly code: AdoptionFindingCode
  readonly severity: AdoptionFinding['severity']
  readonly sql: string
}

const reachesOut = (severity: Check['severity'], which: string, fix: string): Check => ({
  code: 'REACHES_OUT',
  severity,
  sql: `select distinct format('%I.%I', home.name, v.relname) as subject,
      format('reads %I.%I, which the tenant''s role may not', o.nspname, t.relname) as what,
      case when not has_schema_privilege('public', o.oid, 'usage')
        then format('GRANT USAGE ON SCHEMA %I TO PUBLIC; /* else no backup of it can be put in */ ', o.nspname) else '' end || ${fix} as fix
    from home join pg_class v on v.relnamespace = home.oid join pg_rewrite w on w.ev_class = v.oid
    join pg_depend d on d.classid = 2618 and d.objid = w.oid and d.refclassid = 1259
    join pg_class t on t.oid = d.refobjid join pg_namespace o on o.oid = t.relnamespace
    where ${which} and o.oid <> home.oid and o.nspname not in ('pg_catalog', 'information_schema') and not has_table_privilege('public', t.oid, 'select')
      and not coalesce((select has_table_privilege(r.oid, t.oid, 'select') from pg_roles r where r.rolname = $3), false)`,
})

// $1 the schema, $2 the application's role, $3 the tenant's, whose members are earlier owners; all in each, so that one set of values fits.
const BESIDE_OTHERS: readonly Check[] = [
  {
    code: 'EXTENSION',
    severity: 'error',
    sql: `select e.extname as subject, 'is an extension in the schema, of which a database has one: it would go with this tenant' as what,
        case when not e.extrelocatable then format('DROP EXTENSION %I; and CREATE EXTENSION %I SCHEMA ….', e.extname, e.extname)
          when home.name = 'public' then format('CREATE SCHEMA extensions; ALTER EXTENSION %I SET SCHEMA extensions; -- and name it in sharedSchemas', e.extname)
          else format('ALTER EXTENSION %I SET SCHEMA public;', e.extname) end as fix
      from pg_extension e join home on e.extnamespace = home.oid`,
  },
  // Views ask with the rights of their owner, which is the tenant's role from now on: also when those who were there before ask.
  reachesOut(
    'error',
    `v.relkind = 'v' and not coalesce((select option_value::boolean from pg_options_to_table(v.reloptions) where option_name = 'security_invoker'), false)`,
    `format('ALTER VIEW %I.%I SET (security_invoker = true); -- whoever reads it needs the right then. Or, if every tenant may see all of it: GRANT SELECT ON %I.%I TO PUBLIC;',
        home.name, v.relname, o.nspname, t.relname)`,
  ),
  reachesOut(
    'warning',
    `v.relkind <> 'v'`,
    `format('GRANT SELECT ON %I.%I TO PUBLIC; -- if every tenant may see all of it; or it cannot be refreshed', o.nspname, t.relname)`,
  ),
  {
    // Of a superuser's making: it is trusted, but it may need what the administrator lacks.
    code: 'EVENT_TRIGGER',
    severity: 'warning',
    sql: `select e.evtname::text as subject, format('runs %s at statements that make or change objects, of this adoption and of migrations: as the administrator, and with its rights',
          e.evtfoid::regprocedure) as what,
        format('ALTER EVENT TRIGGER %I DISABLE; -- as a superuser, where it fails: it needs what its function does granted to the administrator', e.evtname) as fix
      from home cross join pg_event_trigger e where e.evtenabled <> 'D' and e.evtevent <> 'login'`,
  },
  {
    // Whoever owns the function may change it, and with it what runs when the tenant writes.
    code: 'FOREIGN_TRIGGER',
    severity: 'warning',
    sql: `select format('%I on %I.%I', t.tgname, home.name, c.relname) as subject, format('runs %s of %I%s, which is outside the schema: so it goes on after the confirmation',
          p.oid::regprocedure, pg_get_userbyid(p.proowner), case when p.prosecdef then ' with the rights of its owner' else '' end) as what,
        format('DROP TRIGGER %I ON %I.%I; -- unless it is to see and to do that', t.tgname, home.name, c.relname) as fix
      from home join pg_class c on c.relnamespace = home.oid join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal
      join pg_proc p on p.oid = t.tgfoid join pg_roles r on r.oid = p.proowner
      where p.pronamespace not in (home.oid, 'pg_catalog'::regnamespace) and r.rolname <> current_user and (p.prosecdef or not r.rolsuper)`,
  },
  {
    code: 'PUBLIC_PRIVILEGE',
    severity: 'notice',
    sql: `select format('%I', home.name) as subject, 'PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it, until the confirmation' as what,
        format('REVOKE ALL ON SCHEMA %I FROM PUBLIC;', home.name) as fix
      from home cross join lateral aclexplode(home.acl) a where a.grantee = 0 group by home.name
      union all
      select format('%I.%I', home.name, c.relname), 'PUBLIC has ' || string_agg(a.privilege_type, ', ' order by 1) || ' on it, until the confirmation',
        format('REVOKE ALL ON %I.%I FROM PUBLIC;', home.name, c.relname)
      from home join pg_class c on c.relnamespace = home.oid cross join lateral aclexplode(c.relacl) a
      where a.grantee = 0 group by home.name, c.relname`,
  },
  {
    code: 'OTHER_PRIVILEGE',
    severity: 'notice',
    sql: `select r.rolname as subject, format('may %s on %s of its tables, and goes on so', string_agg(distinct a.privilege_type, ', '), count(distinct c.oid)) as what,
        format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I; -- if it should not', home.name, r.rolname) as fix
      from home join pg_class c on c.relnamespace = home.oid cross join lateral aclexplode(c.relacl) a join pg_roles r on r.oid = a.grantee
      where a.grantee <> c.relowner and r.rolname not in ($2, current_user)
        and not exists (select from pg_auth_members m join pg_roles t on t.oid = m.roleid where m.member = r.oid and t.rolname = $3)
        and not exists (select from pg_class o where o.relnamespace = home.oid and o.relowner = r.oid) group by home.name, r.rolname`,
  },
  {
    code: 'ROW_SECURITY',
    severity: 'notice',
    sql: `select format('%I.%I', home.name, c.relname) as subject, case when c.relforcerowsecurity
          then 'has forced row-level security: its policies bind the tenant too'
          else 'has row-level security, which does not bind its owner: the tenant''s role' end as what,
        format('ALTER TABLE %I.%I %s ROW LEVEL SECURITY; -- if its policies are %sto hold for the tenant', home.name, c.relname,
          case when c.relforcerowsecurity then 'NO FORCE' else 'FORCE' end, case when c.relforcerowsecurity then 'not ' else '' end) as fix
      from home join pg_class c on c.relnamespace = home.oid where c.relrowsecurity`,
  },
  {
    // Whoever has nothing of the tenant's role is not passed over as its owner's members are.
    code: 'ROW_SECURITY',
    severity: 'error',
    sql: `select format('%I.%I', home.name, c.relname) as subject, format('has row-level security, which would bind %s from the adoption on, and hide rows: before PostgreSQL 16 a role that '
          'does not inherit has nothing by a membership', r.rolname) as what,
        format('CREATE POLICY earlier_owner ON %I.%I TO %I USING (true);', home.name, c.relname, r.rolname) as fix
      from home join pg_class c on c.relnamespace = home.oid join pg_roles r on r.oid = c.relowner
      where c.relrowsecurity and not c.relforcerowsecurity and not r.rolinherit and not r.rolsuper and r.rolname <> $3 and r.rolname <> current_user
        and current_setting('server_version_num')::int < 160000 and not exists (select from pg_policy p where p.polrelid = c.oid and p.polpermissive
          and p.polcmd = '*' and r.oid = any (p.polroles) and pg_get_expr(p.polqual, p.polrelid) = 'true')`,
  },
  {
    code: 'SECURITY_DEFINER',
    severity: 'notice',
    sql: `select p.oid::regprocedure::text as subject, 'runs with the rights of its owner, which are those of the tenant from now on' as what,
        '' as fix from home join pg_proc p on p.pronamespace = home.oid where p.prosecdef`,
  },
]

/** In a database of its own the tenant may have extensions; its other schemas are in nobody's path. */
const ALONE: readonly Check[] = [
  ...BESIDE_OTHERS.filter(({ code }) => code !== 'EXTENSION'),
  {
    code: 'OTHER_SCHEMAS',
    severity: 'warning',
    sql: `select format('%I', n.nspname) as subject, 'has ' || count(*) || ' tables beside the schema that is the tenant''s: its scopes do not find them, and no archive has them' as what,
        format('ALTER TABLE … SET SCHEMA %I;', home.name) as fix
      from home join pg_namespace n on n.oid <> home.oid and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p') group by n.nspname, home.name`,
  },
]

const HOME = `with home as (select oid, nspname as name, nspacl as acl from pg_namespace where nspname = $1 and $2::text is not null and $3::text is not null)`

/** What is in a schema that its tenant, or those who were there before, will notice. */
export async function inSchema(
  look: Look,
  schema: string,
  application: string,
  role: string,
  ownDatabase: boolean,
): Promise<AdoptionFinding[]> {
  const findings: AdoptionFinding[] = []
  for (const { code, severity, sql } of ownDatabase ? ALONE : BESIDE_OTHERS) {
    for (const { subject, what, fix } of await look<Found>(`${HOME} ${sql}`, [schema, application, role]))
      findings.push({ code, severity, subject, message: `${subject} ${what}.`, ...(fix !== '' && { fix }) })
  }
  return findings
}
