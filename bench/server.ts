import { randomBytes } from 'node:crypto'
import {
  type PostgresServer,
  type StartPostgresOptions,
  startPostgres,
  type TestDatabase,
} from '@org/pg-tenant/testing'
import pg from 'pg'

/** Pools of all contenders of one run, those of a pool per tenant included. */
const CONNECTIONS = 600

type PostgresMajor = NonNullable<StartPostgresOptions['version']>

/** The server of one run, with the application's role in it. */
export interface Bench {
  readonly server: PostgresServer
  /** The role of the application: no superuser, no inheritance, as in production. */
  readonly role: string
  /** A prefix of this run for names of tenant schemas and roles, ending in `suffix`. */
  prefix(suffix: string): string
  database(): Promise<BenchDatabase>
  stop(): Promise<void>
}

interface BenchDatabase {
  readonly adminUrl: string
  readonly applicationUrl: string
  drop(): Promise<void>
}

/** Starts a server of its own, or takes the one at `url`; what it makes there is gone afterwards. */
export async function startBench(url: string | undefined, version?: PostgresMajor): Promise<Bench> {
  const server = await startPostgres(
    url === undefined
      ? {
          url: false,
          // Docker's port forwarding is not loopback.
          prefer: 'embedded',
          ...(version && { version }),
          settings: { max_connections: String(CONNECTIONS), shared_buffers: '256MB' },
        }
      : { url },
  )
  const run = randomBytes(3).toString('hex')
  const [role, password] = [`bench_${run}_app`, randomBytes(12).toString('hex')]
  await once(server.url, `create role ${role} login noinherit password '${password}'`)
  const databases: TestDatabase[] = []
  return {
    server,
    role,
    prefix: (suffix) => `b${run}${suffix}_`,
    database: async () => {
      const database = await server.createDatabase()
      databases.push(database)
      const application = new URL(database.url)
      application.username = role
      application.password = password
      return { adminUrl: database.url, applicationUrl: application.href, drop: () => database.drop() }
    },
    stop: async () => {
      if (server.source === 'url') {
        for (const database of databases) await database.drop()
        await dropRoles(server.url, run)
      }
      await server.stop()
    },
  }
}

/** Roles outlive databases; on a server that is not ours they have to go one by one. */
async function dropRoles(url: string, run: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    'select quote_ident(rolname) as name from pg_roles where rolname ~ $1',
    [`^(b${run}[a-z]*_|bench_${run}_)`],
  )
  for (const { name } of rows) await client.query(`drop role ${name}`)
  await client.end()
}

async function once(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(sql)
  await client.end()
}
