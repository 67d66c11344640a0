import { AsyncResource } from 'node:async_hooks'
import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy, TenancyOptions, TenantDb } from '../../src/index.ts'
import { codeOf, eventually } from '../support/world.ts'
import { useSetting } from './setting.ts'

const TENANTS = 20
const BUDGET = 6
const keys = Array.from({ length: TENANTS }, (_, index) => `t${index}`)
const setting = useSetting()

beforeAll(async () => {
  const tenancy = setting.tenancy('login')
  for (const key of keys) await tenancy.provision(key)
})

/** A tenancy whose tenants' pools are kept in sight. */
function watched(limits: TenancyOptions['tenantPools'] = {}): {
  tenancy: Tenancy
  pools: pg.Pool[]
  most: () => number
} {
  const pools: pg.Pool[] = []
  let most = 0
  const look = () => {
    most = Math.max(
      most,
      pools.reduce((sum, pool) => sum + pool.totalCount, 0),
    )
  }
  const create = (config: pg.PoolConfig) => {
    const pool = new pg.Pool(config)
    pool.on('connect', look)
    pool.on('acquire', look)
    pools.push(pool)
    return pool
  }
  const tenancy = setting.tenancy('login', { tenantPools: { maxConnections: BUDGET, ...limits, create } })
  return { tenancy, pools, most: () => most }
}

/** Leaves the scope around it, as another request would be. */
const request = new AsyncResource('another request')
const outside = <T>(fn: () => Promise<T>): Promise<T> => request.runInAsyncScope(fn)

const openPools = (pools: pg.Pool[]) => pools.filter((pool) => !pool.ending)
const backends = async () => {
  const { rows } = await setting.world.root.query(
    'select count(*)::int as n from pg_stat_activity where starts_with(usename, $1)',
    [`${setting.world.rolePrefix}login_`],
  )
  return Number(rows[0].n)
}

