import { type Queryable, TenancyError } from '@org/core'
import { quoteIdentifier, quoteLiteral } from '../sql/identifier.ts'
import { ownersAlone } from '../sql/owners-alone.ts'
import { briefly, isInUse } from './brief-locks.ts'

/** The tables one part of this package keeps in the control schema. */
export interface ControlTables {
  /** Each part has a history of its own: a server that wants only one has only that. */
  readonly part: string
  /**
   * The steps so far; each runs once, with the control schema as its search path. Only ever append: programs of the
   * release before go on using what is there (expand, then contract).
   */
  readonly steps: readonly string[]
  /** What may be said again at each install: grants, policies that options decide. Names may be unqualified. */
  readonly always?: readonly string[]
}

/**
 * Creates the tables of one part in the control schema, or brings them up to date; may be repeated, also by several
 * processes at once. One message of several statements: PostgreSQL runs it as one transaction (manual 54.2.2.1).
 *
 * @internal
 * @param admin a pool or client of a role that may create schemas, connected directly
 * @throws TenancyError CONFLICT when a newer release has been here, or a role does not exist; SERVICE_UNAVAILABLE where somebody had a table in use all the time
 */
export async function installControl(admin: Queryable, schema: string, tables: ControlTables): Promise<void> {
  const found = await versionOf(admin, schema, tables.part)
  const version = found ?? 0
  if (version > tables.steps.length) {
    throw new TenancyError(
      'CONFLICT',
      `The tables of @org/governance/${tables.part} were made by a newer release. Deploy that release here too.`,
      { details: { part: tables.part, version } },
    )
  }
  await admin
    .query(`${found === undefined ? historySql(schema) : ''}${installSql(schema, tables, version)}`)
    .catch((error: unknown) => {
      if (isInUse(error)) throw inUse(tables.part)
      throw (error as { code?: unknown } | null)?.code === UNDEFINED_OBJECT
        ? noRole(tables.part, error)
        : error
    })
}

/** Of what an install names, roles alone are not made by it. */
const UNDEFINED_OBJECT = '42704'

function noRole(part: string, cause: unknown): TenancyError {
  return new TenancyError(
    'CONFLICT',
    `A role that the tables of @org/governance/${part} were to be given to does not exist: create it, or name another. Nothing was changed.`,
    { details: { part, reason: 'role' }, cause },
  )
}

function inUse(part: string): TenancyError {
  return new TenancyError(
    'SERVICE_UNAVAILABLE',
    `The tables of @org/governance/${part} were in use all the time; nothing of them was changed. Install them again, when no long transaction is open.`,
    { details: { part } },
  )
}

/** Waiting for an advisory lock does not tell the session what others created meanwhile; opening a table does, so one is opened behind it. */
function historySql(name: string): string {
  const schema = quoteIdentifier(name)
  return `select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(${quoteLiteral(`governance.control:${name}`)}, 0));
    select from pg_catalog.pg_namespace limit 0;
    create schema if not exists ${schema};
    create table if not exists ${schema}.governance_version (
      part text not null,
      version integer not null,
      applied_at timestamptz not null default now(),
      constraint pk_governance_version primary key (part, version)
    );
    do $taken$ declare taken text; begin
      ${ownersAlone(`c.oid operator(pg_catalog.=) ${quoteLiteral(`${schema}.governance_version`)}::pg_catalog.regclass::pg_catalog.oid`)}
    end $taken$;`
}

/**
 * One at a time, by the lock of a table that no tenant may lock; an advisory lock could be held by any of the database. In a
 * transaction of the caller's the search path is afterwards what it was.
 */
function installSql(name: string, { part, steps, always = [] }: ControlTables, version: number): string {
  const schema = quoteIdentifier(name)
  const missing = steps.slice(version).map((step, index) => stepSql(part, step, version + index + 1))
  return `lock table ${schema}.governance_version in share row exclusive mode;
    select pg_catalog.set_config('governance.path', pg_catalog.current_setting('search_path'), true);
    select pg_catalog.set_config('search_path', ${quoteLiteral(`${schema}, pg_temp`)}, true);
    ${briefly([...missing, ...always].map((statement) => `${statement};`).join('\n'))};
    select pg_catalog.set_config('search_path', pg_catalog.current_setting('governance.path'), true)`
}

/** One step, unless somebody who held the lock before has done it: asked behind the lock. */
function stepSql(part: string, step: string, number: number): string {
  const home =
    'c.relnamespace operator(pg_catalog.=) (select n.oid from pg_catalog.pg_namespace n where n.nspname operator(pg_catalog.=) current_schema())'
  return `do $install$ declare before oid[]; taken text; begin
    if exists (select from governance_version where part = ${quoteLiteral(part)} and version = ${number}) then return; end if;
    before := array(select c.oid from pg_catalog.pg_class c where ${home});
    execute $step$${step}$step$;
    ${ownersAlone(`${home} and c.oid operator(pg_catalog.<>) all (before)`)}
    insert into governance_version (part, version) values (${quoteLiteral(part)}, ${number});
  end $install$`
}

/** `undefined` where nothing of this package has ever been. */
async function versionOf(admin: Queryable, schema: string, part: string): Promise<number | undefined> {
  const table = `${quoteIdentifier(schema)}.governance_version`
  const { rows } = await admin.query<{ there: boolean }>(
    'select pg_catalog.to_regclass($1) is not null as there',
    [table],
  )
  if (rows[0]?.there !== true) return undefined
  const found = await admin.query<{ version: number }>(
    `select coalesce(max(version), 0) as version from ${table} where part = $1`,
    [part],
  )
  return Number(found.rows[0]?.version)
}
