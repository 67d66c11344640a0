import {
  connectPostgres,
  leakedBackends,
  type PgBouncer,
  startPgBouncer,
  type TestDatabase,
  uniqueName,
} from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, inject } from 'vitest'
import { createTenancy, type Migration, type Tenancy, type TenancyOptions } from '../../src/index.ts'

/** The table every test tenant has; `body` is unique so that a violation is easy to cause. */
export const NOTES: Migration = {
  id: '0001_notes',
  sql: 'create table notes (id bigint generated always as identity primary key, body text unique not null)',
}

/** One test file's own database, with the roles a careful team would use: nobody in it is a superuser. */
export interface World {
  /** superuser URL of the database */
  readonly url: string
  /** the application: NOINHERIT, no rights of its own */
  readonly appUrl: string
  readonly appRole: string
  /** the administrator as managed PostgreSQL gives one: CREATEROLE, not superuser */
  readonly adminUrl: string
  readonly adminRole: string
  readonly rolePrefix: string
  readonly root: pg.Pool
  readonly admin: pg.Pool
  /** a pool of the application; ended with the file */
  pool(config?: pg.PoolConfig): pg.Pool
  tenancy(options?: Partial<TenancyOptions>): Tenancy
}

/** Sets the file's world up and takes it down; fails the file if it left a session in a transaction. */
export function useWorld(tenants: readonly string[] = ['acme', 'globex']): World {
  const world: { current?: World; close?: () => Promise<void> } = {}
  beforeAll(async () => {
    const made = await makeWorld()
    world.current = made.world
    world.close = made.close
    for (const key of tenants) await made.world.tenancy().provision(key)
  })
  afterAll(() => world.close?.())
  return new Proxy({} as World, {
    get: (_, name) => Reflect.get(world.current ?? {}, name),
  })
}

async function makeWorld(): Promise<{ world: World; close: () => Promise<void> }> {
  const server = await connectPostgres(inject('pgTenantServerUrl'))
  const database = await server.createDatabase()
  const pools: pg.Pool[] = []
  const open = (config: pg.PoolConfig): pg.Pool => {
    const pool = new pg.Pool(config)
    pool.on('error', () => {})
    pools.push(pool)
    return pool
  }
  const root = open({ connectionString: database.url, max: 3 })
  const [appRole, adminRole] = [uniqueName('app'), uniqueName('adm')]
  const rolePrefix = `${uniqueName('r')
    .slice(-12)
    .replace(/^[^a-z]*/, 'r')}_`
  await root.query(`create role ${appRole} login noinherit password 'app'`)
  await root.query(`create role ${adminRole} login createrole password 'admin'`)
  await root.query(`grant create on database ${database.name} to ${adminRole}`)
  const pooler = await startPooler(database.url, { [appRole]: 'app' })
  const [appUrl, adminUrl] = [
    as(pooler?.url ?? database.url, appRole, 'app'),
    as(database.url, adminRole, 'admin'),
  ]
  const admin = open({ connectionString: adminUrl, max: 3 })
  const world: World = {
    url: database.url,
    appUrl,
    appRole,
    adminUrl,
    adminRole,
    rolePrefix,
    root,
    admin,
    pool: (config = {}) => open({ connectionString: appUrl, max: 4, ...config }),
    tenancy: (options = {}) =>
      createTenancy({
        pool: options.pool ?? world.pool(),
        adminPool: admin,
        rolePrefix,
        migrations: [NOTES],
        ...options,
      }),
  }
  const close = async () => {
    const leaked = await leakedBackends(database.url)
    await Promise.all(pools.filter((pool) => !pool.ended).map((pool) => pool.end()))
    await pooler?.stop()
    await cleanUp(database, server.url, [appRole, adminRole], rolePrefix)
    if (leaked > 0) throw new Error(`${leaked} sessions were left in a transaction`)
  }
  return { world, close }
}

/** Whether this run goes through PgBouncer in transaction mode (`TEST_POOLER=pgbouncer`; see tools/matrix). */
export const POOLED = process.env.TEST_POOLER === 'pgbouncer'

async function startPooler(url: string, users: Record<string, string>): Promise<PgBouncer | undefined> {
  return POOLED ? startPgBouncer({ url, users, poolSize: 10 }) : undefined
}

/** Roles belong to the server, not to the database: they are dropped one by one. */
async function cleanUp(
  database: TestDatabase,
  url: string,
  roles: string[],
  rolePrefix: string,
): Promise<void> {
  await database.drop()
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ rolname: string }>(
    'select rolname from pg_roles where rolname like $1',
    [`${rolePrefix.replaceAll('_', '\\_')}%`],
  )
  for (const role of [...rows.map((row) => row.rolname), ...roles]) {
    await client.query(`drop role if exists "${role}"`)
  }
  await client.end()
}

function as(url: string, user: string, password: string): string {
  const changed = new URL(url)
  changed.username = user
  changed.password = password
  return changed.href
}

/** Asks again until the answer is yes; only a failing test waits for all of it. */
export async function eventually(
  condition: () => Promise<boolean> | boolean,
  patienceMs = 10_000,
): Promise<void> {
  const until = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > until) throw new Error(`still not so after ${patienceMs} ms: ${condition}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** The code a promise rejects with; fails when it does not reject with a coded error. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    (value) => {
      throw new Error(`expected a rejection, got ${JSON.stringify(value)}`)
    },
    (reason: unknown) => reason,
  )
  return (error as { code: string }).code
}
