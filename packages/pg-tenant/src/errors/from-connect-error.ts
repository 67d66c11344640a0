import { isTenancyError, SQLSTATE, TenancyError } from '@org/core'
import { isServerError, withDriverError } from './server-error.ts'
import { reasonOf } from './server-reason.ts'

/**
 * What stays as it is until somebody changes it, and what that would be: SQLSTATEs of the server's answer at start-up, and
 * codes of Node's TLS.
 */
const MISTAKEN: Readonly<Record<string, string>> = {
  [SQLSTATE.INVALID_PASSWORD]: 'Check the user and the password of this connection',
  [SQLSTATE.INVALID_AUTHORIZATION_SPECIFICATION]:
    'Check the user of this connection, that it may log in, and pg_hba.conf',
  [SQLSTATE.INVALID_CATALOG_NAME]: "Check the database's name in this connection, or create it",
  [SQLSTATE.INSUFFICIENT_PRIVILEGE]: 'Give the role CONNECT on the database',
  [SQLSTATE.INVALID_PARAMETER_VALUE]:
    'Check the settings that this connection begins with (options, PGOPTIONS, ALTER ROLE … SET)',
  [SQLSTATE.OBJECT_NOT_IN_PREREQUISITE_STATE]:
    'Let the database be connected to (ALTER DATABASE … ALLOW_CONNECTIONS true); one whose DROP DATABASE was cut off can only be dropped',
  [SQLSTATE.UNDEFINED_OBJECT]:
    'Check the settings that this connection begins with (options, PGOPTIONS, ALTER ROLE … SET)',
  CERT_HAS_EXPIRED: "Renew the server's certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: "Give the connection the server's certificate authority (ssl.ca)",
  ERR_TLS_CERT_ALTNAME_INVALID: "Connect under a name that the server's certificate has",
  SELF_SIGNED_CERT_IN_CHAIN: "Give the connection the server's certificate authority (ssl.ca)",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "Give the connection the server's certificate authority (ssl.ca)",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "Give the connection the server's certificate authority (ssl.ca)",
}

/** What `pg` finds wrong, which has no code, and what PgBouncer does. */
const BY_TEXT: readonly (readonly [text: string, todo: string | undefined])[] = [
  ['client password must be a string', 'The server asks for a password: give the connection one'],
  ['The server does not support SSL connections', 'Leave ssl out, or switch it on in the server'],
  ['SSL required', 'The pooler takes encrypted connections only: give this one ssl'],
  ['no such database', MISTAKEN[SQLSTATE.INVALID_CATALOG_NAME]],
  ['password authentication failed', MISTAKEN[SQLSTATE.INVALID_PASSWORD]],
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
  if (reason === SQLSTATE.TOO_MANY_CONNECTIONS || message === 'timeout exceeded when trying to connect') {
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
  // PgBouncer says all that it refuses under this one, also what would work a moment later.
  if (reason !== null && reason !== SQLSTATE.PROTOCOL_VIOLATION) return undefined
  const text = String(message)
  return BY_TEXT.find(([said]) => text.includes(said))?.[1]
}
