import type { CheckFinding, CheckPlace } from '@org/core'
import { STEPS as audit } from '../audit/tables.ts'
import { STEPS as jobs } from '../jobs/tables.ts'
import { STEPS as outbox } from '../outbox/install.ts'
import { STEPS as privacy } from '../privacy/tables.ts'
import { STEPS as retention } from '../retention/tables.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { STEPS as usage } from '../usage/tables.ts'
import { areThere } from './there.ts'

const TABLES: readonly string[] = [
  'governance_version',
  ...[audit, jobs, outbox, privacy, retention, usage]
    .flat()
    .flatMap((step) => [...step.matchAll(/create table (\w+)/g)].map(([, name = '']) => name)),
]

// $1 schema, $2 its tables. What no install gives: partitions are reached through their table, whose policies do not hold for them, and
// only emptied by themselves; who writes past the columns that publishers have is named by a policy for everything.
const GIVEN = `select case a.grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end as who,
    count(distinct c.oid)::int as tables, min(c.relname) as first, string_agg(distinct a.privilege_type, ', ' order by a.privilege_type) as what,
    string_agg(distinct format('%s.%I', $1::text, c.relname), ', ') as named
  from pg_class c cross join lateral aclexplode(c.relacl) a left join pg_inherits i on i.inhrelid = c.oid
    left join pg_class parent on parent.oid = i.inhparent
  where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p') and coalesce(parent.relname, c.relname) = any ($2)
    and a.grantee <> c.relowner and not exists (select from pg_roles r where r.oid = a.grantee and r.rolsuper)
    and (a.grantee = 0 or a.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
      or c.relispartition <> (a.privilege_type = 'TRUNCATE') or c.relname = 'governance_version'
      or c.relrowsecurity and not c.relispartition and a.privilege_type <> 'SELECT' and not exists (
        select from pg_policy p where p.polrelid = c.oid and p.polcmd = '*' and a.grantee = any (p.polroles)))
  group by a.grantee order by 1`

/** @internal What default privileges gave of tables that an older release installed, or somebody by hand. */
export async function rightsFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  if (!(await areThere(place, schema, 'governance_version'))) return []
  const home = quoteIdentifier(schema)
  const { rows } = await place.query<Record<'who' | 'first' | 'what' | 'named', string> & { tables: number }>(
    GIVEN,
    [home, TABLES],
  )
  return rows.map(({ who, tables, first, what, named }) => ({
    code: 'GOVERNANCE_RIGHTS',
    severity: 'error',
    subject: `${schema}: ${who}`,
    message: `${who} may ${what} on ${tables} tables in ${schema} (${first} for one), which no install gives: what all tenants wrote may be read or changed there.`,
    fix: `REVOKE ALL ON ${named} FROM ${who}; and install again what is there: that gives back what is meant. Where it came by default privileges (\\ddp in psql), give those of the tables’ schema only.`,
  }))
}
