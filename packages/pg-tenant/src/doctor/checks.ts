import { tenantsWithNames } from '../registry/record.ts'
import type { FindingCode, Severity } from './finding.ts'

/** One set-based query for all tenants of a place; each row is a finding: `subject` and `what`. */
export interface Check {
  readonly code: FindingCode
  readonly severity: Severity
  readonly sql: string
  readonly fix: string
}

/**
 * Where checks look: the one database of all tenants (`schemas`); the one with the registry, where tenants share tables
 * (`rows`) or have databases of their own (`databases`); such a database (`home`).
 */
export type CheckScope = 'schemas' | 'rows' | 'databases' | 'home'

/** Names a check is made from; the tables are qualified and quoted. */
export interface CheckPlace {
  readonly scope: CheckScope
  /** The registry's table of tenants, or a query in parentheses in its place. */
  readonly tenant: string
  readonly run: string | undefined
  /** Whether tenants have roles of their own. */
  readonly roles: boolean
}

/** A check before what all have in common is put before it. */
export interface CheckText extends Check {
  /** Only where tenants have roles of their own. */
  readonly roles?: true
  /** Where else than in `schemas` it says something. */
  readonly also?: readonly CheckScope[]
}

// Every check is given: $1 schema prefix, $2 role prefix, $3 marker, $4 application role, $5 shared schemas, $6 level; at
// home also $7 key and $8 status. What the checks share comes first. `fleet`: the tenants of this tenancy with schema and
// role, as far as they are there. `neighbours`: those of other tenancies in the same registry, of another prefix or level.
const COMMON = ({ tenant }: CheckPlace) => `
with parameters as (
  select $1::text as schema_prefix, $2::text as role_prefix, $3::text as marker, $4::text as application,
    $5::text[] as shared, $6::text as level
), fleet as (
  select t.key, t.status, coalesce(t.database_name, $2 || t.key) as home, n.oid as schema, n.nspname, n.nspacl, r.oid as role, r.rolname, r.rolcanlogin, r.rolsuper,
    r.rolcreaterole, r.rolcreatedb, r.rolbypassrls, r.rolreplication
  from ${tenantsWithNames(tenant)}
  left join pg_namespace n on n.nspname = coalesce(t.schema_name, $1 || t.key)
  left join pg_roles r on r.rolname = coalesce(t.role_name, $2 || t.key)
  where t.prefix = $1 and t.isolation = $6
), neighbours as (
  select t.prefix, t.isolation, n.nspname, n.nspacl, case when t.prefix = $1 then coalesce(t.role_name, $2 || t.key) end as rolname
  from ${tenantsWithNames(tenant)}
  left join pg_namespace n on n.nspname = coalesce(t.schema_name, t.prefix || t.key)
  where (t.prefix <> $1 or t.isolation <> $6) and t.status <> 'deleted'
)`

/** Whether a role, by `oid` and `rolname` of `row`, is that of a tenant of another tenancy in the registry: what may create in its schema. */
export const isNeighboursRole = (
  row: string,
) => `exists (select from neighbours o left join lateral aclexplode(o.nspacl) a
  on a.privilege_type = 'CREATE' where o.isolation <> 'schema' and a.grantee = ${row}.oid or o.rolname = ${row}.rolname)`

/** The checks of a list that say something of a place, complete; `own` are those that only this kind of place has. */
export function checksOf(
  place: CheckPlace,
  all: readonly CheckText[],
  own: readonly CheckText[] = [],
): Check[] {
  const common = COMMON(place)
  const { scope } = place
  const here = all.filter(({ also }) => scope === 'schemas' || also?.includes(scope))
  const checks = [...here, ...own].filter(({ roles }) => place.roles || !roles)
  const whole = checks.map(({ code, severity, fix, sql }) => ({
    code,
    severity,
    fix,
    sql: common + (sql.startsWith(',') ? sql : `\n${sql}`),
  }))
  if (place.run === undefined) return whole
  const half = `${common}
    select r.key as subject, 'migration ' || r.id || ' stopped after ' || r.done || ' of its statements' as what
    from ${place.run} r join fleet f on f.key = r.key where r.prefix = $1`
  const fix = 'Unless it is under way, run migrate again: it goes on there.'
  return [...whole, { code: 'HALF_APPLIED', severity: 'warning', sql: half, fix }]
}
