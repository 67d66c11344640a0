import type { TenantKey } from '@org/core'
import type { Look } from '../doctor/read-only.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { qualify, quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding, AdoptionFindingCode } from './finding.ts'
import type { Wanted } from './options.ts'

interface DatabaseFacts {
  readonly admin: string
  readonly createsDatabases: boolean
  readonly own: boolean
  readonly owner: string
  readonly within: boolean
  readonly connects: boolean
  readonly template: boolean
  readonly others: readonly string[]
  readonly open: boolean
  /** Whether its sessions begin as another role. */
  readonly becomes: boolean
}

// $1 the database, $2 the role.
const DATABASE = `select me.rolname as admin, me.rolsuper or me.rolcreatedb as "createsDatabases", d.datname = current_database() as own,
  pg_get_userbyid(d.datdba) as owner, pg_has_role(me.oid, d.datdba, 'usage') as within,
  d.datallowconn and has_database_privilege(me.oid, d.oid, 'connect') as connects, d.datistemplate as template,
  array(select distinct r.rolname::text from aclexplode(d.datacl) a join pg_roles r on r.oid = a.grantee
    where a.grantee not in (d.datdba, me.oid) and r.rolname <> $2 order by 1) as others,
  exists (select from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a where a.grantee = 0) as open,
  exists (select from pg_db_role_setting s cross join unnest(s.setconfig) c where s.setdatabase = d.oid and s.setrole = 0 and c like 'role=%') as becomes
from pg_roles me join pg_database d on d.datname = $1 where me.rolname = current_user`

/** What is known of a tenant's database from outside. */
export interface DatabaseSurvey {
  readonly findings: readonly AdoptionFinding[]
  /** Whether one can look inside. */
  readonly reachable: boolean
}

/** Looks at the database that is to be a tenant's own, in the one that holds the registry. */
export async function surveyDatabase(
  look: Look,
  lifecycle: Lifecycle,
  { tenant, database = '', role }: Wanted,
): Promise<DatabaseSurvey> {
  const [facts] = await look<DatabaseFacts>(DATABASE, [database, role])
  const find = findingsOn(database)
  if (!facts)
    return {
      reachable: false,
      findings: [find('DATABASE_NOT_FOUND', 'is no database of this server.', 'Say which one: database: …')],
    }
  const whose = await tenantWith(look, lifecycle, tenant, database)
  const findings = [...ofDatabase(facts, database, find)]
  if (facts.own)
    findings.push(
      find('DATABASE_TAKEN', 'holds the registry, so it cannot be one tenant’s.', 'Use level login.'),
    )
  if (whose !== undefined)
    findings.push(find('DATABASE_TAKEN', `is the database of tenant "${whose}".`, 'Say another one.'))
  return { findings, reachable: facts.connects && !facts.own }
}

type Find = (
  code: AdoptionFindingCode,
  message: string,
  fix: string,
  severity?: AdoptionFinding['severity'],
) => AdoptionFinding

const findingsOn =
  (database: string): Find =>
  (code, message, fix, severity = 'error') => ({
    code,
    severity,
    subject: database,
    message: `${quoteIdentifier(database)} ${message}`,
    fix,
  })

function* ofDatabase(facts: DatabaseFacts, database: string, find: Find): Generator<AdoptionFinding> {
  const [name, admin] = [database, facts.admin].map(quoteIdentifier)
  if (!facts.createsDatabases)
    yield find(
      'ADMINISTRATOR_LACKS',
      'cannot be had by an administrator (adminPool) who may not have databases.',
      `ALTER ROLE ${admin} CREATEDB;`,
    )
  if (!facts.within)
    yield find(
      'OWNER_OUT_OF_REACH',
      `belongs to ${quoteIdentifier(facts.owner)}, whose rights the administrator does not have.`,
      `As a superuser, or as its owner: ALTER DATABASE ${name} OWNER TO ${admin};`,
    )
  if (!facts.connects)
    yield find(
      'ADMINISTRATOR_LACKS',
      'does not let the administrator (adminPool) connect.',
      `GRANT CONNECT ON DATABASE ${name} TO ${admin};`,
    )
  if (facts.becomes)
    yield find(
      'ADMINISTRATOR_LACKS',
      'begins every session as another role, the administrator’s (adminPool) as well.',
      `ALTER DATABASE ${name} RESET role;`,
    )
  if (facts.template)
    yield find(
      'DATABASE_TAKEN',
      'is a template: whoever makes a database may copy it.',
      `ALTER DATABASE ${name} IS_TEMPLATE false;`,
    )
  if (facts.open)
    yield find(
      'PUBLIC_PRIVILEGE',
      'lets everybody connect, until the confirmation.',
      `REVOKE ALL ON DATABASE ${name} FROM PUBLIC;`,
      'notice',
    )
  if (facts.others.length > 0)
    yield find(
      'OTHER_PRIVILEGE',
      `gives rights to ${facts.others.map(quoteIdentifier).join(', ')}, until the confirmation.`,
      `REVOKE ALL ON DATABASE ${name} FROM ${facts.others.map(quoteIdentifier).join(', ')};`,
      'notice',
    )
}

async function tenantWith(
  look: Look,
  { naming, registry }: Lifecycle,
  tenant: TenantKey,
  database: string,
): Promise<string | undefined> {
  const table = qualify(registry.controlSchema, 'tenant')
  const [found] = await look<{ there: boolean }>('select to_regclass($1) is not null as there', [table])
  if (!found?.there) return undefined
  const [row] = await look<{ key: string }>(
    `select key from ${table} where isolation = 'database' and status <> 'deleted' and not (prefix = $1 and key = $2)
       and (database_name = $4 or database_name is null and prefix = $1 and $3 || key = $4) limit 1`,
    [registry.prefix, tenant, naming.rolePrefix, database],
  )
  return row?.key
}
