import pg from 'pg'
import { reason, TestPostgresError } from './error.ts'

/** The same server, another database. */
export function withDatabase(url: string, database: string): string {
  const copy = new URL(url)
  copy.pathname = `/${encodeURIComponent(database)}`
  return copy.href
}

/**
 * One short-lived connection per piece of work: nothing to keep alive, to reconnect or to leak.
 * @throws TestPostgresError `POSTGRES_UNREACHABLE`
 */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'pg-tenant-testing',
    connectionTimeoutMillis: 10_000,
  })
  // A server that stops mid-query also emits; the query's own rejection is what the caller gets.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } catch (error) {
    throw new TestPostgresError(
      'POSTGRES_UNREACHABLE',
      `cannot connect to ${redact(url)}: ${reason(error)}`,
      {
        cause: error,
      },
    )
  }
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** A URL fit for a message: without its password. */
export function redact(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)'
  const copy = new URL(url)
  if (copy.password) copy.password = '***'
  return copy.href
}

export const sqlState = (error: unknown): string | undefined => (error as { code?: string } | null)?.code

export const quoteIdentifier = (name: string): string => pg.escapeIdentifier(name)
export const quoteLiteral = (text: string): string => pg.escapeLiteral(text)
