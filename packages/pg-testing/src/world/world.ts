import pg from 'pg'
import { withClient } from '../postgres/admin.ts'
import { dropSql } from '../postgres/databases.ts'
import { leaksOf } from '../postgres/leaked-backends.ts'
import { type PgBouncer, startPgBouncer } from '../postgres/pgbouncer.ts'
import { dropRoles, makeRoles, type Roles } from './roles.ts'
import { serverOf } from './server.ts'

/** Options of {@link testWorld}. */
export interface TestWorldOptions {
  /** a superuser's URL of the server (default: one that this process starts, once; see `startPostgres`) */
  readonly server?: string | undefined
  /** whether the administrator may create databases, as isolation level `database` asks (default false) */
  readonly createdb?: boolean | undefined
  /** `pgbouncer`: the application connects through it, in transaction mode (default: the environment's `TEST_POOLER`) */
  readonly pooler?: 'pgbouncer' | 'none' | undefined
}

/** A database of one test or test file, its roles, and pools of them. */
export interface TestWorld extends Roles {
  /** superuser URL of the database */
  readonly url: string
  /** URL of the application, through the pooler where there is one */
  readonly appUrl: string
  readonly adminUrl: string
  /** pools of the superuser and the administrator */
  readonly root: pg.Pool
  readonly admin: pg.Pool
  /** a pool of the application (at most 4 connections); ended by `close` */
  pool(config?: pg.PoolConfig): pg.Pool
  /**
   * Ends the pools, drops database and roles, those of tenants too. Safe to call twice.
   * @throws Error when a session was left in a transaction
   */
  close(): Promise<void>
}

/** Whether this run goes through PgBouncer in transaction mode (`TEST_POOLER=pgbouncer`). */
export const POOLED = process.env.TEST_POOLER === 'pgbouncer'

/**
 * Makes an empty database with the roles a careful team would use, none of them a superuser.
 * @throws TestPostgresError as `startPostgres`
 * @example
 * ```ts
 * import { testWorld } from '@org/pg-testing'
 *
 * const world = await testWorld()
 * const { rows } = await world.pool().query('select current_user as name')
 * console.log(rows[0].name === world.appRole) // true
 * await world.close()
 * ```
 */
export async function testWorld(options: TestWorldOptions = {}): Promise<TestWorld> {
  const server = await serverOf(options.server)
  const database = await server.createDatabase()
  const pools: pg.Pool[] = []
  const open = (config: pg.PoolConfig): pg.Pool => {
    const pool = new pg.Pool(config)
    // The database is dropped under connections that are still closing, and a pool without a listener ends the process.
    pool.on('error', () => {})
    pools.push(pool)
    return pool
  }
  const root = open({ connectionString: database.url, max: 3 })
  const roles = await makeRoles(root, database, options.createdb ?? false)
  const pooler = await poolerOf(database.url, roles, options.pooler ?? (POOLED ? 'pgbouncer' : 'none'))
  const appUrl = as(pooler?.url ?? database.url, roles.appRole, 'app')
  const adminUrl = as(database.url, roles.adminRole, 'admin')
  const admin = open({ connectionString: adminUrl, max: 3 })
  // One connection for all of it: a session of its own costs the server more than what most of these ask.
  const end = () =>
    withClient(server.url, async (client) => {
      const leaked = await leaksOf(client, database.name)
      await Promise.all(pools.filter((pool) => !pool.ended).map((pool) => pool.end()))
      await pooler?.stop()
      await client.query(dropSql(database.name))
      await dropRoles(client, roles)
      if (leaked > 0) throw new Error(`${leaked} sessions were left in a transaction`)
    })
  let ended: Promise<void> | undefined
  return {
    ...roles,
    url: database.url,
    appUrl,
    adminUrl,
    root,
    admin,
    pool: (config = {}) => open({ connectionString: appUrl, max: 4, ...config }),
    close: () => {
      ended ??= end()
      return ended
    },
  }
}

async function poolerOf(
  url: string,
  { appRole }: Roles,
  kind: 'pgbouncer' | 'none',
): Promise<PgBouncer | undefined> {
  return kind === 'pgbouncer'
    ? await startPgBouncer({ url, users: { [appRole]: 'app' }, poolSize: 10 })
    : undefined
}

function as(url: string, user: string, password: string): string {
  return Object.assign(new URL(url), { username: user, password }).href
}
