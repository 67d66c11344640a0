import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning, type PostgresServer, startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, describe } from 'vitest'
import { createTenancy, type Tenancy, type TenancyOptions } from '../../src/index.ts'
import { eventually } from '../support/world.ts'

/** Programs of a PostgreSQL that has Citus: a cluster of three nodes is started with them, and its nodes are killed. */
const { CITUS_BIN } = process.env

/** As `describe`; one line, and nothing of it, where there is no Citus. */
export const describeCitus = CITUS_BIN ? describe : describe.skip
if (!CITUS_BIN) console.info('skipped: no Citus at CITUS_BIN')

export const COMMERCE = {
  id: '0001_shop',
  sql: `create table goods (id bigint generated always as identity primary key, name text not null unique);
    create table sales (id bigint generated always as identity primary key, good bigint references goods (id)
      deferrable initially deferred, note text not null);
    create index idx_sales_good on sales (good)`,
}

/** One node. */
export interface Node {
  readonly url: string
  readonly port: number
  /** A superuser in the cluster's database. */
  readonly root: pg.Pool
  /** Ends it as a crash does. */
  kill(): Promise<void>
  /** Starts it on its data again, whatever state it is in. */
  restart(): Promise<void>
}

export interface Citus {
  readonly coordinator: Node
  readonly workers: readonly Node[]
  readonly appUrl: string
  readonly adminUrl: string
  pool(config?: pg.PoolConfig): pg.Pool
  tenancy(options?: Partial<TenancyOptions>): Tenancy
  /** The worker that a tenant's tables are on. */
  workerOf(schema: string): Promise<Node>
  /** Moves a tenant's schema there, as an operator does. */
  move(schema: string, to: Node): Promise<void>
}

const SETTINGS = {
  shared_preload_libraries: 'citus',
  max_connections: '100',
  max_prepared_transactions: '100',
  wal_level: 'logical',
  max_wal_senders: '10',
  max_replication_slots: '10',
  max_worker_processes: '16',
  'citus.node_conninfo': 'sslmode=disable',
  'citus.max_cached_conns_per_worker': '1',
}

const DATABASE = 'shop'

/** A coordinator and its workers for one test file: a database, an application and an administrator, none a superuser. */
export function useCitus(workers = 2): Citus {
  const file: { cluster?: Citus; close?: () => Promise<void> } = {}
  beforeAll(async () => {
    const { close, ...cluster } = await startCitus(workers)
    Object.assign(file, { cluster, close })
  }, 120_000)
  afterAll(() => file.close?.(), 60_000)
  return new Proxy({} as Citus, { get: (_, name) => Reflect.get(file.cluster ?? {}, name) })
}

async function startCitus(others: number): Promise<Citus & { close(): Promise<void> }> {
  const start = () =>
    startPostgres({ url: false, binDir: String(CITUS_BIN), prefer: 'embedded', settings: SETTINGS })
  const servers = await Promise.all(Array.from({ length: 1 + others }, start))
  const nodes = await Promise.all(servers.map(nodeOf))
  const [coordinator, ...workers] = nodes as [Node, ...Node[]]
  for (const node of workers)
    await coordinator.root.query('select citus_add_node($1, $2)', ['127.0.0.1', node.port])
  if (others === 0)
    await coordinator.root.query(`select citus_set_node_property($1, $2, 'shouldhaveshards', true)`, [
      '127.0.0.1',
      coordinator.port,
    ])
  await coordinator.root.query(`create role app login noinherit; create role admin login createrole;
    grant create on database ${DATABASE} to admin`)
  const urlOf = (user: string) => {
    const url = new URL(coordinator.url)
    url.username = user
    return url.href
  }
  const pools: pg.Pool[] = []
  const tenancies: Tenancy[] = []
  const pool = (config: pg.PoolConfig = {}) => {
    const made = quiet({ connectionString: urlOf('app'), max: 10, ...config })
    pools.push(made)
    return made
  }
  return {
    coordinator,
    workers,
    appUrl: urlOf('app'),
    adminUrl: urlOf('admin'),
    pool,
    tenancy: (options = {}) => {
      const made = createTenancy({
        pool: pool(),
        adminPool: pool({ connectionString: urlOf('admin'), max: 6 }),
        isolation: 'schema',
        distributedSchemas: 'citus',
        migrations: [COMMERCE],
        ...options,
      })
      tenancies.push(made)
      return made
    },
    workerOf: async (schema) => {
      const { rows } = await coordinator.root.query<{ port: number }>(
        `select s.nodeport as port from citus_shards s join pg_class c on c.oid = s.table_name
         where c.relnamespace = $1::regnamespace limit 1`,
        [schema],
      )
      const found = workers.find(({ port }) => port === rows[0]?.port)
      if (!found) throw new Error(`${schema} is on no worker`)
      return found
    },
    move: async (schema, to) => {
      await coordinator.root.query('select citus_schema_move($1::regnamespace, $2::text, $3::int)', [
        schema,
        '127.0.0.1',
        to.port,
      ])
    },
    close: async () => {
      await Promise.all(tenancies.map((one) => one.close().catch(() => {})))
      await Promise.all([...pools, ...nodes.map(({ root }) => root)].map((one) => one.end().catch(() => {})))
      await Promise.all(servers.map((one) => one.stop()))
    },
  }
}

/** A server becomes a node: its database has the extension, and the coordinator (the first one) says where it is. */
async function nodeOf(server: PostgresServer, index: number): Promise<Node> {
  const plain = new pg.Client(server.url)
  await plain.connect()
  await plain.query(`create database ${DATABASE}`)
  const { rows } = await plain.query<{ dir: string }>(`select current_setting('data_directory') as dir`)
  await plain.end()
  const url = new URL(server.url)
  url.pathname = `/${DATABASE}`
  url.hostname = '127.0.0.1'
  const root = quiet({ connectionString: url.href, max: 4 })
  await root.query('create extension citus')
  const port = Number(url.port)
  if (index === 0) await root.query('select citus_set_coordinator_host($1, $2)', ['127.0.0.1', port])
  return {
    url: url.href,
    port,
    root,
    kill: () => killServer(String(rows[0]?.dir)),
    restart: () => server.restart('immediate'),
  }
}

async function killServer(directory: string): Promise<void> {
  const postmaster = Number.parseInt(readFileSync(join(directory, 'postmaster.pid'), 'utf8'), 10)
  process.kill(postmaster, 'SIGSTOP')
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8')
  const all = [postmaster, ...children.split(/\s+/).filter(Boolean).map(Number)]
  for (const pid of all) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has just ended by itself.
    }
  }
  await eventually(() => !all.some(isRunning))
}

/** A pool that a killed server does not end the process with. */
export function quiet(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool(config)
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
