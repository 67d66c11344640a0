import { uniqueName } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { createTenancy, type Tenancy, type TenancyOptions } from '../../src/index.ts'
import { eventually } from '../support/world.ts'
import { ask, CITUS_BIN, CITUS_URL, type Server, serversOf } from './citus-servers.ts'

/** As `describe`; one line, and nothing of it, where there is no Citus. */
export const describeCitus = CITUS_URL || CITUS_BIN ? describe : describe.skip
if (!CITUS_URL && !CITUS_BIN) console.info('skipped: no Citus at CITUS_BIN or CITUS_URL')

/** As `it`, for what ends nodes or changes their settings. */
export const itOwnsNodes = CITUS_URL ? it.skip : it
if (CITUS_URL)
  console.info('skipped: what kills nodes or changes their settings; the cluster at CITUS_URL is not ours')

export const COMMERCE = {
  id: '0001_shop',
  sql: `create table goods (id bigint generated always as identity primary key, name text not null unique);
    create table sales (id bigint generated always as identity primary key, good bigint references goods (id)
      deferrable initially deferred, note text not null);
    create index idx_sales_good on sales (good)`,
}

/** One node: its `url` leads to the cluster's database. */
export interface Node extends Omit<Server, 'stop'> {
  /** `host:port`, as Citus knows it. */
  readonly name: string
  /** A superuser in the cluster's database. */
  readonly root: pg.Pool
}

export interface Citus {
  readonly coordinator: Node
  readonly workers: readonly Node[]
  /** The application's and the administrator's role; neither is a superuser. */
  readonly app: string
  readonly admin: string
  readonly appUrl: string
  readonly adminUrl: string
  /** What names of further roles begin with, which go with the cluster. */
  readonly rolePrefix: string
  pool(config?: pg.PoolConfig): pg.Pool
  tenancy(options?: Partial<TenancyOptions>): Tenancy
  /** The worker that a tenant's tables are on. */
  workerOf(schema: string): Promise<Node>
  /** Moves a tenant's schema there, as an operator does. */
  move(schema: string, to: Node): Promise<void>
}

/** With what the other files take before it. */
const START_MS = CITUS_URL ? 900_000 : 120_000

/** A coordinator and its workers for one test file: a database and roles of its own on each. */
export function useCitus(workers = 2): Citus {
  const file: { cluster?: Citus; close?: () => Promise<void> } = {}
  beforeAll(async () => {
    const { close, ...cluster } = await startCitus(workers)
    Object.assign(file, { cluster, close })
  }, START_MS)
  afterAll(() => file.close?.(), 60_000)
  return new Proxy({} as Citus, { get: (_, name) => Reflect.get(file.cluster ?? {}, name) })
}

async function startCitus(others: number): Promise<Citus & { close(): Promise<void> }> {
  const servers = await serversOf(others)
  const name = uniqueName('citus')
  const [app, admin] = [`${name}_app`, `${name}_admin`]
  const leave = async () => {
    if (CITUS_URL) await forget(servers, name)
    await Promise.all(servers.map((one) => one.stop()))
  }
  const nodes = await clusterOf(servers, name, [app, admin]).catch(async (error: unknown) => {
    await leave()
    throw error
  })
  const [coordinator, ...workers] = nodes
  const urlOf = (user: string) => Object.assign(new URL(coordinator.url), { username: user }).href
  const pools: pg.Pool[] = []
  const tenancies: Tenancy[] = []
  const pool = (config: pg.PoolConfig = {}) => {
    const made = quiet({ connectionString: urlOf(app), max: 10, ...config })
    pools.push(made)
    return made
  }
  return {
    coordinator,
    workers,
    app,
    admin,
    appUrl: urlOf(app),
    adminUrl: urlOf(admin),
    rolePrefix: `${name}_`,
    pool,
    tenancy: (options = {}) => {
      const made = createTenancy({
        pool: pool(),
        adminPool: pool({ connectionString: urlOf(admin), max: 6 }),
        isolation: 'schema',
        distributedSchemas: 'citus',
        rolePrefix: `${name}_`,
        migrations: [COMMERCE],
        ...options,
      })
      tenancies.push(made)
      return made
    },
    workerOf: async (schema) => {
      const { rows } = await coordinator.root.query<{ name: string }>(
        `select s.nodename || ':' || s.nodeport as name from citus_shards s join pg_class c on c.oid = s.table_name
         where c.relnamespace = $1::regnamespace limit 1`,
        [schema],
      )
      const found = workers.find((worker) => worker.name === rows[0]?.name)
      if (!found) throw new Error(`${schema} is on no worker`)
      return found
    },
    move: async (schema, to) => {
      await coordinator.root.query('select citus_schema_move($1::regnamespace, $2::text, $3::int)', [
        schema,
        to.host,
        to.port,
      ])
    },
    close: async () => {
      await Promise.all(tenancies.map((one) => one.close().catch(() => {})))
      await Promise.all([...pools, ...nodes.map(({ root }) => root)].map((one) => one.end().catch(() => {})))
      await leave()
    },
  }
}

