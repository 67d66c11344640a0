import { invalidOption, type OptionNames, type Queryable, requireKnownOptions, TenancyError } from '@org/core'
import { quoteIdentifier } from '../sql/identifier.ts'
import { CONTROL_STEPS, CONTROL_TABLES } from './control-sql.ts'

/** Where catalogue and entitlement live unless configured. */
const DEFAULT_CONTROL_SCHEMA = 'rbac'

export interface InstallOptions {
  /** Lower-case `[a-z_][a-z0-9_]*`, up to 63 bytes, not `pg_…` (default `rbac`). It may be the registry's. */
  readonly controlSchema?: string | undefined
  /** Roles that may change who is entitled to what: the application, or the hub's own role. Never a tenant's. */
  readonly managers?: readonly string[] | undefined
  /** Roles that only read it: an application that decides, but does not manage. */
  readonly readers?: readonly string[] | undefined
}

/** @throws TenancyError INVALID_OPTION */
export function parseControlSchema(name: unknown = DEFAULT_CONTROL_SCHEMA): string {
  if (typeof name === 'string' && /^[a-z_][a-z0-9_]{0,62}$/.test(name) && !name.startsWith('pg_')) return name
  throw invalidOption(
    'controlSchema',
    '1 to 63 of a-z, 0-9 and "_", beginning neither with a digit nor "pg_"',
  )
}

/** Of a function that takes nothing else. @throws TenancyError INVALID_OPTION */
export function onlyControlSchema(options: Pick<InstallOptions, 'controlSchema'>): string {
  requireKnownOptions(options, { controlSchema: true })
  return parseControlSchema(options.controlSchema)
}

const INSTALL_RBAC_OPTIONS: OptionNames<InstallOptions> = {
  controlSchema: true,
  managers: true,
  readers: true,
}

/**
 * Creates the tables of catalogue and entitlement, or brings them up to date; may be repeated, also by several at once.
 *
 * @param admin a pool or client of a role that may create schemas
 * @throws TenancyError INVALID_OPTION; CONFLICT when a newer release has been here
 * @example
 * ```ts
 * import { installRbac } from '@org/rbac/store'
 *
 * await installRbac(adminPool, { managers: [application] })
 * ```
 */
export async function installRbac(admin: Queryable, options: InstallOptions = {}): Promise<void> {
  requireKnownOptions(options, INSTALL_RBAC_OPTIONS)
  const name = parseControlSchema(options.controlSchema)
  const { managers = [], readers = [] } = options
  for (const role of [...managers, ...readers]) {
    if (typeof role !== 'string' || role === '' || role.includes('\0') || Buffer.byteLength(role) > 63) {
      throw invalidOption('managers', 'names of roles')
    }
  }
  const version = await versionOf(admin, name)
  if (version > CONTROL_STEPS.length) {
    throw new TenancyError(
      'CONFLICT',
      'The tables of @org/rbac were made by a newer release. Deploy that release here too.',
      { details: { version } },
    )
  }
  await admin.query(installSql(name, version, managers, readers))
}

/**
 * One message of several statements: PostgreSQL runs it as one transaction (manual 54.2.2.1). Waiting for an advisory
 * lock does not tell the session what others created meanwhile; opening a table does, so one is opened behind it.
 */
function installSql(
  name: string,
  version: number,
  managers: readonly string[],
  readers: readonly string[],
): string {
  const schema = quoteIdentifier(name)
  const steps = CONTROL_STEPS.slice(version).map((step, index) => stepSql(step, version + index + 1))
  const grants = [
    ...managers.flatMap((role) => grantsOf(schema, role, 'select, insert, update, delete')),
    ...readers.flatMap((role) => grantsOf(schema, role, 'select')),
  ]
  return `select pg_advisory_xact_lock(hashtextextended('rbac.control:${name}', 0));
    select from pg_catalog.pg_namespace limit 0;
    create schema if not exists ${schema};
    revoke all on schema ${schema} from public;
    select set_config('search_path', '${schema}, pg_temp', true);
    create table if not exists rbac_version (version integer primary key, applied_at timestamptz not null default now());
    ${steps.map((step) => `${step};`).join('\n')}
    revoke all on function rbac_sync_catalog(jsonb, boolean), rbac_catalog() from public;
    alter function rbac_sync_catalog(jsonb, boolean) set search_path to ${schema}, pg_temp;
    alter function rbac_catalog() set search_path to ${schema}, pg_temp;
    ${grants.map((grant) => `${grant};`).join('\n')}
    select set_config('search_path', null, true)`
}

/**
 * One step, unless somebody who held the lock before has done it: asked behind the lock. What default privileges of the administrator
 * give of its tables is taken back: they are meant for those of migrations, and with REFERENCES or TRIGGER others' code runs as him.
 */
function stepSql(step: string, number: number): string {
  const here = `c.relkind = 'r' and c.relnamespace = (select n.oid from pg_namespace n where n.nspname = current_schema())`
  return `do $install$ declare before oid[]; taken text; begin
    if exists (select from rbac_version where version = ${number}) then return; end if;
    before := array(select c.oid from pg_class c where ${here} and c.relname <> 'rbac_version');
    execute $step$${step}$step$;
    for taken in select distinct format('revoke all on table %s from %s', c.oid::regclass,
        case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
      from pg_class c cross join lateral aclexplode(c.relacl) a where ${here} and c.oid <> all (before) and a.grantee <> c.relowner
    loop execute taken; end loop;
    insert into rbac_version (version) values (${number});
  end $install$`
}

function grantsOf(schema: string, role: string, rights: string): string[] {
  const who = quoteIdentifier(role)
  const tables = CONTROL_TABLES.map((table) => `${schema}.${table}`).join(', ')
  return [
    `grant usage on schema ${schema} to ${who}`,
    `grant ${rights} on ${tables} to ${who}`,
    `grant execute on function rbac_catalog(), rbac_sync_catalog(jsonb, boolean) to ${who}`,
  ]
}

async function versionOf(admin: Queryable, name: string): Promise<number> {
  const table = `${quoteIdentifier(name)}.rbac_version`
  const { rows } = await admin.query<{ there: boolean }>('select to_regclass($1) is not null as there', [
    table,
  ])
  if (rows[0]?.there !== true) return 0
  const found = await admin.query<{ version: number }>(
    `select coalesce(max(version), 0) as version from ${table}`,
  )
  return Number(found.rows[0]?.version)
}
