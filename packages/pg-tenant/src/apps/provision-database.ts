import { integerOption, invalidOption, type OptionNames, requireKnownOptions, TenancyError } from '@org/core'
import { type AdminSession, withAdminPool, withAdminSession } from '../admin/session.ts'
import { inAdminTransaction } from '../admin/transaction.ts'
import { type TenantConnection, tenantConnection } from '../credentials/connection.ts'
import { generatePassword, scramVerifier } from '../credentials/password.ts'
import { configOf } from '../driver/connection-config.ts'
import type { PoolLike } from '../driver/types.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import { nameOfApp, parseApp } from './app-names.ts'
import { standingOfApp, waitForOthers, whileAppIsLocked } from './app-state.ts'
import { takeDownApp } from './drop-database.ts'

/** Options of {@link provisionDatabase}. */
export interface ProvisionDatabaseOptions {
  /** Its name: 3 to 32 of `a-z`, `0-9` and `_`. */
  readonly app: string
  /** How many connections its role may have at once, 1 to 10,000 (default 20). */
  readonly connectionLimit?: number | undefined
  /** What the database is copied from (default `template0`). */
  readonly template?: string | undefined
  /** Where the app connects to, if not where the administrator does: a pooler, a name inside a network. */
  readonly host?: string | undefined
  readonly port?: number | undefined
}

/** An app's new database. */
export interface ProvisionedDatabase {
  readonly app: string
  readonly database: string
  readonly role: string
  /** Given out this once: the password is kept nowhere. `connection.url` is the connection string. */
  readonly connection: TenantConnection
  /**
   * Databases that everybody may connect to, and so this role as well (`postgres` unless you changed that). It has no
   * rights in them, but sees their catalogues: REVOKE CONNECT ON DATABASE … FROM PUBLIC (deploy/bootstrap.sql).
   */
  readonly alsoOpen: readonly string[]
}

const PROVISION_DATABASE_OPTIONS: OptionNames<ProvisionDatabaseOptions> = {
  app: true,
  connectionLimit: true,
  template: true,
  host: true,
  port: true,
}

/**
 * A database and a restricted login role for an app: the role may connect to that database and fill it, nothing else.
 *
 * CREATE DATABASE cannot run in a transaction. When it fails, what was made is removed again; when this process is
 * killed, the next call for the same app finishes the work. Of two calls at once one succeeds.
 *
 * @param adminPool a role with CREATEDB and CREATEROLE, or a superuser; connected directly, not through a pooler
 * @throws TenancyError VALIDATION_ERROR (the name), INVALID_OPTION, DUPLICATE_RESOURCE (the app exists, or something of
 *   that name does), CONFLICT (it is being dropped), DATABASE_ERROR, CONNECTION_LOST
 * @example
 * ```ts
 * import { dropDatabase, provisionDatabase } from '@org/pg-tenant/admin'
 *
 * const { database, connection } = await provisionDatabase(adminPool, { app: 'example_wiki' })
 * new URL(connection.url).pathname === `/${database}` // → true
 * await dropDatabase(adminPool, { app: 'example_wiki', confirm: 'example_wiki' }) // → true
 * ```
 */
export async function provisionDatabase(
  adminPool: PoolLike,
  options: ProvisionDatabaseOptions,
): Promise<ProvisionedDatabase> {
  requireKnownOptions(options, PROVISION_DATABASE_OPTIONS)
  const { app, connectionLimit, template } = parse(options)
  const name = nameOfApp(app)
  const { host, port } = { ...(await configOf(adminPool, 'adminPool')), ...endpointOf(options) }
  const work = async (session: AdminSession): Promise<ProvisionedDatabase> => {
    await waitForOthers(session, name)
    await refuseTaken(session, name)
    const password = generatePassword()
    try {
      await createRole(session, name)
      await createDatabase(session, name, template)
      await withAdminPool(adminPool, name, (pool) => letIn(pool, name))
      await openRole(session, name, connectionLimit, password)
    } catch (error) {
      // What it could not remove is finished by the next call, or by dropDatabase.
      await takeDownApp(session, name).catch(() => undefined)
      throw error
    }
    const connection = tenantConnection({ host, port, database: name, user: name }, password)
    return { app, database: name, role: name, connection, alsoOpen: await openTo(session, name) }
  }
  return await whileAppIsLocked(adminPool, name, () => withAdminSession(adminPool, undefined, work))
}