/** Servers become the nodes of a cluster, which has these roles. */
async function clusterOf(
  servers: readonly Server[],
  database: string,
  roles: readonly [app: string, admin: string],
): Promise<[Node, ...Node[]]> {
  const nodes = await Promise.all(servers.map((server) => nodeOf(server, database)))
  const [coordinator, ...workers] = nodes as [Node, ...Node[]]
  const { root, host, port } = coordinator
  await root.query('select citus_set_coordinator_host($1, $2)', [host, port])
  for (const worker of workers) await root.query('select citus_add_node($1, $2)', [worker.host, worker.port])
  if (workers.length === 0)
    await root.query(`select citus_set_node_property($1, $2, 'shouldhaveshards', true)`, [host, port])
  const [app, admin] = roles
  const password = passwordOf(servers)
  const secret = password ? `password ${pg.escapeLiteral(password)}` : ''
  await root.query(`create role ${app} login noinherit ${secret}; create role ${admin} login createrole ${secret};
    grant create on database ${database} to ${admin}`)
  for (const node of nodes) await tellPassword(node.root, roles, password)
  return [coordinator, ...workers]
}

/** A server becomes a node: a database of that name, with the extension. */
async function nodeOf(server: Server, database: string): Promise<Node> {
  await ask(server.url, `create database ${database}`)
  const url = Object.assign(new URL(server.url), { pathname: `/${database}` })
  const root = quiet({ connectionString: url.href, max: 4 })
  await root.query('create extension citus')
  await tellPassword(root, [decodeURIComponent(url.username)], passwordOf([server]))
  return { ...server, url: url.href, name: `${server.host}:${server.port}`, root }
}

/** Where nodes ask each other for passwords: one for all roles here, of which each node knows. */
async function tellPassword(root: pg.Pool, roles: readonly string[], password: string): Promise<void> {
  if (password === '') return
  await root.query('insert into pg_dist_authinfo select 0, role, $2 from unnest($1::text[]) role', [
    roles,
    `password=${password}`,
  ])
}

const passwordOf = ([server]: readonly Server[]) => decodeURIComponent(new URL(server?.url ?? '').password)

/** Databases and roles go from every node, each by itself. */
async function forget(servers: readonly Server[], name: string): Promise<void> {
  const roles = `select rolname as role from pg_roles where starts_with(rolname, '${name}_')`
  for (const { url } of servers)
    await eventually(() =>
      ask(url, `drop database if exists ${name} with (force)`).then(
        () => true,
        () => false,
      ),
    )
  for (const { url } of servers)
    for (const { role } of await ask(url, roles))
      await ask(
        url,
        'set citus.enable_ddl_propagation to off',
        `drop role ${pg.escapeIdentifier(String(role))}`,
      )
}

/** A pool that a killed server does not end the process with. */
export function quiet(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config)
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
