import { flushCompileCache } from 'node:module'
import { createWorker } from '@org/governance/outbox/worker'
import { createTenancy } from '@org/pg-tenant'
import pg from 'pg'
import { events, hooksOf } from './parts.ts'

// A worker in a process of its own, to be killed and stalled at any moment. It ends with whoever started it.

// A process that is killed writes none.
flushCompileCache()
const [controlUrl = '', applicationUrl = '', level = '', port = ''] = process.argv.slice(2)
const isolation = level === 'schema' ? 'schema' : 'role'
const poolOf = (connectionString: string) => {
  const pool = new pg.Pool({
    connectionString,
    application_name: 'soak_child',
    max: 4,
    connectionTimeoutMillis: 10_000,
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
const hooks = hooksOf(isolation, Number(port))
const EFFECT = `with effect as (
    insert into soak_effect (key, tenant, op) values ($1, $2, $3) on conflict do nothing returning 1
  ) update soak_times set n = n + 1 where exists (select from effect)`

createWorker({
  control: poolOf(controlUrl),
  tenants: createTenancy({
    pool: poolOf(applicationUrl),
    isolation,
    statementTimeout: 4_000,
    lockTimeout: 3_000,
  }),
  outbox: events(isolation),
  concurrency: 20,
  lease: 2_000,
  pollInterval: 50,
  retry: { retries: 100, delays: [200, 500, 1_000] },
  handlers: {
    ...hooks.handlers,
    'soak.effect': async ({ payload }, { withTenant, idempotencyKey }) => {
      const { tenant, op } = payload as { readonly tenant: string; readonly op: number }
      await withTenant((db) => db.query(EFFECT, [idempotencyKey, tenant, op]))
    },
  },
}).start()
process.on('disconnect', () => process.exit(0))
