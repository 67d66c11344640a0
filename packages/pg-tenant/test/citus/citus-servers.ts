import { startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { killServer } from '../faults/crash-server.ts'

/** `CITUS_URL`: a superuser on the coordinator of a cluster that is there. `CITUS_BIN`: programs of a PostgreSQL that has Citus. */
export const { CITUS_URL, CITUS_BIN } = process.env

/** A server to make a node of, under the name that the others reach it by. */
export interface Server {
  /** A superuser in a database that is there. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Ends it as a crash does. */
  kill(): Promise<void>
  /** Starts it on its data again, whatever state it is in. */
  restart(): Promise<void>
  stop(): Promise<void>
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

/** A coordinator, which is the first, and so many workers. */
export function serversOf(workers: number): Promise<Server[]> {
  return CITUS_URL
    ? serversAt(CITUS_URL, workers)
    : Promise.all(Array.from({ length: 1 + workers }, startServer))
}

async function startServer(): Promise<Server> {
  const binDir = String(CITUS_BIN)
  const server = await startPostgres({ url: false, binDir, prefer: 'embedded', settings: SETTINGS })
  const [found] = await ask(server.url, `select current_setting('data_directory') as dir`)
  return {
    url: server.url,
    host: '127.0.0.1',
    port: Number(new URL(server.url).port),
    kill: () => killServer(String(found?.dir)),
    restart: () => server.restart('immediate'),
    stop: () => server.stop(),
  }
}

const NODES = `select nodename as host, nodeport as port from pg_dist_node
  where groupid <> 0 and isactive and noderole = 'primary' order by groupid`

/**
 * The workers are those that the coordinator knows; each is to be reached from here by the same name. One file at a time has them, until
 * the coordinator is stopped: a node that is added gets all roles of the server, also those that another file makes and drops.
 */
async function serversAt(url: string, workers: number): Promise<Server[]> {
  const turn = new pg.Client(url)
  turn.on('error', () => {})
  await turn.connect()
  await turn.query(`select pg_advisory_lock(hashtext('tests on Citus'))`)
  const at = (host: string, port: number): Server => {
    const its = Object.assign(new URL(url), { hostname: host, port: String(port) }).href
    const refused = async () => {
      throw new Error(`${host}:${port} is not ours to end`)
    }
    return { url: its, host, port, kill: refused, restart: refused, stop: async () => {} }
  }
  const { hostname, port } = new URL(url)
  const known = (await turn.query(NODES)).rows
  if (known.length < workers) {
    await turn.end()
    throw new Error(`CITUS_URL has ${known.length} workers, these tests need ${workers}`)
  }
  const others = known.slice(0, workers).map((node) => at(String(node.host), Number(node.port)))
  return [{ ...at(hostname, Number(port || 5432)), stop: () => turn.end() }, ...others]
}

/** One statement after another, in a session of its own. @returns what the last one found */
export async function ask(url: string, ...statements: readonly string[]): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    let rows: Record<string, unknown>[] = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows
  } finally {
    await client.end()
  }
}
