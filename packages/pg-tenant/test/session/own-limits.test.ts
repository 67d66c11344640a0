import { startPostgres } from '@org/pg-testing'
import pg from 'pg'
import { expect, it } from 'vitest'
import { createTenancy } from '../../src/index.ts'
import { eventually, POOLED, useWorld } from '../support/world.ts'

// Limits that came with the connection are left as they are, and so are sessions without temporary objects: both are remembered
// of a connection, and a tenant that lies about either gains nothing.

const world = useWorld(['evil', 'good'])
const OWN = {
  statement_timeout: 30_000,
  lock_timeout: 10_000,
  idle_in_transaction_session_timeout: 60_000,
}
const LIMITS = `select concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),
  current_setting('idle_in_transaction_session_timeout')) as limits`
const HELD = [{ limits: '30s 10s 1min' }]
const LIES = ['0', '77s']

const stage = (limits: object) => {
  const pool = world.pool({ connectionString: world.appUrl, max: 1, ...limits })
  return { pool, tenancy: world.tenancy({ pool }) }
}

// A pooler refuses start-up parameters, and nothing is remembered of its connections.
it.each<[string, object]>([
  ...(POOLED ? [] : [['of the connection', OWN] as [string, object]]),
  ['of the scope', {}],
])('limits %s hold whatever a tenant sets', async (_, limits) => {
  const { pool, tenancy } = stage(limits)
  for (const lie of LIES) {
    for (let time = 0; time < 3; time++) {
      await tenancy.query(
        'evil',
        `select set_config(name, $1, false) from unnest(array['statement_timeout', 'lock_timeout',
          'idle_in_transaction_session_timeout']) name`,
        [lie],
      )
      expect((await tenancy.query('good', LIMITS)).rows).toEqual(HELD)
      expect((await tenancy.query('evil', LIMITS)).rows).toEqual(HELD)
    }
  }
  await pool.query(`set statement_timeout to '5s'`)
  expect((await tenancy.query('good', LIMITS)).rows).toEqual(HELD)
  expect((await tenancy.query('good', LIMITS)).rows).toEqual(HELD)
})

it.skipIf(POOLED)(
  'a scope with limits of its own has them, also where the connection has others',
  async () => {
    const { tenancy } = stage(OWN)
    for (let time = 0; time < 3; time++) {
      const { rows } = await tenancy.withTenant('good', (db) => db.query(LIMITS), { statementTimeout: 7_000 })
      expect(rows).toEqual([{ limits: '7s 10s 1min' }])
      expect((await tenancy.query('good', LIMITS)).rows).toEqual(HELD)
    }
  },
)

it.skipIf(POOLED)('what is temporary goes, the first of a connection and each later one', async () => {
  const { pool, tenancy } = stage(OWN)
  for (let time = 0; time < 3; time++) await tenancy.query('good', 'select 1')
  for (let time = 0; time < 3; time++) {
    await tenancy.query('evil', `do $$ begin create temp table mine as select 1 as x; end $$`)
    for (const key of ['good', 'evil']) {
      const { rows } = await tenancy.query(key, `select to_regclass('pg_temp.mine') is null as gone`)
      expect(rows).toEqual([{ gone: true }])
    }
    expect((await pool.query(`select to_regclass('pg_temp.mine') is null as gone`)).rows[0]?.gone).toBe(true)
  }
})

it("limits of the server's file are not the connection's own: the file may be read again", async () => {
  const settings = Object.fromEntries(Object.entries(OWN).map(([name, value]) => [name, String(value)]))
  const server = await startPostgres({ url: false, settings })
  const pool = new pg.Pool({ connectionString: server.url, max: 1 })
  const admin = new pg.Pool({ connectionString: server.url, max: 1 })
  try {
    const tenancy = createTenancy({ pool, adminPool: admin, isolation: 'schema' })
    await tenancy.provision('good')
    for (let time = 0; time < 2; time++) await tenancy.query('good', 'select 1')
    await admin.query(`alter system set statement_timeout to 0`)
    await admin.query('select pg_reload_conf()')
    await eventually(async () => {
      const { rows } = await pool.query<{ statement_timeout: string }>('show statement_timeout')
      return rows[0]?.statement_timeout === '0'
    })
    for (let time = 0; time < 2; time++) expect((await tenancy.query('good', LIMITS)).rows).toEqual(HELD)
  } finally {
    await Promise.all([pool.end(), admin.end()])
    await server.stop()
  }
})
