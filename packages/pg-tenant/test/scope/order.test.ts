import type pg from 'pg'
import { expect, it } from 'vitest'
import { codeOf, useWorld } from '../support/world.ts'

// pg queues a second query on a busy client today and refuses it from version 9 on. The library keeps its own order,
// also where a scope ends while something of it is still running.

const world = useWorld(['acme'])

/** A pool that counts the queries its clients were given while they were busy. */
function watched(): { pool: pg.Pool; busy: () => number } {
  let busy = 0
  const pool = world.pool({ max: 1 })
  pool.on('connect', (client) => {
    const { query } = client
    client.query = (...args: unknown[]) => {
      if (!(client as { readyForQuery?: boolean }).readyForQuery) busy++
      return Reflect.apply(query, client, args)
    }
  })
  return { pool, busy: () => busy }
}

it('rolls back only when what is running has been answered', async () => {
  const { pool, busy } = watched()
  const failing = world.tenancy({ pool }).withTenant('acme', async (db) => {
    await db.query('select 1')
    db.query('select pg_sleep(0.1)').catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    throw new TypeError('mine')
  })
  await expect(failing).rejects.toThrow('mine')
  expect(busy()).toBe(0)
})

it('does not roll back behind a COPY that nobody finished: its connection goes', async () => {
  const { pool, busy } = watched()
  const unfinished = world.tenancy({ pool }).withTenant('acme', async (db) => {
    const stream = await db.copyFrom('copy notes (body) from stdin')
    stream.on('error', () => {})
    stream.write('unfinished\n')
  })
  expect(await codeOf(unfinished)).toBe('QUERY_NOT_AWAITED')
  expect(busy()).toBe(0)
})

it('would notice', async () => {
  const { pool, busy } = watched()
  const client = await pool.connect()
  await Promise.all([client.query('select 1'), client.query('select 2')])
  client.release()
  expect(busy()).toBe(1)
})
