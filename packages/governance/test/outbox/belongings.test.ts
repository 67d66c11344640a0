import type { TenantDb } from '@org/pg-tenant'
import { afterEach, expect, it } from 'vitest'
import { type EventMap, outboxBelongings, outboxControl } from '../../src/outbox/index.ts'
import { createWorker, GiveUp } from '../../src/outbox/worker/index.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'

const there = useOutbox('role')

/** As it is asked: by the administrator, in a transaction of its own. */
async function waiting(tenant: typeof acme): Promise<number | undefined> {
  const client = await there.setting.world.admin.connect()
  try {
    await client.query('begin; set local search_path to pg_catalog, pg_temp')
    return (await outboxBelongings().stays?.(client, tenant))?.count
  } finally {
    await client.query('rollback')
    client.release()
  }
}

const publish = (n: number, more: { readonly key?: string; readonly delay?: number } = {}) =>
  there.tenancy.withTenant(acme, (db) =>
    there.events.publishAll(
      db,
      Array.from({ length: n }, (_, i) => ({ type: 'a.b', payload: { i }, ...more })),
    ),
  )
const worker = (handle: () => Promise<void>) =>
  createWorker<EventMap, TenantDb>({
    control: there.control,
    tenants: there.tenancy,
    handlers: { '*': handle },
  })
const sql = (text: string) => there.control.query(text)

afterEach(async () => {
  await sql(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
})

it('counts each event once wherever it waits, and none that is delivered', async () => {
  expect(await waiting(acme)).toBe(0)
  await publish(2)
  await publish(3, { key: 'one' })
  await publish(1, { delay: 3_600_000 })
  expect(await waiting(acme)).toBe(6)
  expect(await waiting(globex)).toBe(0)
  // In the queue, and behind the first of its key.
  await sql('select governance.outbox_dispatch()')
  expect(await waiting(acme)).toBe(6)
  // In somebody's hands, who is gone.
  await sql('select * from governance.outbox_take(2, 0.001, 5, false)')
  expect(await waiting(acme)).toBe(6)
  // What killed a worker, perhaps: alone.
  await sql(`select pg_sleep(0.01), governance.outbox_take_back(5)`)
  expect(await waiting(acme)).toBe(6)
  await sql('select governance.outbox_dispatch()')
  expect(await waiting(acme)).toBe(6)
  await worker(async () => {}).drain()
  // That which is not due.
  expect(await waiting(acme)).toBe(1)
})

it('counts what waits for its tenant, and dead letters until they are discarded', async () => {
  await publish(2)
  await publish(2, { key: 'one' })
  await there.tenancy.suspend(acme)
  await worker(async () => {}).drain()
  expect(await waiting(acme)).toBe(4)
  await there.tenancy.resume(acme)
  await sql(`select governance.outbox_resume('acme')`)
  expect(await waiting(acme)).toBe(4)
  await worker(async () => {
    throw new GiveUp('HTTP_410')
  }).drain()
  expect(await waiting(acme)).toBe(4)
  await outboxControl(there.control).discard({ tenant: 'acme' })
  expect(await waiting(acme)).toBe(0)
})

it('is told, and does not count none, where the administrator may not look', async () => {
  await publish(1)
  const { world } = there.setting
  await world.root.query(`grant usage on schema governance to ${world.appRole};
    grant select on all tables in schema governance to ${world.appRole}`)
  const client = await world.pool({ connectionString: world.appUrl, max: 1 }).connect()
  await client.query('begin; set local search_path to pg_catalog, pg_temp')
  await expect(outboxBelongings().stays?.(client, acme)).rejects.toMatchObject({ code: '42501' })
  await client.query('rollback')
  client.release()
})
