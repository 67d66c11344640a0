import { SQLSTATE, TenancyError } from '@org/core'
import type { Admin } from '../admin/transaction.ts'
import { type TenantConnection, tenantConnection } from '../credentials/connection.ts'
import type { CredentialKeeper } from '../credentials/keeper.ts'
import { generatePassword, scramVerifier } from '../credentials/password.ts'
import { forgetCredential, isOurs, keepCredential } from '../credentials/table.ts'
import { configOf } from '../driver/connection-config.ts'
import { roleOf, searchPathOf } from '../isolation/names.ts'
import { lockByName } from '../registry/locks.ts'
import { isShut } from '../registry/record.ts'
import type { RegistryPlace } from '../registry/registry.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { TenantWork } from './levels/level.ts'
import { dropRole, ensureRole, roleExists } from './tenant-role.ts'

/** Builds a utility statement on the server, which quotes (`format`, manual 9.4.1), and runs it: they take no values. */
async function runFormatted(admin: Admin, format: string, values: readonly string[]): Promise<void> {
  const [row] = await admin.run('select format($1, variadic $2::text[]) as sql', [format, [...values]])
  await admin.run(String(row?.sql))
}

/**
 * The tenant's login role, with a password the first time. A role that this registry did not make is never taken over:
 * it may serve a tenant of another database of this server.
 *
 * @param database the tenant's own, if it has one
 * @returns the connection, when a password was set now
 * @throws TenancyError CONFLICT when a role of that name is somebody else's
 */
export async function ensureLoginRole(
  { admin, lifecycle, tenant, status }: TenantWork,
  keeper: CredentialKeeper,
  database?: string,
): Promise<TenantConnection | undefined> {
  const role = roleOf(lifecycle.naming, tenant)
  const there = await roleExists(admin, role)
  const ours = await isOurs(admin, lifecycle.registry, tenant)
  if (there && !ours) {
    throw new TenancyError(
      'CONFLICT',
      'A role of that name is there already and was not made for this tenant. Choose another key or rolePrefix.',
      { details: { role } },
    )
  }
  await ensureRole(admin, role, { login: true, application: undefined })
  const quoted = quoteIdentifier(role)
  if (!isShut(status)) await admin.run(`alter role ${quoted} login`)
  if (there && status !== 'provisioning' && status !== 'arriving') return undefined
  return await setPassword({ admin, lifecycle, tenant }, keeper, false, database)
}

/**
 * Gives the tenant's role a password: the one that was chosen for it, or, when `anew`, in any case a new one.
 *
 * @param books a transaction in the database that holds the registry, where `admin` is in another
 */
export async function setPassword(
  { admin, lifecycle, tenant }: Pick<TenantWork, 'admin' | 'lifecycle' | 'tenant'>,
  keeper: CredentialKeeper,
  anew: boolean,
  database?: string,
  books: Admin = admin,
): Promise<TenantConnection> {
  const { naming, pool, registry } = lifecycle
  const role = roleOf(naming, tenant)
  const password = (anew ? undefined : await keeper.chosen(books, tenant)) ?? generatePassword()
  await runFormatted(admin, 'alter role %I password %L', [role, await scramVerifier(password)])
  await keepCredential(books, registry, tenant, role, await keeper.toStore(tenant, password))
  const { host, port, database: shared } = await configOf(pool, 'pool')
  return tenantConnection({ host, port, database: database ?? shared, user: role }, password)
}

/** Sets the role's own search path, for whoever logs in as the tenant with another program; a scope sets its path itself. */
export async function fixSearchPath(
  admin: Admin,
  { lifecycle, tenant }: Pick<TenantWork, 'lifecycle' | 'tenant'>,
  database?: string,
): Promise<void> {
  const role = quoteIdentifier(roleOf(lifecycle.naming, tenant))
  const at = quoteIdentifier(database ?? (await currentDatabase(admin)))
  await admin.run(
    `alter role ${role} in database ${at} set search_path to ${searchPathOf(lifecycle.naming, tenant)}`,
  )
}

async function currentDatabase(admin: Admin): Promise<string> {
  const [row] = await admin.run('select current_database() as name')
  return String(row?.name)
}

/**
 * One at a time until the transaction ends: two that change a database's privileges at once fail with "tuple concurrently
 * updated".
 */
async function lockDatabase(admin: Admin, registry: RegistryPlace): Promise<string> {
  await lockByName(admin, registry, 'connect')
  return await currentDatabase(admin)
}

/**
 * CONNECT on the current database for the tenant alone. PUBLIC may have it already, and the administrator may be unable
 * to give it: what counts is whether the tenant can connect.
 *
 * @throws TenancyError INVALID_OPTION when it cannot
 */
export async function grantConnect(admin: Admin, registry: RegistryPlace, role: string): Promise<void> {
  const database = await lockDatabase(admin, registry)
  await admin.attempt(
    [SQLSTATE.INSUFFICIENT_PRIVILEGE],
    `grant connect on database ${quoteIdentifier(database)} to ${quoteIdentifier(role)}`,
  )
  const [may] = await admin.run(`select has_database_privilege($1, $2, 'connect') as connect`, [
    role,
    database,
  ])
  if (may?.connect) return
  throw new TenancyError(
    'INVALID_OPTION',
    'The tenant may not connect to the database and the administrator may not allow it. Run: GRANT CONNECT ON DATABASE ' +
      '… TO administrator WITH GRANT OPTION.',
    { details: { database } },
  )
}

/** Takes back what {@link grantConnect} gave: DROP OWNED, run as the role, cannot, and the role would stay for it. */
export async function revokeConnect(admin: Admin, registry: RegistryPlace, role: string): Promise<void> {
  const database = await lockDatabase(admin, registry)
  await admin.attempt(
    [SQLSTATE.INSUFFICIENT_PRIVILEGE],
    `revoke connect on database ${quoteIdentifier(database)} from ${quoteIdentifier(role)}`,
  )
}

export async function setLogin(admin: Admin, role: string, allowed: boolean): Promise<void> {
  await admin.run(`alter role ${quoteIdentifier(role)} ${allowed ? 'login' : 'nologin'}`)
}

/** Milliseconds to wait for a backend that was told to end. */
const TERMINATE_MS = 5_000

/**
 * Ends the tenant's connections. As the role itself: an administrator who is no superuser may not end those of another
 * role. One that stayed would belong to a role that is gone, also when one of that name is made again.
 */
export async function endSessions(run: Admin['run'], role: string): Promise<void> {
  await run(`set role ${quoteIdentifier(role)}`)
  await run(
    // guard: as the role, a schema of its name is in the path of a session
    `select pg_catalog.pg_terminate_backend(a.pid, ${TERMINATE_MS}) from pg_catalog.pg_stat_activity a
     where a.usename operator(pg_catalog.=) current_user and a.pid operator(pg_catalog.<>) pg_catalog.pg_backend_pid()`,
  )
  await run('reset role')
}

/** Removes the role and its credentials. Where another database still uses it, it cannot log in any more. */
export async function removeLoginRole({
  admin,
  lifecycle,
  tenant,
}: Pick<TenantWork, 'admin' | 'lifecycle' | 'tenant'>): Promise<void> {
  const role = roleOf(lifecycle.naming, tenant)
  if (await isOurs(admin, lifecycle.registry, tenant)) {
    if (await roleExists(admin, role)) {
      await setLogin(admin, role, false)
      await endSessions(admin.run, role)
      await revokeConnect(admin, lifecycle.registry, role)
    }
    await dropRole(admin, role)
  }
  await forgetCredential(admin, lifecycle.registry, tenant)
}
