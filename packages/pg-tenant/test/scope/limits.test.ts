import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Tenancy } from '../../src/index.ts'
import { codeOf, eventually, POOLED, useWorld } from '../support/world.ts'

const world = useWorld()
let tenancy: Tenancy

beforeAll(() => {
  tenancy = world.tenancy()
})

/** Statements of this file's application that are running on the server right now. */
const running = async (pattern: string): Promise<number> => {
  const { rows } = await world.root.query<{ n: number }>(
    `select count(*)::int as n from pg_stat_activity where usename = $1 and state = 'active' and query like $2`,
    [world.appRole, pattern],
  )
  return rows[0]?.n ?? 0
}

describe('timeouts', () => {
  it('ends a statement that runs too long, on the server', async () => {
    const work = tenancy.query('acme', 'select pg_sleep(60) as long1', [], { statementTimeout: 50 })
    expect(await codeOf(work)).toBe('TIMEOUT')
    await eventually(async () => (await running('%long1%')) === 0)
  })

  it('ends a wait for a lock', async () => {
    await tenancy.withTenant('acme', async (db) => {
      await db.query('lock table notes in access exclusive mode')
      const other = world.tenancy()
      const work = world.root.query('select 1').then(() => undefined)
      await work
      const waiting = new Promise<string>((resolve) => {
        setImmediate(() =>
          resolve(codeOf(other.query('acme', 'select 1 from notes', [], { lockTimeout: 50 }))),
        )
      })
      expect(await waiting).toBe('TIMEOUT')
    })
  })

  it('tells a refused NOWAIT from a timeout', async () => {
    await tenancy.withTenant('acme', async (db) => {
      await db.query('lock table notes in access exclusive mode')
      const refused = world.tenancy().query('acme', 'lock table notes in access share mode nowait')
      expect(await codeOf(refused)).toBe('CONFLICT')
    })
  })

  it('ends a scope that sits idle, and says so at its next step', async () => {
    const pool = world.pool({ max: 1 })
    // A connection may tell of its end twice: what the server said, and that it hung up.
    const died = new Set<unknown>()
    // Only when the server's last words have been read is it certain what they were. PgBouncer keeps them until it is asked,
    // and then passes them on or says in its own words that the server is gone, whichever it comes to first.
    const told = POOLED ? ['TIMEOUT', 'CONNECTION_LOST'] : ['TIMEOUT']
    pool.on('connect', (client) => client.on('error', () => died.add(client)))
    const gone = async (times: number) => (POOLED ? (await idleInTransaction()) === 0 : died.size === times)
    const idle = world.tenancy({ pool, idleTimeout: 30 })
    const atCommit = idle.withTenant('acme', async (db) => {
      await db.query('select 1')
      await eventually(() => gone(1))
    })
    expect(told).toContain(await codeOf(atCommit))
    const atQuery = idle.withTenant('acme', async (db) => {
      await db.query('select 1')
      await eventually(() => gone(2))
      await db.query('select 2')
    })
    expect(told).toContain(await codeOf(atQuery))
  })

  const idleInTransaction = async (): Promise<number> => {
    const { rows } = await world.root.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity where usename = $1 and state like 'idle in transaction%'`,
      [world.appRole],
    )
    return rows[0]?.n ?? 0
  }

  it('does not wait for ever for a connection', async () => {
    const single = world.tenancy({ pool: world.pool({ max: 1 }) })
    await single.withTenant('acme', async (db) => {
      await db.query('select 1')
      const blocked = new Promise<string>((resolve) => {
        setImmediate(() => resolve(codeOf(single.query('acme', 'select 1', [], { connectionTimeout: 30 }))))
      })
      // Outside this scope's context, so that it does not simply join it.
      expect(['POOL_EXHAUSTED', 'SCOPE_ENDED']).toContain(await blocked.catch(() => 'SCOPE_ENDED'))
    })
    expect((await single.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })
})

describe('pool exhaustion', () => {
  it('is a coded error, loses no connection, and the late connection goes back', async () => {
    const pool = world.pool({ max: 1 })
    const single = world.tenancy({ pool })
    const held = await pool.connect()
    expect(await codeOf(single.query('acme', 'select 1', [], { connectionTimeout: 20 }))).toBe(
      'POOL_EXHAUSTED',
    )
    expect(
      await codeOf(single.withTenant('acme', async (db) => db.query('select 1'), { connectionTimeout: 20 })),
    ).toBe('POOL_EXHAUSTED')
    held.release()
    expect((await single.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await eventually(() => pool.idleCount === 1 && pool.waitingCount === 0)
  })

  it('never deadlocks nested scopes of one tenant, however small the pool', async () => {
    const single = world.tenancy({ pool: world.pool({ max: 1 }) })
    const depth = await Promise.all(
      Array.from({ length: 10 }, () =>
        single.withTenant('acme', () =>
          single.withTenant('acme', () => single.withTenant('acme', async () => 3)),
        ),
      ),
    )
    expect(depth).toEqual(Array(10).fill(3))
  })
})

describe('an AbortSignal', () => {
  it('cancels the running statement on the server and rolls back', async () => {
    const controller = new AbortController()
    const work = tenancy.withTenant(
      'acme',
      async (db) => {
        await db.query(`insert into notes (body) values ('aborted')`)
        await db.query('select pg_sleep(60) as long2')
      },
      { signal: controller.signal, statementTimeout: 600_000 },
    )
    const code = codeOf(work)
    await eventually(async () => (await running('%long2%')) === 1)
    controller.abort()
    expect(await code).toBe('ABORTED')
    expect(await running('%long2%')).toBe(0)
    expect((await tenancy.query('acme', `select 1 from notes where body = 'aborted'`)).rowCount).toBe(0)
  })

  it('cancels a one-shot query', async () => {
    const controller = new AbortController()
    const code = codeOf(
      tenancy.query('acme', 'select pg_sleep(60) as long3', [], {
        signal: controller.signal,
        statementTimeout: 600_000,
      }),
    )
    await eventually(async () => (await running('%long3%')) === 1)
    controller.abort()
    expect(await code).toBe('ABORTED')
  })

  it('does not wait for a callback that hangs on something else', async () => {
    const controller = new AbortController()
    const work = tenancy.withTenant(
      'acme',
      async (db) => {
        await db.query('select 1')
        controller.abort(new Error('secret reason'))
        await new Promise(() => {})
      },
      { signal: controller.signal },
    )
    const error = await work.catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'ABORTED', details: { reason: 'Error' } })
    expect(String(error)).not.toContain('secret')
  })

  it('that has already fired sends nothing', async () => {
    const pool = world.pool()
    const fresh = world.tenancy({ pool })
    const signal = AbortSignal.abort()
    expect(await codeOf(fresh.query('acme', 'select 1', [], { signal }))).toBe('ABORTED')
    expect(await codeOf(fresh.withTenant('acme', (db) => db.query('select 1'), { signal }))).toBe('ABORTED')
    expect(pool.totalCount).toBe(0)
  })

  it('that has already fired does not run the callback either', async () => {
    let ran = false
    const work = tenancy.withTenant(
      'acme',
      async () => {
        ran = true
      },
      { signal: AbortSignal.abort() },
    )
    expect(await codeOf(work)).toBe('ABORTED')
    expect(ran).toBe(false)
  })

  it('ends the handles of savepoints as well, and says why', async () => {
    const controller = new AbortController()
    const late: Promise<string>[] = []
    const work = tenancy.withTenant(
      'acme',
      (db) =>
        db.savepoint(async (inner) => {
          await inner.query('select 1')
          controller.abort()
          late.push(codeOf(inner.query('select 2')))
          await Promise.allSettled(late)
        }),
      { signal: controller.signal },
    )
    expect(await codeOf(work)).toBe('ABORTED')
    expect(await Promise.all(late)).toEqual(['ABORTED'])
  })

  it('ends the wait for a connection', async () => {
    const pool = world.pool({ max: 1 })
    const single = world.tenancy({ pool })
    const held = await pool.connect()
    const controller = new AbortController()
    const code = codeOf(single.query('acme', 'select 1', [], { signal: controller.signal }))
    controller.abort()
    expect(await code).toBe('ABORTED')
    held.release()
    expect((await single.query('acme', 'select 1 as one')).rows).toEqual([{ one: 1 }])
  })

  it('never touches anyone else, whenever it fires', async () => {
    const pool = world.pool({ max: 1 })
    const single = world.tenancy({ pool })
    const outcomes = await Promise.all(
      Array.from({ length: 150 }, async (_, i) => {
        const controller = new AbortController()
        const victim = i % 3 === 0
        if (victim) setTimeout(() => controller.abort(), Math.random() * 150)
        const key = i % 2 ? 'acme' : 'globex'
        const work = single.withTenant(
          key,
          (db) => db.query<{ s: string }>('select current_schema() as s, pg_sleep(0.001)'),
          {
            ...(victim && { signal: controller.signal }),
          },
        )
        const result = await work.then(
          ({ rows }) => rows[0]?.s,
          (error: { code: string }) => error.code,
        )
        return result === `c_${key}` || (victim && result === 'ABORTED') ? 'right' : `${i}: ${result}`
      }),
    )
    expect(outcomes.filter((outcome) => outcome !== 'right')).toEqual([])
  })

  it('leaves no listener behind', async () => {
    const { signal } = new AbortController()
    let listeners = 0
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--
      remove(...args)
    }
    await tenancy.query('acme', 'select 1', [], { signal })
    await tenancy.withTenant('acme', async (db) => db.query('select 1/0'), { signal }).catch(() => {})
    await eventually(() => listeners === 0)
  })
})

describe('retry', () => {
  let attempts = 0
  afterEach(() => {
    attempts = 0
  })
  const conflicting = (state: string, until: number) => (key: string, options: object) =>
    tenancy.withTenant(
      key,
      async (db) => {
        attempts++
        await db.query(`insert into notes (body) values ($1)`, [`try ${state} ${until} ${attempts}`])
        if (attempts < until) await db.query(`do $$ begin raise exception using errcode = '${state}'; end $$`)
        return attempts
      },
      options,
    )

  it.each(['40001', '40P01'])('runs the callback again after %s, in a new transaction', async (state) => {
    expect(await conflicting(state, 3)('acme', { retry: { attempts: 3, backoff: 1 } })).toBe(3)
    const { rows } = await tenancy.query('acme', 'select body from notes where body like $1', [
      `try ${state} 3%`,
    ])
    expect(rows).toEqual([{ body: `try ${state} 3 3` }])
  })

  it('is off unless asked for, bounded, and only for these two', async () => {
    await expect(conflicting('40001', 9)('acme', {})).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(attempts).toBe(1)
    await expect(
      conflicting('40001', 9)('acme', { retry: { attempts: 2, backoff: 0 } }),
    ).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(attempts).toBe(3)
    await expect(
      conflicting('23514', 99)('acme', { retry: { attempts: 5, backoff: 0 } }),
    ).rejects.toMatchObject({
      code: 'CONFLICT',
    })
    expect(attempts).toBe(4)
  })

  it('resolves real serialization failures', async () => {
    await tenancy.query('acme', `insert into notes (body) values ('counter 0')`)
    const bump = () =>
      tenancy.withTenant(
        'acme',
        async (db) => {
          const { rows } = await db.query<{ n: number }>(
            `select max(split_part(body, ' ', 2)::int) as n from notes where body like 'counter %'`,
          )
          await db.query(`insert into notes (body) values ($1)`, [`counter ${(rows[0]?.n ?? 0) + 1}`])
        },
        { isolationLevel: 'serializable', retry: { attempts: 10, backoff: 5 } },
      )
    const results = await Promise.allSettled(Array.from({ length: 4 }, bump))
    const done = results.filter((result) => result.status === 'fulfilled').length
    const { rows } = await tenancy.query<{ n: number }>(
      'acme',
      `select max(split_part(body, ' ', 2)::int) as n from notes where body like 'counter %'`,
    )
    expect(rows[0]?.n).toBe(done)
    expect(done).toBeGreaterThan(1)
  })
})
