import pg from 'pg'
import { beforeAll, expect, it } from 'vitest'
import { withBriefLocks } from '../../src/admin/brief-locks.ts'
import { inAdminTransaction } from '../../src/admin/transaction.ts'
import { eventually, useWorld } from '../support/world.ts'

const world = useWorld([])

beforeAll(async () => {
  await world.admin.query('create schema shared; create table shared.countries (id int primary key)')
})

/** Somebody who reads a table that the tenant's refers to, for long. */
async function reading<T>(schema: string, fn: (reader: pg.Client) => Promise<T>): Promise<T> {
  await world.admin.query(
    `create schema ${schema}; create table ${schema}.notes (country int references shared.countries)`,
  )
  const reader = new pg.Client(world.url)
  await reader.connect()
  try {
    await reader.query('begin; select count(*) from shared.countries')
    return await fn(reader)
  } finally {
    await reader.end()
  }
}

const drop = (schema: string, patience?: number) =>
  inAdminTransaction(world.admin, (admin) =>
    withBriefLocks(admin, schema, `drop schema ${schema} cascade`, patience),
  )

it('comes to an end, and says what was in use, and by how many', async () => {
  const refused = await reading('busy', () => drop('busy', 100).catch((error: unknown) => error))
  expect(refused).toMatchObject({
    code: 'TIMEOUT',
    details: { schema: 'busy', tables: 'shared.countries (1)' },
    message: expect.stringContaining('pg_locks'),
  })
  await drop('busy')
})

it('waits longer each time, so that readers who overlap do not keep it off for ever', async () => {
  const LONG = `select from pg_locks where not granted and relation = 'shared.countries'::regclass
    and database = (select oid from pg_database where datname = current_database())
    and clock_timestamp() - waitstart > '150 ms'`
  await reading('overlapped', async (reader) => {
    const running = drop('overlapped', 60_000)
    running.catch(() => {})
    // As long as a reader takes who was there before it: those who come behind wait.
    await eventually(async () => (await world.root.query(LONG)).rowCount !== 0)
    await reader.query('commit')
    await running
  })
})
