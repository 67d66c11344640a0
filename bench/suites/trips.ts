import { createTenancy, type TenantDb } from '@org/pg-tenant'
import { drizzle } from '@org/pg-tenant/drizzle'
import { startWireProxyInWorker } from '@org/pg-tenant/testing'
import pg from 'pg'
import { obvious } from '../contenders/obvious.ts'
import { notes, qualified, SCOPED } from '../contenders/statement.ts'
import type { Count, SuiteResult } from '../report/result.ts'
import type { Bench } from '../server.ts'
import { provisionTenants } from './tenants.ts'

/** Each is repeated, so that a trip that comes only now and then shows as well. */
const TIMES = 25

interface Job {
  readonly work: string
  readonly expected: number
  run(): Promise<unknown>
}

/** Round trips, counted by a proxy that reads the protocol. */
export async function tripsSuite(bench: Bench): Promise<SuiteResult> {
  const tenants = await provisionTenants(bench, 2)
  const proxy = await startWireProxyInWorker({ target: tenants.url })
  const pool = new pg.Pool({ connectionString: proxy.url, max: 1 })
  const { rolePrefix, schemaPrefix, keys } = tenants
  const tenancy = createTenancy({ pool, schemaPrefix: rolePrefix, rolePrefix })
  const counts: Count[] = []
  for (const { work, expected, run } of jobs(tenancy, pool, keys, schemaPrefix)) {
    await run()
    await proxy.reset()
    for (let time = 0; time < TIMES; time++) await run()
    counts.push({ work, expected, trips: (await proxy.roundTrips()) / TIMES })
  }
  await pool.end()
  await proxy.close()
  await tenants.drop()
  return { suite: 'trips', counts }
}

function jobs(
  tenancy: ReturnType<typeof createTenancy>,
  pool: pg.Pool,
  keys: readonly string[],
  schemaPrefix: string,
): Job[] {
  const [key = '', other = ''] = keys
  let turn = 0
  const next = () => (turn++ % 2 === 0 ? key : other)
  const read = (db: TenantDb) => db.query(SCOPED, [1])
  const scope = (fn: (db: TenantDb) => Promise<unknown>) => () => tenancy.withTenant(key, fn)
  const path = `SET LOCAL search_path TO "${schemaPrefix}${key}", public`
  return [
    { work: 'limit', expected: 1, run: () => pool.query(qualified(schemaPrefix + key), [1]) },
    { work: 'tenancy.query, one tenant', expected: 1, run: () => tenancy.query(key, SCOPED, [1]) },
    {
      work: 'tenancy.query, another tenant each time',
      expected: 1,
      run: () => tenancy.query(next(), SCOPED, [1]),
    },
    { work: 'withTenant, one statement', expected: 2, run: scope(read) },
    {
      work: 'withTenant, three statements',
      expected: 4,
      run: scope(async (db) => [await read(db), await read(db), await read(db)]),
    },
    {
      work: 'withTenant, one statement and a savepoint with one',
      expected: 3,
      run: scope(async (db) => [await read(db), await db.savepoint(read)]),
    },
    {
      work: 'drizzle over withTenant, one select',
      expected: 2,
      run: scope((db) => drizzle(db).select().from(notes)),
    },
    {
      work: 'obvious helper',
      expected: 4,
      run: () => obvious(pool, [path], (client) => client.query(SCOPED, [1])),
    },
    {
      work: 'obvious helper + SET ROLE',
      expected: 5,
      run: () => obvious(pool, [path, 'SET LOCAL ROLE none'], (client) => client.query(SCOPED, [1])),
    },
  ]
}
