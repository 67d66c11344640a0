import type { Look } from '../doctor/read-only.ts'
import { traitsOf } from '../isolation/traits.ts'
import {
  REMEDY,
  SHARED_RIGHTS,
  type SharedRight,
  sharedRightsOf,
  wordsOf,
} from '../lifecycle/falls-through.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding, AdoptionFindingCode } from './finding.ts'
import type { Wanted } from './options.ts'

/** A role that is there and is to be the tenant's login. */
interface LoginFacts {
  readonly admin: string
  readonly acting: boolean
  readonly logsIn: boolean
  readonly expired: boolean
  readonly mighty: readonly string[]
  /** Whether the server was made with it: it cannot be made less. */
  readonly bootstrap: boolean
  readonly memberOf: readonly string[]
  readonly members: readonly string[]
  /** Whether the administrator may change it and grant membership in it. */
  readonly administers: boolean
  readonly within: boolean
  readonly connects: boolean
  readonly database: string
  readonly owns: readonly string[]
  readonly may: readonly string[]
  readonly databases: readonly string[]
  readonly makesSchemas: boolean
}

// Who has the ADMIN option alone grants itself the rest; an administrator that made the role has no more than that (PostgreSQL 16).
// $1 the role, $2 the tenant's schema, $3 the application's role, $4 shared schemas, whose rights are looked at by themselves.
const LOGIN = `with login as (select * from pg_roles where rolname = $1),
me as (select r.*, current_setting('server_version_num')::int >= 160000 as sixteen from pg_roles r where r.rolname = current_user),
here as (select oid, datname from pg_database where datname = current_database()),
elsewhere as (
  select s.deptype, i.type || ' ' || i.identity as name from login join pg_shdepend s on s.refclassid = 'pg_authid'::regclass
      and s.refobjid = login.oid and s.deptype in ('o', 'a') join here on here.oid = s.dbid
    cross join lateral pg_identify_object(s.classid, s.objid, s.objsubid) i
  where i.type is not null and i.schema is distinct from quote_ident($2) and not (s.deptype = 'a' and coalesce(i.schema, '') = any (
      select quote_ident(n) from unnest($4::text[]) n))
    and not (s.classid = 2615 and s.objid = (select oid from pg_namespace where nspname = $2))
    and not (s.classid = 2615 and s.deptype = 'a' and i.identity = any (select quote_ident(n) from unnest($4::text[]) n))
    and s.classid <> 826 and coalesce(i.schema, i.name, '') !~ '^pg_(toast_)?temp'
)
select me.rolname as admin, login.rolname in (me.rolname, $3) as acting, login.rolcanlogin as "logsIn",
  coalesce(login.rolvaliduntil <= now(), false) as expired,
  array_remove(array[case when login.rolsuper then 'SUPERUSER' end, case when login.rolcreaterole then 'CREATEROLE' end,
    case when login.rolcreatedb then 'CREATEDB' end, case when login.rolbypassrls then 'BYPASSRLS' end,
    case when login.rolreplication then 'REPLICATION' end], null) as mighty, login.oid = 10 as bootstrap,
  array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = login.oid order by 1) as "memberOf",
  array(select distinct r.rolname::text from pg_auth_members m join pg_roles r on r.oid = m.member where m.roleid = login.oid
    and r.oid <> me.oid and not r.rolsuper and (not me.sixteen or to_jsonb(m) ->> 'inherit_option' = 'true' or to_jsonb(m) ->> 'set_option' = 'true'
      or m.admin_option and not r.rolcreaterole)
    order by 1) as members,
  me.rolsuper or me.rolcreaterole and (not me.sixteen or pg_has_role(me.oid, login.oid, 'usage with admin option')
    or pg_has_role(me.oid, login.oid, 'member with admin option')) as administers,
  pg_has_role(me.oid, login.oid, 'usage') and pg_has_role(me.oid, login.oid, case when me.sixteen then 'set' else 'member' end) as within,
  has_database_privilege(login.oid, here.oid, 'connect') as connects, here.datname as database,
  array(select name from elsewhere where deptype = 'o' order by 1 limit 21) as owns,
  array(select name from elsewhere where deptype = 'a' order by 1 limit 21) as may,
  array(select distinct d.datname::text from pg_shdepend s join pg_database d on d.oid = s.dbid where s.refclassid = 'pg_authid'::regclass
    and s.refobjid = login.oid and d.oid <> here.oid
    union select d.datname::text from pg_database d where d.datdba = login.oid and d.oid <> here.oid order by 1) as databases,
  has_database_privilege(login.oid, here.oid, 'create') as "makesSchemas"
from login cross join me cross join here`

/** Names in one finding. */
const NAMED = 20
const named = (names: readonly string[]) =>
  names.slice(0, NAMED).join(', ') + (names.length > NAMED ? ' and more' : '')

