import pg from 'pg'
import { beforeAll, expect, it } from 'vitest'
import { diagnose } from '../../src/doctor/diagnose.ts'
import { lifecycleOf } from '../fleet/fleet-world.ts'
import { useWorld } from '../support/world.ts'
import { copyTenants } from './many-tenants.ts'

// 10,000 in the slow set: TEST_FLEET_TENANTS=10000.
const SIZE = Number(process.env.TEST_FLEET_TENANTS ?? 550)
const MIGRATION = {
  id: '0001_notes',
  sql: `create table notes (id bigint primary key, body text not null);
    create view recent as select id, body from notes where id > 10`,
}
const world = useWorld([])

beforeAll(async () => {
  await world.tenancy({ migrations: [MIGRATION] }).provision('model')
  await copyTenants(world, 'model', SIZE)
  await world.root.query(`do $$ begin execute format('revoke all on database %1$I from public;
    grant connect on database %1$I to ${world.appRole}, ${world.adminRole}', current_database()); end $$`)
}, 1_800_000)

const LOCKS = `select count(*)::int as n from pg_locks where pid = pg_backend_pid() and locktype = 'relation'`

/** A pool that counts what it is asked, and the locks that are held when a savepoint or the transaction ends. */
function watchedPool() {
  const pool = new pg.Pool({ connectionString: world.adminUrl, max: 1 })
  const seen = { queries: 0, parts: 0, mostLocks: 0, locksAtEnd: 0 }
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (sql: string, values?: unknown[]) => Promise<pg.QueryResult>
    client.query = (async (sql: string, values?: unknown[]) => {
      seen.queries++
      if (sql.includes(' as print')) seen.parts++
      if (sql.startsWith('rollback')) {
        const [{ n }] = (await query(LOCKS)).rows as [{ n: number }]
        seen.mostLocks = Math.max(seen.mostLocks, n)
        if (sql === 'rollback') seen.locksAtEnd = n
      }
      return await query(sql, values)
    }) as typeof client.query
  })
  return { pool, seen }
}

it('examines a fleet in a few queries, without filling the table of locks', async () => {
  const { pool, seen } = watchedPool()
  const { rows } = await world.root.query<{ slots: number }>(
    `select current_setting('max_locks_per_transaction')::int * current_setting('max_connections')::int as slots`,
  )
  const slots = rows[0]?.slots ?? 0
  const before = process.memoryUsage().rss
  const diagnosis = await diagnose(lifecycleOf(world, [MIGRATION], { adminPool: pool }))
  const grown = process.memoryUsage().rss - before
  await pool.end()
  expect(diagnosis).toMatchObject({ ok: true, findings: [], counts: {}, tenants: SIZE + 1 })
  // Each ledger is a table and its index, each view locks what it reads.
  expect(seen.mostLocks).toBeGreaterThan(100)
  expect(seen.mostLocks).toBeLessThan(slots / 3)
  expect(seen.locksAtEnd).toBeLessThan(100)
  const parts = Math.ceil((4 * (SIZE + 1)) / (slots / 4))
  expect(seen.parts).toBe(parts > 1 ? parts + 1 : 1)
  // What does not grow, and for each 500 ledgers and each part of the views a query between two about savepoints.
  expect(seen.queries).toBeLessThan(50 + (4 * SIZE) / 500 + (4 * 4 * SIZE) / (slots / 4))
  const megabytes = Math.round(grown / 2 ** 20)
  console.info(
    `doctor: ${SIZE} tenants, ${diagnosis.ms} ms, ${seen.queries} queries, ${seen.mostLocks} locks at most, ${megabytes} MB more`,
  )
}, 1_800_000)

it('finds the one view that differs, though views are looked at in parts', async () => {
  await world.root.query(
    'create or replace view c_m7.recent as select id, body from c_m7.notes where id > 11',
  )
  const { counts, findings } = await diagnose(lifecycleOf(world, [MIGRATION]))
  expect(counts).toEqual({ DRIFT: 1 })
  expect(findings[0]).toMatchObject({ code: 'DRIFT', subject: 'm7' })
}, 600_000)
