import { isTenancyError, SQLSTATE, sqlStateOf } from '@org/core'
import { configOf, loadPg } from '../driver/connection-config.ts'
import { fromConnectError } from '../errors/from-connect-error.ts'
import type { Credentials } from '../isolation/credentials.ts'
import type { Lifecycle } from '../lifecycle/lifecycle.ts'
import { quoteIdentifier } from '../sql/identifier.ts'
import type { AdoptionFinding } from './finding.ts'
import type { Wanted } from './options.ts'

/** How a login that is there will be used. */
export interface Login {
  /** The one it has; `undefined`: it is to get a new one. */
  readonly password: string | undefined
  readonly findings: readonly AdoptionFinding[]
}

/**
 * Finds out whether scopes will get in: logs in once as they will.
 *
 * @throws TenancyError CONNECTION_LOST, POOL_EXHAUSTED
 */
export async function tryLogin(lifecycle: Lifecycle, wanted: Wanted): Promise<Login> {
  const { keeper } = lifecycle.ofLevel
  const { newPassword, role, tenant } = wanted
  if (newPassword) return { password: undefined, findings: [anew(role)] }
  const supplied = keeper?.supplied ? await keeper.find(tenant) : undefined
  const password = supplied?.password ?? wanted.password
  if (password === undefined) return { password, findings: [missing(role)] }
  const refused = await logIn(lifecycle, wanted, { ...supplied, password })
  return { password, findings: refused === undefined ? [] : [wrong(role, refused, supplied !== undefined)] }
}

/** @returns why not, in the server's words for whoever may know them */
async function logIn(
  { pool }: Lifecycle,
  { role, database }: Wanted,
  credentials: Credentials,
): Promise<string | undefined> {
  const base = await configOf(pool, 'pool')
  const pg = await loadPg()
  const client = new pg.Client({
    ...base,
    user: credentials.user ?? role,
    password: credentials.password,
    host: credentials.host ?? base.host,
    port: credentials.port ?? base.port,
    database: credentials.database ?? database ?? base.database,
    ...(credentials.ssl !== undefined && { ssl: credentials.ssl as NonNullable<typeof base.ssl> }),
    connectionTimeoutMillis: base.connectionTimeoutMillis || CONNECT_MS,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ name: string }>('select session_user as name')
    return rows[0]?.name === role ? undefined : `it is ${rows[0]?.name} that logs in`
  } catch (error) {
    const coded = fromConnectError(error)
    if (isTenancyError(coded) && coded.code === 'INVALID_OPTION') return coded.message
    // Of a role that PgBouncer does not know.
    if (sqlStateOf(error) === SQLSTATE.PROTOCOL_VIOLATION) return 'The pooler does not know it.'
    throw coded
  } finally {
    await client.end().catch(() => {})
  }
}

const CONNECT_MS = 10_000

const missing = (role: string): AdoptionFinding => ({
  code: 'PASSWORD_MISSING',
  severity: 'error',
  subject: role,
  message: `${quoteIdentifier(role)} is there, and scopes are to log in with its password.`,
  fix: 'Say it (password: …; it stays as it is), or give it a new one (newPassword: true), with which nobody gets in who has the old one.',
})

const wrong = (role: string, why: string, supplied: boolean): AdoptionFinding => ({
  code: 'LOGIN_REFUSED',
  severity: 'error',
  subject: role,
  message: `Scopes would not get in as ${quoteIdentifier(role)}: ${why}`,
  fix: supplied
    ? 'Put it right in what credentials(tenant) answers: user, password, host, port and database are taken from there.'
    : 'Say the password that it has (password: …), or give it a new one (newPassword: true).',
})

const anew = (role: string): AdoptionFinding => ({
  code: 'PASSWORD_NEW',
  severity: 'warning',
  subject: role,
  message: `${quoteIdentifier(role)} gets a new password: whoever logs in with the old one cannot any more, and undoing does not bring it back.`,
})
