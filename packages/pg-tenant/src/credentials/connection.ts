/** Where a tenant's connections go. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
}

/**
 * A tenant's own connection, given out once: by the `provision` that made the tenant, or by `rotateCredentials`.
 * `password` and `url` are there to be read, but are no part of what `console.log` and `JSON.stringify` show.
 */
export interface TenantConnection extends Endpoint {
  readonly password: string
  /** `postgres://user:password@host:port/database` */
  readonly url: string
}

export function tenantConnection(endpoint: Endpoint, password: string): TenantConnection {
  const { host, port, database, user } = endpoint
  const authority = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@${bracketed(host)}:${port}`
  const connection = { host, port, database, user }
  // Not enumerable, as pg hides the passwords of its own objects.
  Object.defineProperty(connection, 'password', { value: password })
  Object.defineProperty(connection, 'url', {
    value: `postgres://${authority}/${encodeURIComponent(database)}`,
  })
  return connection as TenantConnection
}

/** IPv6 addresses stand in brackets (RFC 3986, 3.2.2); a directory of sockets is escaped. */
function bracketed(host: string): string {
  if (host.startsWith('/')) return encodeURIComponent(host)
  return host.includes(':') ? `[${host}]` : host
}
