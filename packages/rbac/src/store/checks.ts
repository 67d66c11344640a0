import type { CheckFinding, CheckPlace, TenancyCheck } from '@org/core'
import { quoteIdentifier } from '../sql/identifier.ts'
import { CONTROL_TABLES } from './control-sql.ts'
import { type InstallOptions, onlyControlSchema } from './install.ts'

// $1 schema, $2 tables. What no install gives: managers and readers have rows of the catalogue and of entitlement, and nobody the versions.
const GIVEN = `select case a.grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end as who,
    count(distinct c.oid)::int as tables, min(c.relname) as first, string_agg(distinct a.privilege_type, ', ' order by a.privilege_type) as what,
    string_agg(distinct format('%s.%I', $1::text, c.relname), ', ') as named
  from pg_class c cross join lateral aclexplode(c.relacl) a
  where c.relnamespace = to_regnamespace($1) and c.relkind = 'r' and c.relname = any ($2)
    and a.grantee <> c.relowner and not exists (select from pg_roles r where r.oid = a.grantee and r.rolsuper)
    and (a.grantee = 0 or a.privilege_type not in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') or c.relname = 'rbac_version')
  group by a.grantee order by 1`

/**
 * What can be wrong with the tables of catalogue and entitlement, for `createTenancy({ checks })`: rights that no install gives
 * (`RBAC_RIGHTS`), by default privileges or by hand. Where nothing is installed it finds nothing.
 *
 * @throws TenancyError INVALID_OPTION
 * @example
 * ```ts
 * import { rbacChecks } from '@org/rbac/store'
 * import { createTenancy } from '@org/pg-tenant'
 *
 * const tenancy = createTenancy({ pool, adminPool, checks: rbacChecks() })
 * const { counts } = await tenancy.doctor()
 * counts.RBAC_RIGHTS // → undefined
 * ```
 */
export function rbacChecks(options: Pick<InstallOptions, 'controlSchema'> = {}): readonly TenancyCheck[] {
  const schema = onlyControlSchema(options)
  return [{ name: 'rbac.rights', examine: (place) => rightsFindings(place, schema) }]
}

async function rightsFindings(place: CheckPlace, schema: string): Promise<readonly CheckFinding[]> {
  const home = quoteIdentifier(schema)
  const { rows } = await place.query<Record<'who' | 'first' | 'what' | 'named', string> & { tables: number }>(
    GIVEN,
    [home, ['rbac_version', ...CONTROL_TABLES]],
  )
  return rows.map(({ who, tables, first, what, named }) => ({
    code: 'RBAC_RIGHTS',
    severity: 'error',
    subject: `${schema}: ${who}`,
    message: `${who} may ${what} on ${tables} tables in ${schema} (${first} for one), which installRbac gives nobody: who has it may give rights, or run code as the administrator.`,
    fix: `REVOKE ALL ON ${named} FROM ${who}; and installRbac again: that gives back what is meant. Where it came by default privileges (\\ddp in psql), give those of the tables’ schema only.`,
  }))
}
