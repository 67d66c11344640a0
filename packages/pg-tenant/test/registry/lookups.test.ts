import { hasPgBouncer, startPgBouncer } from '@org/pg-testing'
import type pg from 'pg'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Tenancy, TenancyOptions } from '../../src/index.ts'
import { codeOf, eventually, NOTES, useWorld } from '../support/world.ts'

const world = useWorld(['acme', 'globex'])
const LONG = { maxAge: 60_000 }
const opened: Tenancy[] = []
const open = (options: Partial<TenancyOptions>): Tenancy => {
  const tenancy = world.tenancy(options)
  opened.push(tenancy)
  return tenancy
}
afterEach(async () => {
  for (const tenancy of opened.splice(0)) await tenancy.close()
  await world.tenancy().resume('acme')
})

const direct = () => {
  const url = new URL(world.url)
  const app = new URL(world.appUrl)
  url.username = app.username
  url.password = app.password
  return { connectionString: url.href, application_name: 'listens' }
}
const listening = async (): Promise<number[]> =>
  (
    await world.root.query(
      `select pid from pg_stat_activity where datname = current_database() and application_name = 'listens'
       and query = 'select pg_backend_pid() as pid' and state = 'idle'`,
    )
  ).rows.map(({ pid }) => pid)
/** A pool that counts what it is asked. */
const counted = () => {
  const pool = world.pool()
  const counter = { pool, asked: 0 }
  pool.on('acquire', () => counter.asked++)
  return counter
}

