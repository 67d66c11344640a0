import { fileURLToPath } from 'node:url'
import type { Queryable, TenantKey } from '@org/core'
import { settingsMigration } from '@org/crypto'
import { forgetEvents, installOutbox } from '@org/governance/outbox'
import { createTenancy, type IsolationLevel, loadMigrations } from '@org/pg-tenant'
import pg from 'pg'
import { OUTBOX } from './mail.ts'

export interface SiteDatabase {
  /** the application's role: LOGIN NOINHERIT, no rights of its own; may go through a pooler */
  readonly url: string
  /** a role with CREATEROLE that may create schemas; a direct connection */
  readonly adminUrl: string
  /** connections of the application (default 10), renewed now and then: a backend never forgets a table it has touched */
  readonly connections?: number
  readonly isolation?: IsolationLevel
  /** before the client's key in role names (default `c_`): roles are shared by all databases of a server */
  readonly rolePrefix?: string | undefined
}

export type OpenTenancy = Awaited<ReturnType<typeof openTenancy>>

/** The two pools and the tenancy over them. `close` waits for the scopes that still run, then closes every connection. */
export async function openTenancy(database: SiteDatabase) {
  const { url, adminUrl, connections = 10, isolation = 'role', rolePrefix } = database
  const ours = await loadMigrations(fileURLToPath(new URL('../migrations', import.meta.url)))
  const pool = new pg.Pool({ connectionString: url, max: connections })
  const adminPool = new pg.Pool({ connectionString: adminUrl, max: 2 })
  // Without a listener, a connection that dies while idle ends the process.
  for (const each of [pool, adminPool]) each.on('error', () => {})
  const names = rolePrefix === undefined ? {} : { rolePrefix }
  const migrations = [...ours, settingsMigration]
  const onForget = (admin: Queryable, client: TenantKey) => forgetEvents(admin, client, OUTBOX)
  const tenancy = createTenancy({ pool, adminPool, isolation, migrations, onForget, ...names })
  await installOutbox(adminPool, { isolation, application: new URL(url).username, ...names, ...OUTBOX })
  const close = async () => {
    await tenancy.close()
    await Promise.all([pool.end(), adminPool.end()])
  }
  return { tenancy, pool, control: adminPool, close }
}
