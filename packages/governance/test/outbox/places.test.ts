import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createWorker } from '../../src/outbox/worker/index.ts'
import { placesOf } from '../../src/outbox/worker/places.ts'
import type { Taken } from '../../src/outbox/worker/queue.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')
const eventOf = (tenant: string): Taken => ({
  lease: '1',
  token: '1',
  seq: '1',
  id: '1',
  tenant,
  type: 'a',
  payload: null,
  key: null,
  trace: null,
  attempt: 1,
  published_at: new Date(0),
  solo: false,
  now: 0,
})

it('of any number of tenants, whoever does not hang finds a place, and all that wait have their turn', async () => {
  const few = fc.nat({ max: 2 })
  const hanging = fc.nat({ max: 30 }).map((n) => 2 * n)
  const step = (tenant: fc.Arbitrary<number>) =>
    fc.record({ ends: fc.nat({ max: 4 }).map((n) => n === 0), tenant })
  const steps = fc.oneof(
    ...[few, hanging, fc.oneof(hanging, fc.nat({ max: 60 }))].map((tenant) =>
      fc.array(step(tenant), { minLength: 20, maxLength: 120 }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 40 }), steps, async (most, sequence) => {
      const running: { tenant: string; end: () => void }[] = []
      const hangs = (tenant: string) => Number(tenant) % 2 === 0
      const places = placesOf(
        most,
        ({ tenant }) => {
          const { promise, resolve } = Promise.withResolvers<void>()
          running.push({ tenant, end: resolve })
          return promise
        },
        hangs,
      )
      let [given, ended] = [0, 0]
      const end = async () => {
        running.shift()?.end()
        ended += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
      for (const { ends, tenant } of sequence) {
        if (ends && running.length > 0) await end()
        else {
          const [free, before] = [places.free, running.length]
          if (places.begin(eventOf(String(tenant)))) given += 1
          const mine = running.filter((one) => one.tenant === String(tenant)).length
          if (free > 0 && mine <= 1 && !hangs(String(tenant))) expect(mine).toBe(1)
          // Whoever began left others as many as it has, but for itself.
          if (running.length > before) expect(mine - 1).toBeLessThan(free)
        }
        expect(running.length).toBe(most - places.free)
        expect(running.filter((one) => hangs(one.tenant)).length).toBeLessThanOrEqual(
          most - Math.ceil(most / 4),
        )
      }
      while (running.length > 0) await end()
      expect(ended).toBe(given)
      expect([places.free, places.crowded]).toEqual([most, false])
    }),
    { numRuns: 60 },
  )
})

it('tenants whose handlers hang leave places to others, several together too', { tags: 'slow' }, async () => {
  await there.tenancy.provision('initech')
  const { promise, resolve: release } = Promise.withResolvers<void>()
  const begun: string[] = []
  const publish = (tenant: string, count: number) =>
    there.tenancy.withTenant(tenant, (db) =>
      there.events.publishAll(
        db,
        Array.from({ length: count }, () => ({ type: 'a', payload: 1 })),
      ),
    )
  for (const tenant of [acme, globex]) await publish(tenant, 20)
  const worker = createWorker({
    control: there.control,
    tenants: there.tenancy,
    concurrency: 8,
    perTenant: 8,
    pollInterval: 20,
    handlers: {
      a: async ({ tenant }) => {
        begun.push(tenant)
        if (tenant !== 'initech') await promise
      },
    },
  })
  worker.start()
  await eventually(() => begun.length >= 6)
  await publish('initech', 3)
  await eventually(() => begun.filter((tenant) => tenant === 'initech').length === 3)
  release()
  await eventually(() => begun.length === 43)
  await worker.stop()
})

it('an event that waits for its place is not handled by a worker that has lost it meanwhile', async () => {
  let cut = false
  const [woken, finished] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const handled: string[] = []
  const first = createWorker({
    control: {
      query: async (text, values) => {
        if (cut) await woken.promise
        return there.control.query(text, values as unknown[])
      },
    },
    tenants: there.tenancy,
    concurrency: 2,
    lease: 1_000,
    pollInterval: 20,
    handlers: {
      a: async ({ id }) => {
        handled.push(id)
        cut = true
        await finished.promise
      },
    },
  })
  await there.tenancy.withTenant(acme, (db) =>
    there.events.publishAll(
      db,
      [1, 2].map((payload) => ({ type: 'a', payload })),
    ),
  )
  first.start()
  await eventually(() => cut)
  const others: string[] = []
  const second = createWorker({
    control: there.control,
    tenants: there.tenancy,
    handlers: { a: async ({ id }) => others.push(id) },
  })
  await eventually(async () => {
    await second.drain()
    return others.length === 2
  })
  cut = false
  woken.resolve()
  finished.resolve()
  await eventually(() => first.counts.lost > 0 && first.counts.handling === 0)
  expect(handled).toHaveLength(1)
  await first.stop()
})