function parse({ app, connectionLimit = 20, template = 'template0', ...rest }: ProvisionDatabaseOptions) {
  integerOption('connectionLimit', connectionLimit, 1, 10_000)
  if (typeof template !== 'string' || template === '' || template.includes('\0'))
    throw invalidOption('template', 'the name of a database')
  endpointOf({ app, ...rest })
  return { app: parseApp(app), connectionLimit, template }
}

function endpointOf({ host, port }: ProvisionDatabaseOptions): { host?: string; port?: number } {
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw invalidOption('host', 'a name or address')
  if (port !== undefined) integerOption('port', port, 1, 65_535)
  return { ...(host !== undefined && { host }), ...(port !== undefined && { port }) }
}

async function refuseTaken(session: AdminSession, name: string): Promise<void> {
  const { role, database } = await standingOfApp(session, name)
  if (role === 'dropping') {
    throw new TenancyError('CONFLICT', 'This app is being dropped. Run dropDatabase again to finish that.', {
      details: { database: name },
    })
  }
  if (role === 'ready' || role === 'foreign' || database === 'foreign') {
    throw new TenancyError(
      'DUPLICATE_RESOURCE',
      'A database or role for an app of that name is there already.',
      {
        details: { database: name },
      },
    )
  }
}

/** It cannot log in until everything is there. */
async function createRole(session: AdminSession, name: string): Promise<void> {
  const role = quoteIdentifier(name)
  const [facts] = await session.run(
    `select exists (select from pg_roles where rolname = $1) as there,
       (select rolsuper from pg_roles where rolname = current_user) as superuser,
       current_setting('server_version_num')::int >= 160000 as sixteen, current_user as admin`,
    [name],
  )
  if (!facts?.there) {
    // One message, one implicit transaction: no role of ours is ever there without its mark.
    await session.run(
      `create role ${role} nologin noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
       comment on role ${role} is 'pg_tenant app: provisioning'`,
    )
  }
  // So that it can end the app's sessions when it is dropped (PostgreSQL 16 decides inheritance with the grant).
  if (!facts?.superuser) {
    const how = facts?.sixteen ? ' with inherit false, set true' : ''
    await session.run(`grant ${role} to ${quoteIdentifier(String(facts?.admin))}${how}`)
  }
}

/** The administrator owns it, so that the app can neither drop nor open it to others. */
async function createDatabase(session: AdminSession, name: string, template: string): Promise<void> {
  const database = quoteIdentifier(name)
  const [found] = await session.run('select from pg_database where datname = $1', [name])
  if (!found) await session.run(`create database ${database} template ${quoteIdentifier(template)}`)
  await session.run(`revoke all on database ${database} from public`)
  await session.run(`grant connect, create, temporary on database ${database} to ${database}`)
}

/** Inside the new database: its schema `public` is the app's to fill. */
async function letIn(pool: PoolLike, name: string): Promise<void> {
  const role = quoteIdentifier(name)
  await inAdminTransaction(pool, async (admin) => {
    await admin.run(
      `revoke all on schema public from public; grant usage, create on schema public to ${role}`,
    )
  })
}

/** The last step, in one message: password, login and the mark that it is complete. */
async function openRole(session: AdminSession, name: string, limit: number, password: string): Promise<void> {
  const [row] = await session.run(
    `select format('alter role %I login connection limit %s password %L; comment on role %I is %L', $1::text, $2::int, $3::text, $1::text, 'pg_tenant app: ready') as sql`,
    [name, limit, await scramVerifier(password)],
  )
  await session.run(String(row?.sql))
}

async function openTo(session: AdminSession, name: string): Promise<string[]> {
  const rows = await session.run(
    `select datname as name from pg_database
     where datallowconn and datname <> $1 and has_database_privilege($1, oid, 'connect') order by datname`,
    [name],
  )
  return rows.map((row) => String(row.name))
}
