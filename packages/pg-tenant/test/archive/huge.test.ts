// @module-tag slow: a tenant of thousands of tables.
import { type PostgresServer, startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { backupTenant } from '../../src/archive/backup.ts'
import { inspectArchive } from '../../src/archive/inspect.ts'
import { parseNaming } from '../../src/isolation/names.ts'
import { schemaLevel } from '../../src/lifecycle/levels/schema.ts'
import type { Lifecycle } from '../../src/lifecycle/lifecycle.ts'
import { offboard } from '../../src/offboard/offboard.ts'
import { findRemains } from '../offboard/remains.ts'
import { SLOW } from '../support/sample.ts'
import { provisioned, useFolder } from './support.ts'

// A server of its own with few locks: one that runs out of them would fail the tests of others.
const folder = useFolder()
const TABLES = SLOW ? 3000 : 300
let server: PostgresServer
let pool: pg.Pool
let application: pg.Pool
let lifecycle: Lifecycle

beforeAll(async () => {
  server = await startPostgres({
    url: false,
    settings: { max_connections: '20', max_locks_per_transaction: '20' },
  })
  pool = new pg.Pool({ connectionString: server.url, max: 3 })
  // Of a superuser no tenant is shut, and so none is off-boarded.
  await pool.query('create role application login')
  const url = Object.assign(new URL(server.url), { username: 'application' }).href
  application = new pg.Pool({ connectionString: url, max: 1 })
  lifecycle = {
    level: 'schema',
    ofLevel: schemaLevel,
    naming: parseNaming({}),
    pool: application,
    adminPool: pool,
    migrations: [],
    registry: { controlSchema: 'tenancy', prefix: 'c_' },
  }
})
afterAll(async () => {
  await application.end()
  await pool.end()
  await server.stop()
})

const CREATE = `do $$ begin
    for i in 1..${TABLES} loop
      execute format('create table c_huge.t%s (id int primary key, body text)', i);
      if i % 50 = 0 then commit; end if;
    end loop;
    for i in 1..${SLOW ? 40 : 20} loop
      for n in 1..60 loop
        execute format('create index on c_huge.t%s (body) where id > %s', i, n);
      end loop;
      commit;
    end loop;
  end $$`

it('a tenant of thousands of tables is backed up and dropped, which one transaction cannot', {
  tags: 'slow',
}, async () => {
  const tenant = await provisioned(lifecycle, 'huge')
  await pool.query(CREATE)
  await pool.query('insert into c_huge.t1 values (1)')
  const client = await pool.connect()
  const refused = await client.query('drop schema c_huge cascade').then(
    () => 'dropped',
    (error: { code: string }) => error.code,
  )
  // The error comes before the locks are given back; until then the server has none for a new connection.
  await client.query('rollback')
  client.release()
  expect(refused).toBe('53200')
  const to = folder.path('huge')
  await backupTenant(lifecycle, tenant, { to })
  expect((await inspectArchive(to)).summary.tables).toHaveLength(TABLES)
  const receipt = await offboard(lifecycle, tenant, { confirm: 'huge', backup: 'skip' })
  expect(receipt).toMatchObject({ status: 'deleted', rows: 1 })
  expect(receipt.tables).toHaveLength(TABLES)
  expect(await findRemains(lifecycle, tenant)).toEqual([])
})
