import type { Pool, PoolClient } from 'pg'
import { describe, expect, it } from 'vitest'
import { codeOf, eventually, useWorld } from '../support/world.ts'

const world = useWorld()
const LOCK = 'select pg_advisory_lock(42)'
const UNLOCK = 'select pg_advisory_unlock(42) as done'
const TRY = 'select pg_try_advisory_lock(42) as got'

/** Advisory locks of this database that nobody of our own scopes takes. */
async function held(): Promise<number> {
  const { rows } = await world.root.query(
    `select 1 from pg_locks where locktype = 'advisory' and objid = 42
      and database = (select oid from pg_database where datname = current_database())`,
  )
  return rows.length
}

/** Two clients of one tenant's pool. */
async function two(fn: (one: PoolClient, other: PoolClient, pool: Pool) => Promise<void>): Promise<void> {
  const pool = world.tenancy().pool('acme')
  const clients = [await pool.connect(), await pool.connect()] as const
  try {
    await fn(...clients, pool)
  } finally {
    for (const client of clients) client.release()
    await pool.end()
  }
}

describe('advisory locks of a session', () => {
  it('exclude other clients until they are given back, whatever runs and ends between', () =>
    two(async (one, other) => {
      await one.query(LOCK)
      await one.query('select 1')
      await one.query('begin')
      await one.query('insert into notes (body) values ($1)', ['under the lock'])
      await one.query('rollback')
      expect((await other.query(TRY)).rows).toEqual([{ got: false }])
      expect((await one.query(UNLOCK)).rows).toEqual([{ done: true }])
      expect((await other.query(TRY)).rows).toEqual([{ got: true }])
      await other.query('select pg_advisory_unlock_all()')
      expect(await held()).toBe(0)
    }))

  it('let whoever has them go on, however many wait for them', async () => {
    // Four connections; each client that has a lock needs two.
    const pool = world.tenancy().pool('acme', { max: 8 })
    let inside = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        const client = await pool.connect()
        await client.query(LOCK)
        most = Math.max(most, ++inside)
        await client.query('select 1')
        inside--
        await client.query(UNLOCK)
        client.release()
      }),
    )
    expect(most).toBe(1)
    await pool.end()
  })

  it('leave other tenants their connections: whoever keeps some has half of them at most', async () => {
    const tenancy = world.tenancy({ pool: world.pool({ max: 2 }) })
    const hasty = { connectionTimeout: 300 }
    const pools = [tenancy.pool('acme'), tenancy.pool('globex'), tenancy.pool('globex', hasty)] as const
    const [one, other, refused] = await Promise.all(pools.map((pool) => pool.connect()))
    try {
      await one?.query(LOCK)
      await expect(refused?.query('select pg_advisory_lock(43)')).rejects.toMatchObject({
        code: 'POOL_EXHAUSTED',
        details: { reason: 'session_locks' },
      })
      // Each goes on beside it; the one in a hurry as soon as its time is enough.
      for (const client of [one, other])
        expect((await client?.query('select 1 as one'))?.rows).toEqual([{ one: 1 }])
      await eventually(async () => (await refused?.query('select 1').catch(() => {}))?.rowCount === 1)
      const waits = other?.query('select pg_advisory_lock(43)')
      await one?.query(UNLOCK)
      await waits
      await other?.query('select pg_advisory_unlock_all()')
    } finally {
      for (const client of [one, other, refused]) client?.release()
      for (const pool of pools) await pool.end()
    }
  })

  it('are refused where one connection is all there is: whoever has a lock needs another to go on', async () => {
    const tenancy = world.tenancy({ pool: world.pool({ max: 1 }) })
    const [hasty, pool] = [tenancy.pool('acme', { connectionTimeout: 50 }), tenancy.pool('acme')]
    const refused = { code: 'POOL_EXHAUSTED', details: { reason: 'session_locks' } }
    await expect(hasty.query(LOCK)).rejects.toMatchObject(refused)
    expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    for (const each of [hasty, pool]) await each.end()
  })

  it('are not waited for one after the other for ever: whoever is too far behind is told so', async () => {
    const tenancy = world.tenancy()
    const pool = tenancy.pool('acme', { max: 5, connectionTimeout: 400, lockTimeout: 400 })
    const patient = tenancy.pool('acme')
    const client = await patient.connect()
    try {
      await client.query(LOCK)
      const told = await Promise.all(
        Array.from({ length: 5 }, () => pool.query(LOCK).then(String, (error) => error.code)),
      )
      expect(told.slice(3)).toEqual(['POOL_EXHAUSTED', 'POOL_EXHAUSTED'])
      await client.query(UNLOCK)
      // Those that were told have not taken it later.
      expect((await client.query(TRY)).rows).toEqual([{ got: true }])
    } finally {
      client.release(true)
      for (const each of [pool, patient]) await each.end()
    }
  })

  it('are counted: taken twice, they are given back twice', () =>
    two(async (one, other) => {
      await one.query(LOCK)
      await one.query(LOCK)
      await one.query(UNLOCK)
      expect((await other.query(TRY)).rows).toEqual([{ got: false }])
      await one.query(UNLOCK)
      expect((await other.query(TRY)).rows).toEqual([{ got: true }])
      await other.query(UNLOCK)
    }))

  it('keep a statement that failed apart from what is held, and take nothing that is written beside them', () =>
    two(async (one) => {
      await one.query(LOCK)
      await expect(one.query('select pg_advisory_lock(1 / 0)')).rejects.toMatchObject({ code: '22012' })
      await expect(
        one.query(`with written as (insert into notes (body) values ('beside') returning id)
          select pg_advisory_lock(43) from written`),
      ).rejects.toMatchObject({ code: '25006' })
      expect(await held()).toBe(1)
      expect((await one.query(UNLOCK)).rows).toEqual([{ done: true }])
    }))

  it('are taken inside a transaction too, and outlive it', () =>
    two(async (one, other) => {
      await one.query('begin')
      await one.query(LOCK)
      await one.query('rollback')
      expect((await other.query(TRY)).rows).toEqual([{ got: false }])
      await one.query(UNLOCK)
    }))

  it('end with their client, and the settings of a statement that takes one with the statement', async () => {
    const client = new (world.tenancy().pg('acme').Client)()
    await client.connect()
    await client.query(
      `with waits as (select set_config('lock_timeout', '77', true)) select pg_advisory_lock(42) from waits`,
    )
    const { rows } = await client.query(
      `select pg_advisory_lock_shared(44), current_setting('lock_timeout') as waits`,
    )
    expect(rows[0]?.waits).not.toBe('77ms')
    expect(await held()).toBe(1)
    await client.end()
    await eventually(async () => (await held()) === 0)
  })

  it('say once that they are gone, before anything runs that counted on them', () =>
    two(async (one) => {
      await one.query(LOCK)
      await one.query('begin')
      await world.root.query(
        `select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and objid = 42
          and database = (select oid from pg_database where datname = current_database())`,
      )
      // The client's process hears of it a moment later.
      let told: unknown
      await eventually(async () => {
        told = await one.query('select 1').then(
          () => undefined,
          (error: unknown) => error,
        )
        return told !== undefined
      })
      expect(told).toMatchObject({ code: 'CONNECTION_LOST' })
      await expect(one.query('select 1')).rejects.toMatchObject({ code: '25P02' })
      await one.query('rollback')
      expect((await one.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    }))

  it('are the scope’s own inside one that is open around the client', async () => {
    const tenancy = world.tenancy()
    const pool = tenancy.pool('acme')
    await tenancy.withTenant('acme', async () => {
      await pool.query(LOCK)
      expect(await held()).toBe(1)
    })
    await eventually(async () => (await held()) === 0)
    await pool.end()
  })
})