describe('pools of tenants', () => {
  it('serve many tenants within the budget, and keep nothing of those that have no connection', async () => {
    const { tenancy, pools, most } = watched()
    let atServer = 0
    for (let round = 0; round < 2; round++) {
      await Promise.all(
        keys.map(async (key) => {
          const { rows } = await tenancy.query(key, 'select current_user as me')
          expect(rows).toEqual([{ me: setting.roleOf('login', key) }])
        }),
      )
      atServer = Math.max(atServer, await backends())
    }
    expect(most()).toBeLessThanOrEqual(BUDGET)
    expect(atServer).toBeLessThanOrEqual(BUDGET)
    expect(openPools(pools).length).toBeLessThanOrEqual(BUDGET)
    await tenancy.close()
    expect(pools.every((pool) => pool.ended)).toBe(true)
    await eventually(async () => (await backends()) === 0)
  })

  it('close the connection that was idle longest, never one under a scope', async () => {
    const { tenancy, pools } = watched({ maxConnections: 3 })
    const pid = (key: string) =>
      tenancy.query(key, 'select pg_backend_pid() as pid').then(({ rows }) => rows[0]?.pid)
    await tenancy.withTenant('t0', async (db) => {
      const before = await db.query('select pg_backend_pid() as pid')
      const [one, two] = [await outside(() => pid('t1')), await outside(() => pid('t2'))]
      expect(await outside(() => pid('t1'))).toBe(one)
      // t2 was idle longest: it makes room for t3.
      await outside(() => tenancy.query('t3', 'select 1'))
      expect(await outside(() => pid('t1'))).toBe(one)
      expect(openPools(pools)).toHaveLength(3)
      const after = await db.query('select pg_backend_pid() as pid')
      expect(after.rows).toEqual(before.rows)
      expect(await outside(() => pid('t2'))).not.toBe(two)
    })
    await tenancy.close()
  })

  it('say POOL_EXHAUSTED in time when the budget is in use, and go on afterwards', async () => {
    const { tenancy } = watched({ maxConnections: 1 })
    await tenancy.withTenant('t0', async (db) => {
      await db.query('select 1')
      const waiting = outside(() => tenancy.query('t1', 'select 1', [], { connectionTimeout: 50 }))
      expect(await codeOf(waiting)).toBe('POOL_EXHAUSTED')
    })
    expect((await tenancy.query('t1', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await tenancy.close()
  })

  it('forget who waited too long', async () => {
    // Who opens a connection has the time for it.
    const patient = { connectionTimeout: 60_000 }
    const { directUrl: connectionString, world } = setting
    const impatient = setting.tenancy('login', {
      pool: world.pool({ connectionString, connectionTimeoutMillis: patient.connectionTimeout }),
      tenantPools: { maxConnections: 1 },
      connectionTimeout: 500,
    })
    const first = async (db: TenantDb) => {
      await db.query('select 1')
      const waiting = keys.slice(1, 20).map((key) => {
        const late = outside(() => impatient.query(key, 'select 1', [], { connectionTimeout: 5_000 }))
        return late.catch((error: unknown) => error)
      })
      for (const error of await Promise.all(waiting)) {
        expect(error).toMatchObject({ code: 'POOL_EXHAUSTED', details: { waitMs: 500, maxConnections: 1 } })
      }
    }
    await impatient.withTenant('t0', first, patient)
    await eventually(async () => {
      const served = await impatient.query('t5', 'select 1', [], patient).catch((error) => error.code)
      if (served !== 'POOL_EXHAUSTED') expect(served).toMatchObject({ rowCount: 1 })
      return served !== 'POOL_EXHAUSTED'
    })
  })

  it('bound the connections of one tenant, and serve others meanwhile', async () => {
    const { tenancy, most } = watched({ maxPerTenant: 2 })
    const { promise: over, resolve: end } = Promise.withResolvers<void>()
    let running = 0
    let together = 0
    const long = () =>
      tenancy.withTenant('t0', async (db) => {
        await db.query('select 1')
        running++
        together = Math.max(together, running)
        await over
        running--
      })
    const all = Promise.all(Array.from({ length: 8 }, long))
    try {
      await eventually(() => running === 2)
      expect((await tenancy.query('t1', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    } finally {
      end()
    }
    await all
    expect(together).toBe(2)
    expect(most()).toBe(3)
    await tenancy.close()
  })

  it('serve a tenant that came first before one that keeps its connection busy', async () => {
    const { tenancy } = watched({ maxConnections: 1 })
    const order: string[] = []
    const run = (key: string) => tenancy.query(key, 'select 1').then(() => void order.push(key))
    await Promise.all(['t0', 't1', 't0', 't0', 't2'].map(run))
    expect(order).toEqual(['t0', 't1', 't0', 't0', 't2'])
    await tenancy.close()
  })

  it('survive the end of all connections of a tenant', async () => {
    const { tenancy, pools } = watched()
    await Promise.all([
      tenancy.query('t0', 'select pg_sleep(0.01)'),
      tenancy.query('t0', 'select pg_sleep(0.01)'),
    ])
    await setting.world.root.query(
      'select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = $1',
      [setting.roleOf('login', 't0')],
    )
    await eventually(() => openPools(pools).length === 0)
    expect((await tenancy.query('t0', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await tenancy.close()
  })

  it('are closed with the tenancy, behind the scopes that run; the application keeps its own', async () => {
    const pool = setting.world.pool({ connectionString: setting.directUrl })
    const tenancy = setting.tenancy('login', { pool })
    let closing: Promise<void> | undefined
    let closed = false
    await tenancy.withTenant('t0', async (db) => {
      await db.query('select 1')
      closing = tenancy.close().then(() => {
        closed = true
      })
      await db.query('select 2')
      expect(closed).toBe(false)
    })
    await closing
    expect(await codeOf(tenancy.query('t0', 'select 1'))).toBe('CONNECTION_LOST')
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  })
})