/** What keeps a role that is there from being a tenant's login, whose scopes have all its rights from the adoption on. */
export async function surveyLogin(
  look: Look,
  lifecycle: Lifecycle,
  { role, schema }: Pick<Wanted, 'role' | 'schema'>,
  application: string,
): Promise<AdoptionFinding[]> {
  const { level, naming, registry } = lifecycle
  const { ownDatabase } = traitsOf(level)
  const shared = ownDatabase ? [] : naming.sharedSchemas
  const [facts] = await look<LoginFacts>(LOGIN, [role, schema, application, shared])
  if (!facts) return []
  const findings = [...ofLogin(facts, role, schema, ownDatabase)]
  if (ownDatabase) return findings
  const values = sharedRightsOf(naming, level, application, registry.controlSchema)
  // As though it were the application: what it may besides, and what PUBLIC may.
  values[1] = role
  for (const right of await look<SharedRight>(SHARED_RIGHTS, values))
    findings.push({
      code: 'SHARED_RIGHTS',
      severity: 'error',
      subject: right.object,
      message: `${right.object} ${wordsOf(right)}.`,
      fix: REMEDY,
    })
  return findings
}

function* ofLogin(
  facts: LoginFacts,
  role: string,
  schema: string,
  ownDatabase: boolean,
): Generator<AdoptionFinding> {
  const [login, admin] = [role, facts.admin].map(quoteIdentifier)
  const find = (
    code: AdoptionFindingCode,
    message: string,
    fix: string,
    severity: AdoptionFinding['severity'] = 'error',
  ): AdoptionFinding => ({ code, severity, subject: role, message: `${login} ${message}`, fix })
  if (facts.acting)
    yield find('ROLE_UNFIT', 'is the role of the application or of the administrator.', 'Say another role.')
  if (facts.mighty.length > 0)
    yield find(
      'ROLE_UNFIT',
      `may more than a tenant: ${facts.mighty.join(', ')}.`,
      facts.bootstrap
        ? 'Say another role.'
        : `ALTER ROLE ${login} ${facts.mighty.map((word) => `NO${word}`).join(' ')};`,
    )
  if (facts.memberOf.length > 0)
    yield find(
      'ROLE_UNFIT',
      `has the rights of ${facts.memberOf.map(quoteIdentifier).join(', ')}.`,
      `REVOKE ${facts.memberOf.map(quoteIdentifier).join(', ')} FROM ${login};`,
    )
  if (facts.members.length > 0)
    yield find(
      'ROLE_UNFIT',
      `has members, who may whatever the tenant may: ${facts.members.map(quoteIdentifier).join(', ')}.`,
      `REVOKE ${login} FROM ${facts.members.map(quoteIdentifier).join(', ')};`,
    )
  if (!facts.logsIn || facts.expired)
    yield find(
      'ROLE_UNFIT',
      facts.logsIn ? 'has a password that is valid no more.' : 'may not log in.',
      `ALTER ROLE ${login} LOGIN VALID UNTIL 'infinity';`,
    )
  if (!facts.connects)
    yield find(
      'ROLE_UNFIT',
      'may not connect to the database.',
      `GRANT CONNECT ON DATABASE ${quoteIdentifier(facts.database)} TO ${login};`,
    )
  if (!facts.administers || !facts.within)
    yield find(
      'OWNER_OUT_OF_REACH',
      'is to be the tenant’s, and the administrator does not administer it.',
      `As a superuser, or whoever administers that role: GRANT ${login} TO ${admin} WITH ADMIN OPTION;`,
    )
  if (facts.owns.length > 0)
    yield find(
      'ROLE_REACHES_OUT',
      `owns something outside ${quoteIdentifier(schema)}: ${named(facts.owns)}.`,
      'Give it to somebody else (ALTER … OWNER TO), or drop it: a tenant has what is in its schema.',
    )
  if (facts.may.length > 0)
    yield find(
      'ROLE_REACHES_OUT',
      `has rights outside ${quoteIdentifier(schema)}: ${named(facts.may)}.`,
      `REVOKE ALL ON … FROM ${login}; each of them.`,
    )
  if (facts.databases.length > 0)
    yield find(
      'ROLE_REACHES_OUT',
      `has something in other databases too: ${named(facts.databases)}. The tenant goes on having it.`,
      'REASSIGN OWNED and REVOKE there, unless it is the tenant’s.',
      'warning',
    )
  if (facts.makesSchemas && !ownDatabase)
    yield find(
      'ROLE_REACHES_OUT',
      'may make schemas in the database. The confirmation takes that back where the administrator gave it.',
      `REVOKE CREATE ON DATABASE ${quoteIdentifier(facts.database)} FROM ${login};`,
      'warning',
    )
}
