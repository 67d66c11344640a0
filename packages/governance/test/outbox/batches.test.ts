import { TenancyError } from '@org/core'
import { expect, it } from 'vitest'
import { batchesOf } from '../../src/outbox/worker/batches.ts'
import { type BatchedStatement, createWorker } from '../../src/outbox/worker/index.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { codeOf } from '../support/world.ts'

const there = useOutbox('role')
/** Fails for an entry that is no number. */
const NOTED: BatchedStatement = {
  text: `insert into notes (body) select e::integer::text from jsonb_array_elements_text($1::jsonb) e`,
  access: 'write',
}
const READ: BatchedStatement = {
  text: `select (place - 1)::integer as n, body from jsonb_array_elements_text($1::jsonb) with ordinality e(asked, place)
    join notes on body = e.asked`,
  access: 'read',
}
const notes = async (tenant = acme) =>
  (
    await there.tenancy.query<{ body: string; xid: string }>(
      tenant,
      'select body, xmin::text as xid from notes',
    )
  ).rows
const ours = async () => Date.now() + 60_000
const lost = async () => {
  throw new TenancyError('CONFLICT', 'lost', { details: { reason: 'lease_lost' } })
}
/** Of so many events that are in hand. */
const batches = (inHand: number) =>
  batchesOf(
    there.tenancy,
    () => {},
    () => inHand,
  )

it('what events of a tenant write goes together, and what cannot be written fails alone', async () => {
  await there.tenancy.withTenant(acme, (db) =>
    there.events.publishAll(
      db,
      Array.from({ length: 20 }, (_, n) => ({ type: 'a', payload: n === 7 ? 'none' : n })),
    ),
  )
  const worker = createWorker({
    control: there.control,
    tenants: there.tenancy,
    concurrency: 40,
    retry: { retries: 0, delays: [0] },
    handlers: { a: ({ payload }, { batched }) => batched(NOTED, payload) },
  })
  expect(await worker.drain()).toMatchObject({ done: 19, dead: 1 })
  const made = await notes()
  expect(made.map(({ body }) => Number(body)).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 20 }, (_, n) => n).filter((n) => n !== 7),
  )
  expect(new Set(made.map(({ xid }) => xid)).size).toBeLessThan(10)
})

it('of an event that is somebody else’s by now nothing is written, before it goes and in front of COMMIT; of others all', async () => {
  const three = batches(3)
  let asked = 0
  const lostLater = async () => {
    asked += 1
    return asked < 3 ? await ours() : await lost()
  }
  const results = await Promise.allSettled([
    three.add(acme, NOTED, 101, ours),
    three.add(acme, NOTED, 102, lost),
    three.add(acme, NOTED, 103, lostLater),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
  expect(asked).toBeGreaterThan(2)
  const made = (await notes()).map(({ body }) => body).filter((body) => body.length === 3)
  expect(made).toEqual(['101'])
})

it('a deadline that is over by the clock of the database undoes what goes with it, and the rest is done', async () => {
  const two = batches(2)
  const over = async () => Date.now() - 60_000
  const results = await Promise.allSettled([
    two.add(globex, NOTED, 201, ours),
    two.add(globex, NOTED, 202, over),
  ])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  expect((await notes(globex)).map(({ body }) => body)).toEqual(['201'])
})

it('a tenant whose tables are locked keeps its own waiting', async () => {
  const two = batches(1)
  const [locked, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const holder = there.tenancy.withTenant(acme, async (db) => {
    await db.query('lock table notes')
    locked.resolve()
    await release.promise
  })
  await locked.promise
  let waited = true
  const own = two.add(acme, NOTED, 301, ours).finally(() => {
    waited = false
  })
  await two.add(globex, NOTED, 302, ours)
  expect(waited).toBe(true)
  release.resolve()
  await Promise.all([holder, own])
})

it('each gets the row that was read for it, or none', async () => {
  const three = batches(3)
  await there.tenancy.query(acme, `insert into notes (body) values ('x'), ('y')`)
  const rows = await Promise.all(['y', 'none', 'x'].map((asked) => three.add(acme, READ, asked, ours)))
  expect(rows.map((row) => (row as { body: string } | undefined)?.body)).toEqual(['y', undefined, 'x'])
})

it('where there is no scope nobody is tried one by one', async () => {
  let scopes = 0
  const none = batchesOf(
    {
      withTenant: async () => {
        scopes += 1
        throw new TenancyError('TENANT_SUSPENDED', 'suspended')
      },
    },
    () => {},
    () => 2,
  )
  const codes = await Promise.all([1, 2].map((n) => codeOf(none.add(acme, NOTED, n, ours))))
  expect(codes).toEqual(['TENANT_SUSPENDED', 'TENANT_SUSPENDED'])
  expect(scopes).toBe(1)
})

it('an entry that JSON has no word for is null', async () => {
  const nothing = batches(1).add(acme, READ, undefined, ours)
  expect(await nothing).toBeUndefined()
})
