import { TestPostgresError } from './error.ts'

export interface StartPgBouncerOptions {
  /** any database of the server to put it in front of, as a superuser; it serves all databases of that server */
  readonly url: string
  /** default `transaction` */
  readonly poolMode?: 'session' | 'transaction' | 'statement'
  /** server connections per database and user; default 20 */
  readonly poolSize?: number
  /**
   * Passwords by user name, for a server that asks for them (each client is passed on under its own name).
   * Not needed for a server that trusts. Clients need no password in either case.
   */
  readonly users?: Readonly<Record<string, string>>
  /** lines for the `[pgbouncer]` section of pgbouncer.ini, after ours */
  readonly settings?: Readonly<Record<string, string>>
}

const DEFAULT_POOL_SIZE = 20
const DEFAULT_PORT = '5432'

/**
 * `trust` still wants to know the user: from the file, else PgBouncer asks the server as `auth_user`. Files it
 * does not need (pid file, unix socket) it does not get.
 */
export function configuration(options: StartPgBouncerOptions, authFile: string, port: number): string {
  const target = new URL(options.url)
  const settings: Record<string, string> = {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: authFile,
    auth_user: userOf(target),
    admin_users: userOf(target),
    pool_mode: options.poolMode ?? 'transaction',
    default_pool_size: String(options.poolSize ?? DEFAULT_POOL_SIZE),
    max_client_conn: '1000',
    // What common drivers send at log-in and PgBouncer would refuse.
    ignore_startup_parameters: 'extra_float_digits',
    ...options.settings,
  }
  const host = target.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1'
  const lines = Object.entries(settings).map(([key, value]) => `${line(key)} = ${line(value)}`)
  return `[databases]\n* = host=${host} port=${target.port || DEFAULT_PORT}\n\n[pgbouncer]\n${lines.join('\n')}\n`
}

/** The users of the option and the one of the URL, with the passwords the server wants. */
export function userList(options: StartPgBouncerOptions): string {
  const target = new URL(options.url)
  const users = { [userOf(target)]: decodeURIComponent(target.password), ...options.users }
  return Object.entries(users)
    .map(([name, password]) => `${quoted(name)} ${quoted(password)}\n`)
    .join('')
}

const userOf = (url: URL): string => decodeURIComponent(url.username) || 'postgres'

const quoted = (text: string): string => `"${line(text).replaceAll('"', '""')}"`

function line(text: string): string {
  if (!/[\r\n]/.test(text)) return text
  throw new TestPostgresError(
    'INVALID_OPTION',
    'a PgBouncer setting, user or password cannot hold a line break',
  )
}
