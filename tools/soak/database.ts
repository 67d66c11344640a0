import { createTenancy, type IsolationLevel, type Tenancy, type TenancyOptions } from '@org/pg-tenant'
import { type PostgresServer, startPgBouncer, startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { GOVERNANCE_MIGRATIONS, installGovernance } from './governance/install.ts'
import { plantsOf, runHostileSchema } from './hostile-schema.ts'
import { CHURN_KEY, COUNTERS, RANGE, SHARED, SHARED_TABLES, TABLES, type Tenant } from './tenants.ts'

const APPLICATION = 'soak_app'

/** A server of our own, so that it can be restarted and crashed, with tenants and the application's login role. */
export interface SoakDatabase {
  /** As the application, which is no superuser; through the pooler where there is one. */
  readonly url: string
  /** How a tenancy finds its tenants. */
  readonly options: Partial<TenancyOptions>
  /** As who works on the outbox. */
  readonly workerUrl: string
  readonly admin: pg.Pool
  /** A tenant's tables, for an administrator who sees everything. */
  rowsOf(key: string): Place
  readonly server: PostgresServer
  /** Drops the tenant that comes and goes, after an administrator's calls on what it planted, and makes it anew. */
  churn(): Promise<void>
  stop(): Promise<void>
}

/** Where rows of a tenant are. */
export interface Place {
  readonly pool: pg.Pool
  readonly schema: string
  /** Which rows of its tables are the tenant's. */
  readonly own: string
}

/**
 * The server runs with `fsync` off. That does not weaken the check: a crash here is one of PostgreSQL, not of the
 * machine, and what a COMMIT has written is in the system's cache by then.
 */
export async function startDatabase(
  level: IsolationLevel,
  tenants: readonly Tenant[],
  { governance = false, pooler = false }: { readonly governance?: boolean; readonly pooler?: boolean },
): Promise<SoakDatabase> {
  const server = await startPostgres({
    url: false,
    prefer: 'embedded',
    settings: { log_min_messages: 'panic' },
  })
  const admin = quietPool(server.url, 4)
  await admin.query(`create role ${APPLICATION} login noinherit; ${PUBLIC_TRAP}`)
  const bouncer = pooler
    ? await startPgBouncer({ url: server.url, poolSize: 4, settings: { server_login_retry: '1' } })
    : undefined
  const url = new URL(bouncer?.url ?? server.url)
  url.username = APPLICATION
  const workerUrl = new URL(url)
  workerUrl.username = 'soak_worker'
  const pool = quietPool(url.href, 1)
  const shares = level === 'row'
  const migrations = [
    { id: '0001_soak', sql: shares ? SHARED_TABLES : TABLES },
    ...(governance ? GOVERNANCE_MIGRATIONS : []),
  ]
  // What names that fall through would reach: declared, for it is there on purpose.
  const sharedTables = ['soak_row', 'soak_row_id_seq', 'soak_counter'].map((name) => ({
    name: `public.${name}`,
    write: true,
  }))
  const passwords = new Map<string, string>()
  const options: Partial<TenancyOptions> = {
    isolation: level,
    ...(level !== 'database' && { sharedTables }),
    ...(shares && { row: { schema: SHARED } }),
    ...((level === 'login' || level === 'database') && {
      credentials: (tenant: string) => {
        const password = passwords.get(tenant)
        return password === undefined ? undefined : { password }
      },
    }),
  }
  const tenancy = createTenancy({ pool, adminPool: admin, migrations, ...options })
  const provision: Provision = async (key, facts) => {
    const { connection } = await tenancy.provision(key, facts)
    if (connection) passwords.set(key, connection.password)
    await tenancy.query(key, COUNTERS)
  }
  const databases = new Map<string, pg.Pool>()
  const rowsOf = (key: string): Place => {
    if (level !== 'database')
      return {
        pool: admin,
        schema: shares ? SHARED : `c_${key}`,
        own: shares ? `tenant_id = '${key}'` : 'true',
      }
    const known = databases.get(key)
    const made = known ?? quietPool(Object.assign(new URL(server.url), { pathname: `/c_${key}` }).href, 1)
    databases.set(key, made)
    return { pool: made, schema: `c_${key}`, own: 'true' }
  }
  for (const { key, index } of tenants) {
    await provision(key)
    const { pool: at, schema } = rowsOf(key)
    const first = (index + 1) * RANGE + 1
    if (!shares) await at.query(`alter sequence "${schema}".soak_row_id_seq restart with ${first}`)
  }
  if (governance) await installGovernance(admin, level === 'schema' ? level : 'role', APPLICATION)
  await provision(CHURN_KEY)
  const others = tenants.slice(0, 2).map(({ schema }) => schema)
  // Where tables are shared the application makes nothing; what a database's own tenant plants, test/hostile has.
  const plants = shares || level === 'database' ? [] : plantsOf(APPLICATION, others)
  return {
    url: url.href,
    workerUrl: workerUrl.href,
    options,
    admin,
    rowsOf,
    server,
    churn: () => churn(tenancy, provision, plants),
    async stop() {
      await tenancy.close()
      await Promise.all([pool, admin, ...databases.values()].map((one) => one.end()))
      await bouncer?.stop()
      await server.stop()
    },
  }
}

/** A table of the same name in `public`, open to all: whatever falls through to it is a leak. */
const PUBLIC_TRAP = `
  create table public.soak_row (id bigserial, tenant text, op bigint, part int);
  create table public.soak_counter (k int, v bigint);
  grant select, insert, update, delete on public.soak_row, public.soak_counter to public;
  grant usage, select on sequence public.soak_row_id_seq to public`

type Provision = (key: string, facts?: { readonly reuseDeletedKey: true }) => Promise<void>

async function churn(tenancy: Tenancy, provision: Provision, plants: readonly string[]): Promise<void> {
  // The server may be restarting: what follows is tried all the same.
  await runHostileSchema(tenancy, CHURN_KEY, plants).catch(() => undefined)
  await tenancy.drop(CHURN_KEY)
  await provision(CHURN_KEY, { reuseDeletedKey: true })
  await tenancy.suspend(CHURN_KEY)
  await tenancy.resume(CHURN_KEY)
}

/** For administration: connections may break at any moment, and the next query gets a new one. */
function quietPool(connectionString: string, max: number): pg.Pool {
  const pool = new pg.Pool({ connectionString, max, connectionTimeoutMillis: 10_000 })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