describe('cancelling by processID', () => {
  const SLEEP = `select pg_sleep(60)`
  const pid = (client: PoolClient) => (client as unknown as { processID: number }).processID
  /** Waits until the statement runs on the server. */
  const running = () =>
    eventually(async () => {
      const { rows } = await world.root.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
      )
      return rows.length === 1
    })

  it('stops a statement by itself and one in a transaction, which can then only be rolled back', () =>
    two(async (one, other) => {
      expect(pid(one)).toBeGreaterThan(2 ** 22)
      const alone = one.query(SLEEP)
      alone.catch(() => {})
      await running()
      await other.query('select pg_cancel_backend($1)', [pid(one)])
      await expect(alone).rejects.toMatchObject({ code: '57014' })
      await one.query('begin')
      await one.query('insert into notes (body) values ($1)', ['cancelled'])
      const inside = one.query(SLEEP)
      inside.catch(() => {})
      await running()
      await other.query(`select pg_cancel_backend(${pid(one)})`)
      await expect(inside).rejects.toMatchObject({ code: '57014' })
      await expect(one.query('select 1')).rejects.toMatchObject({ code: '25P02' })
      await one.query('rollback')
      expect((await one.query(`select 1 from notes where body = 'cancelled'`)).rows).toEqual([])
    }))

  it('reaches nobody else: not another tenant’s client, and none that is idle', () =>
    two(async (one, other) => {
      const elsewhere = world.tenancy().pool('globex')
      const client = await elsewhere.connect()
      const sleep = client.query('select pg_sleep(1) as slept')
      const number = pid(client)
      await running()
      await one.query('select pg_cancel_backend($1)', [number])
      expect((await sleep).rowCount).toBe(1)
      client.release()
      await elsewhere.end()
      await one.query('select pg_cancel_backend($1)', [pid(other)])
      expect((await other.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    }))

  it('stops a wait for an advisory lock, and the client goes on', () =>
    two(async (one, other) => {
      await one.query(LOCK)
      const number = pid(other)
      const waits = other.query(LOCK)
      waits.catch(() => {})
      await eventually(async () => {
        const { rows } = await world.root.query(
          `select 1 from pg_locks where locktype = 'advisory' and objid = 42 and not granted
            and database = (select oid from pg_database where datname = current_database())`,
        )
        return rows.length === 1
      })
      await one.query('select pg_cancel_backend($1)', [number])
      await expect(waits).rejects.toMatchObject({ code: '57014' })
      expect((await other.query(TRY)).rows).toEqual([{ got: false }])
      await one.query(UNLOCK)
      expect((await other.query(TRY)).rows).toEqual([{ got: true }])
    }))

  it('what was sent behind a COMMIT whose connection is gone does not run by itself', async () => {
    const pool = world.tenancy().pool('acme')
    const client = await pool.connect()
    await client.query('begin')
    await client.query(`insert into notes (body) values ('first')`)
    const { rows } = await client.query('select pg_backend_pid() as pid')
    await world.root.query('select pg_terminate_backend($1, 5000)', [rows[0].pid])
    const sent = [
      client.query('commit'),
      client.query(`insert into notes (body) values ('behind')`),
      client.query('commit'),
    ]
    const [commit, behind, again] = await Promise.allSettled(sent)
    expect([commit?.status, behind?.status]).toEqual(['rejected', 'rejected'])
    expect(again).toMatchObject({ value: { command: 'ROLLBACK' } })
    expect((await client.query('select body from notes')).rows).toEqual([])
    client.release()
    await pool.end()
  })

  it('ends a client that is terminated', () =>
    two(async (one, other) => {
      const sleep = one.query(SLEEP)
      sleep.catch(() => {})
      const number = pid(one)
      expect(number).toBeGreaterThan(0)
      await running()
      await other.query(`select pg_terminate_backend(${number})`)
      await expect(sleep).rejects.toMatchObject({ code: '57014' })
    }))
})

describe('a scope opened by hand', () => {
  it('is cancelled by its signal', async () => {
    const controller = new AbortController()
    await using scope = world.tenancy().open('acme', { signal: controller.signal })
    await scope.db.query(`insert into notes (body) values ('aborted')`)
    const running = [scope.db.query('select pg_sleep(60)'), scope.db.query('select 1 as behind')]
    await using waiting = world
      .tenancy({ pool: world.pool({ max: 1 }) })
      .open('acme', { signal: controller.signal })
    running.push(waiting.db.query('select 1 as waiting'))
    controller.abort()
    expect(await Promise.all(running.map(codeOf))).toEqual(['ABORTED', 'ABORTED', 'ABORTED'])
    expect(await codeOf(scope.db.query('select 1'))).toBe('ABORTED')
    expect(await codeOf(scope.commit())).toBe('ABORTED')
    const { rows } = await world.tenancy().query('acme', `select 1 from notes where body = 'aborted'`)
    expect(rows).toEqual([])
    expect(() => world.tenancy().open('acme', { signal: AbortSignal.abort() })).toThrowError(
      expect.objectContaining({ code: 'ABORTED' }),
    )
  })
})
