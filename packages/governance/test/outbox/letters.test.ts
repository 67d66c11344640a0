import type { TenantDb } from '@org/pg-tenant'
import { afterEach, expect, it } from 'vitest'
import { type EventMap, forgetEvents, outboxControl } from '../../src/outbox/index.ts'
import { createWorker, GiveUp } from '../../src/outbox/worker/index.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'

const there = useOutbox('role', {
  onForget: (control, tenant) => forgetEvents(control, tenant),
})
const letters = () => outboxControl(there.control)
const drain = (fails: boolean) =>
  createWorker<EventMap, TenantDb>({
    control: there.control,
    tenants: there.tenancy,
    handlers: {
      '*': async () => {
        if (fails) throw new GiveUp('HTTP_410')
      },
    },
  }).drain()
const publish = (tenant: typeof acme, type: string, n = 1) =>
  there.tenancy.withTenant(tenant, (db) =>
    there.events.publishAll(
      db,
      Array.from({ length: n }, (_, i) => ({ type, payload: { i } })),
    ),
  )

afterEach(async () => {
  await there.control.query(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
})

it('dead letters are listed in pages, without data unless it is asked for', async () => {
  await publish(acme, 'a.b', 3)
  await publish(globex, 'c.d', 2)
  await drain(true)
  const all = await letters().list()
  expect(all).toHaveLength(5)
  expect(all[0]).not.toHaveProperty('payload')
  const [first, second] = await letters().list({ tenant: 'acme', limit: 2, payload: true })
  expect(first).toMatchObject({
    tenant: 'acme',
    type: 'a.b',
    reason: 'HTTP_410',
    attempts: 1,
    payload: { i: expect.any(Number) },
  })
  const rest = await letters().list({ tenant: 'acme', limit: 2, before: String(second?.no) })
  expect(rest).toHaveLength(1)
  expect(await letters().list({ type: 'c.d', reason: 'HTTP_410' })).toHaveLength(2)
})

it('are driven again with all attempts before them, or discarded; never all by accident', async () => {
  const ids = await publish(acme, 'a.b', 3)
  await publish(globex, 'a.b', 1)
  await drain(true)
  const [newest] = await letters().list({ tenant: 'acme' })
  expect(await letters().discard({ numbers: [String(newest?.no)] })).toBe(1)
  expect(await letters().redrive({ tenant: 'acme' })).toBe(2)
  expect((await drain(false)).done).toBe(2)
  expect(await letters().list({ tenant: 'acme' })).toEqual([])
  expect(await letters().list()).toHaveLength(1)
  expect(ids).toHaveLength(3)
  for (const [filter, field] of [
    [{}, 'filter'],
    [{ type: 'Not A Type' }, 'type'],
    [{ numbers: ['x'] }, 'numbers'],
    [{ tenant: 'x'.repeat(101) }, 'tenant'],
  ] as const) {
    await expect(letters().discard(filter)).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field },
    })
  }
  await expect(letters().list({ limit: 0 })).rejects.toMatchObject({ details: { field: 'limit' } })
  await expect(letters().list({ before: 'x' })).rejects.toMatchObject({ details: { field: 'before' } })
})

it('gauges count what is ready, in hand, waiting, dead and stuck', async () => {
  await publish(acme, 'a.b', 3)
  expect(await letters().gauges()).toMatchObject({ ready: 3, handling: 0, dead: 0, stuck: 0 })
  await there.control.query('select * from governance.outbox_take(2, 45, 5, true)')
  const gauges = await letters().gauges()
  expect(gauges).toMatchObject({ ready: 1, handling: 2 })
  expect(gauges.lag).toBeGreaterThan(0)
  const { root } = there.setting.world
  await root.query(
    `update governance.outbox_lease set expires_at = clock_timestamp() - interval '2 minutes' where not over`,
  )
  expect(await letters().gauges()).toMatchObject({ stuck: 1 })
})

it('what was under way when the queue was last filled is ready once it is committed', async () => {
  await publish(acme, 'a.b')
  await drain(false)
  await there.tenancy.withTenant(acme, async (db) => {
    await there.events.publish(db, 'a.b', {})
    await db.query('select 1')
    await publish(acme, 'a.b')
    await drain(false)
  })
  expect(await letters().gauges()).toMatchObject({ ready: 2, handling: 0 })
})

it('a tenant that is dropped is forgotten in the same transaction, and its key tells a new owner nothing', async () => {
  await publish(globex, 'a.b', 2)
  await there.tenancy.drop(globex)
  await there.tenancy.provision(globex, { reuseDeletedKey: true })
  expect((await drain(false)).taken).toBe(0)
})
