// @module-tag slow: a session ends at any statement; levels.test.ts has one that ends before, between and behind them, and a lease.
import type { TenantKey } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import { expect, it } from 'vitest'
import { IDEMPOTENCY_MIGRATION, idempotency } from '../../src/idempotency/index.ts'
import { acme, useLevel } from '../support/levels.ts'

const world = useLevel('role', async () => {}, [IDEMPOTENCY_MIGRATION])
/** Sessions that are ended; `TEST_FAULTS=all` ends a thousand. */
const KILLS = process.env.TEST_FAULTS === 'all' ? 1_000 : 60
const MOST_STEPS = 12

/** Scopes in which the session is ended in front of the `at`-th statement, queued ones included, from 1. */
function dyingAt(at: number) {
  const steps = { n: 0 }
  const step = async (db: TenantDb) => {
    if (++steps.n !== at) return
    const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid')
    await world.root(acme).query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
  }
  const scopes = {
    withTenant: <T>(key: string, fn: (db: TenantDb) => Promise<T>) =>
      world.tenancy.withTenant(key, (db) =>
        fn({
          ...db,
          tenant: db.tenant,
          query: (async (text: string, values?: readonly unknown[]) => {
            await step(db)
            return db.query(text, values)
          }) as TenantDb['query'],
          queue: async (query, values) => {
            await step(db)
            return db.queue(query, values)
          },
        }),
      ),
  }
  return { scopes, steps }
}

const requestOf = (key: string) => ({
  tenant: acme as TenantKey,
  principal: 'user:1',
  handler: 'notes.create',
  key,
  fingerprint: { method: 'POST', url: '/v1/notes', body: {} },
})
const effects = async (key: string) =>
  (await world.tenancy.query(acme, 'select from notes where body = $1', [key])).rowCount
const add = (key: string) => async (db: { query(text: string, values: unknown[]): Promise<unknown> }) => {
  await db.query('insert into notes (body) values ($1)', [key])
  return `made ${key}`
}

it('a session that ends at any statement leaves no key stuck, and the repetition has one effect', async () => {
  let reached = 0
  for (let n = 0; n < KILLS; n++) {
    const { scopes, steps } = dyingAt(1 + (n % MOST_STEPS))
    const [key, sealing] = [`once-${n}`, world.setting.sealing]
    const first = await idempotency({ scopes, sealing })
      .once(requestOf(key), add(key))
      .then(
        () => 'done',
        (error: { code?: unknown }) => error.code,
      )
    reached = Math.max(reached, steps.n)
    expect(['CONNECTION_LOST', 'UNKNOWN_OUTCOME', 'done']).toContain(first)
    const again = await idempotency({ scopes: world.tenancy, sealing, wait: 5_000 }).once(
      requestOf(key),
      add(key),
    )
    expect([again.answer, await effects(key)]).toEqual([`made ${key}`, 1])
  }
  expect(reached).toBeGreaterThanOrEqual(3)
  const stuck = await world.tenancy.query(acme, 'select from idempotency_key where answer is null')
  expect(stuck.rowCount).toBe(0)
})

it('with a lease: whoever comes when it has run out goes on, under the same key for the outside', async () => {
  for (let n = 0; n < KILLS / 2; n++) {
    const { scopes } = dyingAt(1 + (n % MOST_STEPS))
    const [key, sealing] = [`leased-${n}`, world.setting.sealing]
    const paid = new Set<string>()
    const pay = async (lease: { key: string }) => void paid.add(lease.key)
    await idempotency({ scopes, sealing, lease: 30 })
      .leased(requestOf(key), pay, add(key))
      .catch(() => {})
    // As time passes.
    await world.tenancy.query(
      acme,
      `update idempotency_key set leased_until = now() - interval '1 s' where key = $1 and answer is null`,
      [key],
    )
    const again = await idempotency({ scopes: world.tenancy, sealing, wait: 5_000 }).leased(
      requestOf(key),
      pay,
      add(key),
    )
    expect([again.answer, await effects(key), paid.size]).toEqual([`made ${key}`, 1, 1])
  }
})
