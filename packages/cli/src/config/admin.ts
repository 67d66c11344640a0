import { TenancyError } from '@org/core'
import type { Pool } from 'pg'
import type { Settings } from './settings.ts'

/** Milliseconds to wait for a connection. */
const CONNECT_MS = 10_000

/** The administrator's pool alone, for what belongs to the server and not to a tenancy; loads the driver. */
export async function withAdmin<T>(
  { adminUrl }: Pick<Settings, 'adminUrl'>,
  fn: (pool: Pool) => Promise<T>,
): Promise<T> {
  const { default: pg } = await import('pg')
  const pool = new pg.Pool({
    connectionString: adminUrl,
    max: 2,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'pg-tenant',
  })
  // The statement that uses the connection reports its loss; without a listener the process would end.
  pool.on('error', () => {})
  try {
    return await fn(pool)
  } finally {
    await pool.end()
  }
}

/** Whether there is something under the name an app's database and role would have. */
export interface AppStanding {
  readonly name: string
  readonly role: boolean
  readonly database: boolean
}

/** Looks, and changes nothing. @throws TenancyError CONNECTION_LOST */
export async function standingOfApp(pool: Pool, app: string): Promise<AppStanding> {
  const name = `app_${app}`
  const { rows } = await pool
    .query<{ role: boolean; database: boolean }>(STANDING, [name])
    .catch(notConnected)
  return { name, role: rows[0]?.role === true, database: rows[0]?.database === true }
}

/** Invalid authorization, no such database (SQLSTATE classes 28 and 3D): it will be the same the next time. */
function notConnected({ code }: { readonly code?: unknown }): never {
  const reason = typeof code === 'string' && /^[A-Z0-9_]{3,40}$/.test(code) ? code : null
  const details = { reason }
  if (reason !== null && /^(?:28|3D)/.test(reason)) {
    const todo =
      'Check the user, the password and the database of ADMIN_DATABASE_URL (or adminUrl in the configuration).'
    throw new TenancyError('INVALID_OPTION', `PostgreSQL refuses this connection (${reason}). ${todo}`, {
      details,
    })
  }
  throw new TenancyError('CONNECTION_LOST', 'No connection to PostgreSQL could be made. Nothing was done.', {
    details,
  })
}

const STANDING = `select exists (select from pg_roles where rolname = $1) as role,
  exists (select from pg_database where datname = $1) as database`
