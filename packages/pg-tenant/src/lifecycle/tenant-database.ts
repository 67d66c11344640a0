import { SQLSTATE, sqlStateOf, TenancyError } from '@org/core'
import type { AdminSession } from '../admin/session.ts'
import type { Admin } from '../admin/transaction.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { TenantWork } from './levels/level.ts'
import { endSessions } from './login-role.ts'

/** The session outside the transaction that a staged level was promised. */
export function sessionOf({ session }: TenantWork): AdminSession {
  if (session) return session
  throw new TenancyError('INTERNAL_ERROR', 'Databases are made and dropped outside transactions.')
}

export async function databaseExists(admin: Pick<Admin, 'run'>, name: string): Promise<boolean> {
  return (await admin.run('select from pg_database where datname = $1', [name])).length === 1
}

/** The administrator owns it. Nobody else may even connect. */
export async function createDatabase(session: AdminSession, name: string, template: string): Promise<void> {
  const database = quoteIdentifier(name)
  if (!(await databaseExists(session, name))) {
    await session.run(`create database ${database} template ${quoteIdentifier(template)}`)
  }
  await session.run(`revoke all on database ${database} from public`)
}

export async function allowConnect(
  admin: Admin,
  name: string,
  role: string,
  allowed: boolean,
): Promise<void> {
  const [database, member] = [quoteIdentifier(name), quoteIdentifier(role)]
  await admin.run(
    allowed
      ? `grant connect on database ${database} to ${member}`
      : `revoke connect on database ${database} from ${member}`,
  )
}

/** Drops it with the connections that idle in it. Its role cannot log in any more. */
export async function dropDatabase(session: AdminSession, name: string, role: string): Promise<void> {
  if (!(await databaseExists(session, name))) return
  await endSessions(session.run, role)
  await dropWithConnections(session, name)
}

/**
 * FORCE wants the right to end whatever is in the database, and a worker of autovacuum is nobody's to end but a superuser's
 * (42501). Without FORCE the server cancels such workers by itself, and waits five seconds for everybody else.
 */
export async function dropWithConnections(session: AdminSession, name: string): Promise<void> {
  const database = quoteIdentifier(name)
  try {
    await session.run(`drop database ${database} with (force)`)
  } catch (error) {
    if (sqlStateOf(error) !== SQLSTATE.INSUFFICIENT_PRIVILEGE) throw error
    await session.run(`drop database ${database}`)
  }
}
