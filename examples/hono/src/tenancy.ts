import { fileURLToPath } from 'node:url'
import { createTenancy, type IsolationLevel, loadMigrations, type Tenancy } from '@org/pg-tenant'
import pg from 'pg'

export interface NotesDatabase {
  /** the application's role: LOGIN NOINHERIT, no rights of its own; may go through a pooler */
  readonly url: string
  /** a role with CREATEROLE that may create schemas; a direct connection */
  readonly adminUrl: string
  /** connections of the application (default 10) */
  readonly connections?: number
  readonly isolation?: IsolationLevel
  /** before the tenant's key in role names (default `c_`): roles are shared by all databases of a server */
  readonly rolePrefix?: string
}

export interface OpenTenancy {
  readonly tenancy: Tenancy
  /** the application's pool, for what the library does not do; unscoped, so it can read nothing */
  readonly pool: pg.Pool
  /** waits for the scopes that still run, then closes every connection */
  close(): Promise<void>
}

/** The two pools and the tenancy over them. The library never ends a pool: whoever made it does. */
export async function openTenancy(database: NotesDatabase): Promise<OpenTenancy> {
  const { url, adminUrl, connections = 10, isolation = 'role', rolePrefix } = database
  const migrations = await loadMigrations(fileURLToPath(new URL('../migrations', import.meta.url)))
  const pool = new pg.Pool({ connectionString: url, max: connections })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 1 })
  // Without a listener, a connection that dies while idle ends the process.
  for (const each of [pool, adminPool]) each.on('error', () => {})
  const tenancy = createTenancy({
    pool,
    adminPool,
    isolation,
    migrations,
    ...(rolePrefix !== undefined && { rolePrefix }),
  })
  return {
    tenancy,
    pool,
    close: async () => void (await Promise.all([pool.end(), adminPool.end()])),
  }
}
