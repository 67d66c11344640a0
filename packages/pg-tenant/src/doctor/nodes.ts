import { askNodes, SCHEMAS_OF_NODES } from '../lifecycle/nodes.ts'
import { quoteLiteral } from '../sql/identifier.ts'
import type { FindingCode, Severity } from './finding.ts'
import type { Look } from './read-only.ts'
import type { Examination } from './run-checks.ts'

// What a scope sets is set on the coordinator: what holds on another node is configured there, or with the role.
const SETTINGS = (application: string) => `with own as (
    select split_part(c, '=', 1) as name, split_part(c, '=', 2) as value
    from pg_catalog.pg_db_role_setting d join pg_catalog.pg_roles r on r.oid = d.setrole cross join unnest(d.setconfig) c
    where r.rolname = ${quoteLiteral(application)})
  select pg_catalog.json_build_object(
    'durability', coalesce((select min(value) from own where name = 'synchronous_commit'), current_setting('synchronous_commit')),
    'wait', coalesce((select min(value) from own where name = 'lock_timeout'), current_setting('lock_timeout')))`

interface Settings {
  readonly durability: string
  readonly wait: string
}

// $1 schema prefix. Partitions follow their table.
const UNMOVABLE = `select c.oid::regclass::text as subject, r.rolcanlogin as known
  from pg_catalog.pg_dist_schema d join pg_catalog.pg_namespace n on n.oid = d.schemaid
  join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relkind = 'r' and pg_catalog.starts_with(n.nspname, $1)
  join pg_catalog.pg_roles r on r.oid = c.relowner
  where not r.rolcanlogin or c.relreplident = 'n' or c.relreplident = 'd'
    and not exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary)`

/**
 * The nodes that tenants' schemas are spread over.
 *
 * @returns the schemas that cannot be looked into, because their node cannot be reached
 */
export async function checkNodes(
  look: Look,
  { fleet, application, collected }: Examination,
): Promise<ReadonlySet<string>> {
  const add = (code: FindingCode, severity: Severity, subject: string, what: string, fix: string) =>
    collected.add({ code, severity, subject, message: `${subject} ${what}.`, fix })
  const answers = await askNodes(look, SETTINGS(application))
  for (const { node, group, value } of answers) {
    if (value === undefined) {
      add(
        'NODE_UNREACHABLE',
        'error',
        node,
        'cannot be asked: its tenants are away, and none can be made, resumed or migrated',
        START,
      )
      continue
    }
    const { durability, wait } = JSON.parse(value) as Settings
    if (durability !== 'on' && durability !== 'remote_apply')
      add(
        'NODE_DURABILITY',
        'error',
        node,
        `has synchronous_commit ${durability}: what it acknowledged is lost in a crash`,
        DURABLY,
      )
    // On the coordinator the scope's own limit holds.
    if (group !== 0 && /^0+(ms|s|min|h|d)?$/.test(wait))
      add(
        'NODE_LIMITS',
        'warning',
        node,
        `has no lock_timeout for ${application}: there a scope waits as long as statementTimeout`,
        LIMIT,
      )
  }
  for (const { subject, known } of await look<{ subject: string; known: boolean }>(UNMOVABLE, [
    fleet.naming.schemaPrefix,
  ])) {
    const why = known
      ? 'has neither a primary key nor a replica identity'
      : 'belongs to a role that cannot log in to other nodes'
    add('UNMOVABLE', 'warning', subject, `${why}: Citus does not move its tenant`, known ? IDENTITY : OWNER)
  }
  const away = answers.filter(({ value }) => value === undefined).map(({ group }) => group)
  const schemas = away.length > 0 ? await look<{ schema: string }>(SCHEMAS_OF_NODES, [away]) : []
  return new Set(schemas.map(({ schema }) => schema))
}

const START = 'Start it, or see why the administrator cannot log in there (pg_hba.conf, pg_dist_authinfo).'
const DURABLY = 'Set synchronous_commit to on there, in the configuration and for the role.'
const LIMIT =
  'ALTER ROLE … SET lock_timeout for the application’s role on the coordinator, which Citus passes on to all nodes.'
const IDENTITY =
  'A migration with a primary key, or ALTER TABLE … REPLICA IDENTITY FULL. The tenant’s marker: provision(key).'
const OWNER = 'As a superuser: REASSIGN OWNED BY its owner TO the administrator’s role.'
