import { createTenancy, type Tenancy } from '@org/pg-tenant'
import { type PostgresServer, startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { GOVERNANCE_MIGRATIONS, installGovernance } from './governance/install.ts'
import { plantsOf, runHostileSchema } from './hostile-schema.ts'
import { CHURN_KEY, RANGE, TABLES, type Tenant } from './tenants.ts'

const APPLICATION = 'soak_app'

/** A server of our own, so that it can be restarted and crashed, with tenants and the application's login role. */
export interface SoakDatabase {
  /** As the application, which is no superuser. */
  readonly url: string
  /** As who works on the outbox. */
  readonly workerUrl: string
  readonly admin: pg.Pool
  readonly server: PostgresServer
  /** Drops the tenant that comes and goes, after an administrator's calls on what it planted, and makes it anew. */
  churn(): Promise<void>
  stop(): Promise<void>
}

/**
 * The server runs with `fsync` off. That does not weaken the check: a crash here is one of PostgreSQL, not of the
 * machine, and what a COMMIT has written is in the system's cache by then.
 */
export async function startDatabase(
  level: 'role' | 'schema',
  tenants: readonly Tenant[],
  governance = false,
): Promise<SoakDatabase> {
  const server = await startPostgres({
    url: false,
    prefer: 'embedded',
    settings: { log_min_messages: 'panic' },
  })
  const admin = quietPool(server.url, 4)
  await admin.query(`create role ${APPLICATION} login noinherit; ${PUBLIC_TRAP}`)
  const url = new URL(server.url)
  url.username = APPLICATION
  const workerUrl = new URL(url)
  workerUrl.username = 'soak_worker'
  const pool = quietPool(url.href, 1)
  const migrations = [{ id: '0001_soak', sql: TABLES }, ...(governance ? GOVERNANCE_MIGRATIONS : [])]
  // What names that fall through would reach: declared, for it is there on purpose.
  const sharedTables = ['soak_row', 'soak_row_id_seq', 'soak_counter'].map((name) => ({
    name: `public.${name}`,
    write: true,
  }))
  const tenancy = createTenancy({ pool, adminPool: admin, isolation: level, migrations, sharedTables })
  for (const { key, schema, index } of tenants) {
    await tenancy.provision(key)
    await admin.query(`alter sequence "${schema}".soak_row_id_seq restart with ${(index + 1) * RANGE + 1}`)
  }
  if (governance) await installGovernance(admin, level, APPLICATION)
  await tenancy.provision(CHURN_KEY)
  const plants = plantsOf(
    APPLICATION,
    tenants.slice(0, 2).map(({ schema }) => schema),
  )
  return {
    url: url.href,
    workerUrl: workerUrl.href,
    admin,
    server,
    churn: () => churn(tenancy, plants),
    async stop() {
      await Promise.all([pool.end(), admin.end()])
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

async function churn(tenancy: Tenancy, plants: readonly string[]): Promise<void> {
  // The server may be restarting: what follows is tried all the same.
  await runHostileSchema(tenancy, CHURN_KEY, plants).catch(() => undefined)
  await tenancy.drop(CHURN_KEY)
  await tenancy.provision(CHURN_KEY, { reuseDeletedKey: true })
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