describe('lookup', () => {
  it('asks once for a tenant in service, and each time for one that is not', async () => {
    const counter = counted()
    const tenancy = open({ pool: counter.pool, lookups: LONG })
    const [first] = await Promise.all([tenancy.lookup('acme'), tenancy.lookup('acme')])
    expect(first).toMatchObject({ key: 'acme', status: 'active', schemaVersion: NOTES.id })
    await tenancy.lookup('acme')
    expect(counter.asked).toBe(1)
    expect(await tenancy.lookup('nobody')).toBeUndefined()
    await tenancy.lookup('nobody')
    expect(counter.asked).toBe(3)
    expect(await codeOf(tenancy.lookup('No-Key'))).toBe('INVALID_TENANT_KEY')
  })

  it('knows at once what this tenancy changed', async () => {
    const tenancy = open({ lookups: LONG })
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'active' })
    await tenancy.suspend('acme')
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'suspended' })
    await tenancy.resume('acme')
    await tenancy.provision('acme', { plan: 'pro' })
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'active', plan: 'pro' })
  })

  it('is bounded in time without anybody who listens', async () => {
    const tenancy = open({ lookups: { maxAge: 20 } })
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'active' })
    await world.tenancy().suspend('acme')
    await eventually(async () => (await tenancy.lookup('acme'))?.status === 'suspended')
  })

  it('hears of what others changed', async () => {
    const errors: Error[] = []
    const onListenError = (error: Error) => errors.push(error)
    const tenancy = open({ lookups: { ...LONG, listen: direct(), onListenError } })
    await tenancy.lookup('acme')
    await eventually(async () => (await listening()).length === 1)
    await tenancy.lookup('globex')
    await tenancy.lookup('acme')
    await world.tenancy().suspend('acme')
    await eventually(async () => (await tenancy.lookup('acme'))?.status === 'suspended')
    await tenancy.close()
    await eventually(async () => (await listening()).length === 0)
    // Closed is not lost: nobody is told, and no other is opened.
    expect(errors).toEqual([])
  })

  it('forgets what changed and keeps the others: ten changes a second do not empty it', async () => {
    const pool = world.pool()
    let asked = 0
    pool.on('acquire', () => asked++)
    const tenancy = open({ pool, lookups: { ...LONG, listen: direct() } })
    await tenancy.lookup('globex')
    await eventually(async () => (await listening()).length === 1)
    for (const key of ['acme', 'globex']) await tenancy.lookup(key)
    const before = asked
    await world.tenancy().suspend('acme')
    await eventually(async () => (await tenancy.lookup('acme'))?.status === 'suspended')
    const behind = asked
    expect(behind).toBeGreaterThan(before)
    expect((await tenancy.lookup('globex'))?.status).toBe('active')
    expect(asked).toBe(behind)
  })

  it('says that the listening connection was lost, opens another, and misses nothing', async () => {
    const errors: Error[] = []
    const onListenError = (error: Error) => errors.push(error)
    const tenancy = open({ lookups: { ...LONG, listen: direct(), onListenError } })
    await tenancy.lookup('acme')
    await eventually(async () => (await listening()).length === 1)
    await tenancy.lookup('acme')
    const [pid] = await listening()
    await world.root.query('select pg_terminate_backend($1)', [pid])
    // While nobody listens.
    await world.tenancy().suspend('acme')
    await eventually(async () => (await tenancy.lookup('acme'))?.status === 'suspended')
    await eventually(() => errors.length === 1)
    await eventually(async () => (await listening()).some((other) => other !== pid))
    await world.tenancy().resume('acme')
    await tenancy.lookup('acme')
    await world.tenancy().suspend('acme')
    await eventually(async () => (await tenancy.lookup('acme'))?.status === 'suspended')
    expect(errors).toHaveLength(1)
  })

  it('goes on trying when the connection cannot be made, and look-ups work', async () => {
    const errors: Error[] = []
    const onListenError = (error: Error) => errors.push(error)
    const listen = { connectionString: 'postgres://x@127.0.0.1:1/x' }
    const tenancy = open({ lookups: { listen, onListenError } })
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'active' })
    await eventually(() => errors.length >= 2)
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'active' })
  })

  it.skipIf(!hasPgBouncer())(
    'says when it listens through a pooler, where nothing is heard, and does not try again',
    async () => {
      const app = new URL(world.appUrl)
      const users = { [app.username]: app.password }
      const bouncer = await startPgBouncer({ url: world.url, users, poolSize: 2 })
      const errors: Error[] = []
      const timers = vi.spyOn(globalThis, 'setTimeout')
      const url = new URL(bouncer.url)
      url.username = app.username
      url.password = app.password
      const tenancy = open({
        lookups: {
          ...LONG,
          listen: { connectionString: url.href },
          onListenError: (error) => errors.push(error),
        },
      })
      try {
        await tenancy.lookup('acme')
        await eventually(() => errors.length === 1)
        expect(errors[0]).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'lookups.listen' } })
        // The first pause before another attempt: nobody waits for one.
        expect(timers.mock.calls.filter(([, ms]) => ms === 100)).toEqual([])
      } finally {
        timers.mockRestore()
        await tenancy.close()
        await bouncer.stop()
      }
    },
  )

  it('keeps no answer that was asked for before a change was heard', async () => {
    const gate = Promise.withResolvers<void>()
    const pool = world.pool({ max: 2 })
    const slow = {
      on: pool.on.bind(pool),
      connect: async () => {
        const client = await pool.connect()
        const query = client.query.bind(client)
        return Object.assign(Object.create(client) as pg.PoolClient, {
          release: (destroy?: boolean) => client.release(destroy),
          query: (one: string | { handleReadyForQuery(connection: unknown): void }, values?: unknown[]) => {
            if (typeof one === 'string') return query(one, values)
            const ready = one.handleReadyForQuery.bind(one)
            one.handleReadyForQuery = (connection) => void gate.promise.then(() => ready(connection))
            return query(one as never)
          },
        })
      },
    }
    const tenancy = open({ pool: slow as never, adminPool: world.admin, lookups: LONG })
    const stale = tenancy.lookup('acme')
    await world.tenancy().suspend('acme')
    await tenancy.suspend('acme')
    gate.resolve()
    await stale
    expect(await tenancy.lookup('acme')).toMatchObject({ status: 'suspended' })
  })

  it.each([
    [{ maxAge: -1 }],
    [{ maxAge: 60_001 }],
    [{ max: 0 }],
    [{ listen: 'postgres://' as never }],
    [{ onListenError: 1 as never }],
    [null as never],
  ])('refuses %j', (lookups) => {
    expect(() => world.tenancy({ lookups })).toThrowError(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})
