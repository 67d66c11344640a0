import { isTenancyError, TenancyError } from '@org/core'
import { isServerError, withDriverError } from './server-error.ts'
import { reasonOf } from './server-reason.ts'

/** SQLSTATE 53300: the server has no connection slot left (manual, appendix A). */
const TOO_MANY_CONNECTIONS = '53300'

/**
 * What stays as it is until somebody changes it, and what that would be: SQLSTATEs of the server's answer at start-up, and
 * codes of Node's TLS.
 */
const MISTAKEN: Readonly<Record<string, string>> = {
  '28P01': 'Check the user and the password of this connection',
  '28000': 'Check the user of this connection, that it may log in, and pg_hba.conf',
  '3D000': "Check the database's name in this connection, or create it",
  '42501': 'Give the role CONNECT on the database',
  '22023': 'Check the settings that this connection begins with (options, PGOPTIONS, ALTER ROLE … SET)',
  '55000':
    'Let the database be connected to (ALTER DATABASE … ALLOW_CONNECTIONS true); one whose DROP DATABASE was cut off can only be dropped',
  '42704': 'Check the settings that this connection begins with (options, PGOPTIONS, ALTER ROLE … SET)',
  CERT_HAS_EXPIRED: "Renew the server's certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "Give the connection the server's certificate authority (ssl.ca)",
  ERR_TLS_CERT_ALTNAME_INVALID: "Connect under a name that the server's certificate has",
  SELF_SIGNED_CERT_IN_CHAIN: "Give the connection the server's certificate authority (ssl.ca)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "Give the connection the server's certificate authority (ssl.ca)",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "Give the connection the server's certificate authority (ssl.ca)",
}

/** PgBouncer says all that it refuses under this one, also what would work a moment later. */
const PROTOCOL_VIOLATION = '08P01'

/** What `pg` finds wrong, which has no code, and what PgBouncer does. */
const BY_TEXT: readonly (readonly [text: string, todo: string | undefined])[] = [
  ['client password must be a string', 'The server asks for a password: give the connection one'],
  ['The server does not support SSL connections', 'Leave ssl out, or switch it on in the server'],
  ['SSL required', 'The pooler takes encrypted connections only: give this one ssl'],
  ['no such database', MISTAKEN['3D000']],
  ['password authentication failed', MISTAKEN['28P01']],
  [
    'unsupported startup parameter',
    'The pooler takes no settings at the start (options, statement_timeout …): leave them out here and give them to the role (ALTER ROLE … SET)',
  ],
]

/** Where nobody answers. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: ' If it stays so, check host and port, and that PostgreSQL runs there.',
  ENOTFOUND: " If it stays so, check the host's name.",
}

/** What `pg-pool` says. */
const ENDED = 'Cannot use a pool after calling end on the pool'

/**
 * What `pool.connect()` rejected with, as a coded error: the pool was full, the server could not be reached, or it refuses
 * this connection and will go on to (`INVALID_OPTION`: nothing that trying again would change).
 */
export function fromConnectError(error: unknown): TenancyError {
  if (isTenancyError(error)) return error
  const { code, message } = error as { code?: unknown; message?: unknown }
  const reason = typeof code === 'string' && /^[A-Z0-9_]{3,40}$/.test(code) ? code : null
  const coded = (as: 'CONNECTION_LOST' | 'INVALID_OPTION' | 'POOL_EXHAUSTED', text: string) =>
    withDriverError(new TenancyError(as, text, { details: { reason } }), error)
  if (reason === TOO_MANY_CONNECTIONS || message === 'timeout exceeded when trying to connect') {
    return coded(
      'POOL_EXHAUSTED',
      'The pool or the server has no free connection. Raise its limit or shorten your scopes.',
    )
  }
  if (message === ENDED)
    return coded(
      'CONNECTION_LOST',
      'The pool was ended (pool.end()), so there are no connections any more. Nothing was sent.',
    )
  const todo = remedyOf(reason, message)
  if (todo !== undefined) {
    const said = isServerError(error) ? reasonOf(error) : undefined
    return coded(
      'INVALID_OPTION',
      `PostgreSQL refuses this connection${said ? `: ${said}` : ''}${reason ? ` (${reason})` : ''}. ${todo}; trying again does not help.`,
    )
  }
  return coded(
    'CONNECTION_LOST',
    `No connection to PostgreSQL could be made${reason ? ` (${reason})` : ''}. Nothing was sent; it is safe to try again.${UNREACHABLE[reason ?? ''] ?? ''}`,
  )
}

function remedyOf(reason: string | null, message: unknown): string | undefined {
  if (reason !== null && Object.hasOwn(MISTAKEN, reason)) return MISTAKEN[reason]
  if (reason !== null && reason !== PROTOCOL_VIOLATION) return undefined
  const text = String(message)
  return BY_TEXT.find(([said]) => text.includes(said))?.[1]
}
