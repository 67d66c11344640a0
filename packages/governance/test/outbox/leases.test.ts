import type { TenantDb } from '@org/pg-tenant'
import { hasPgBouncer, startPgBouncer } from '@org/pg-testing'
import pg from 'pg'
import { afterEach, expect, it, onTestFinished, vi } from 'vitest'
import type { EventMap } from '../../src/outbox/index.ts'
import { createWorker, type HandlerContext, type WorkerOptions } from '../../src/outbox/worker/index.ts'
import type { TenantScopes } from '../../src/tenants/scopes.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { eventually } from '../support/world.ts'

const there = useOutbox('role')
const root = () => there.setting.world.root
const make = (options: Partial<WorkerOptions<EventMap, TenantDb>>) => {
  const worker = createWorker<EventMap, TenantDb>({
    control: there.control,
    tenants: there.tenancy,
    handlers: {},
    pollInterval: 20,
    retry: { retries: 3, delays: [0] },
    ...options,
  })
  onTestFinished(() => worker.stop())
  return worker
}
const publish = (tenant: string, type: string, payload: unknown = 1, options = {}) =>
  there.tenancy.withTenant(tenant, (db) => there.events.publish(db, type, payload, options))
/** As if the lease had been taken that long ago. */
const expire = () =>
  root().query(
    `update governance.outbox_lease set expires_at = clock_timestamp() - interval '1 s' where not over`,
  )

afterEach(async () => {
  await there.control.query(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
})

it('of two who hold the same event one after the other, only the second one says how it ended', async () => {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  let begun = false
  const first = make({
    concurrency: 1,
    handlers: {
      a: async () => {
        begun = true
        await finished
        throw new Error('failed, but late')
      },
    },
  })
  await publish(acme, 'a')
  first.start()
  await eventually(() => begun)
  await expire()
  const attempts: number[] = []
  const second = make({ handlers: { a: async ({ attempt }) => attempts.push(attempt) } })
  await eventually(async () => {
    await second.drain()
    return attempts.length === 1
  })
  finish()
  await eventually(() => first.counts.lost === 1)
  expect(attempts).toEqual([2])
  const { rows } = await root().query(
    `select from governance.outbox_dead union all select from governance.outbox where attempts > 1`,
  )
  expect(rows).toEqual([])
})

/** A worker that stands still while it handles an event, until another has taken it over. */
async function overtaken(
  handler: (stands: () => Promise<void>, context: HandlerContext<TenantDb>) => Promise<unknown>,
  scopes = there.tenancy as TenantScopes<TenantDb>,
) {
  const [begun, woken, ended] = [1, 2, 3].map(() => Promise.withResolvers<unknown>()) as [Gate, Gate, Gate]
  let still = false
  const first = make({
    lease: 1_000,
    concurrency: 1,
    tenants: scopes,
    control: {
      query: async (text, values) => {
        if (still) await woken.promise
        return there.control.query(text, values as unknown[])
      },
    },
    handlers: {
      a: async (_, context) => {
        const stands = async () => {
          still = true
          begun.resolve(undefined)
          await woken.promise
          still = false
        }
        const made = handler(stands, context)
        made.then(ended.resolve, ended.resolve)
        return made
      },
    },
  })
  await publish(acme, 'a')
  first.start()
  await begun.promise
  let done = 0
  const second = make({ handlers: { a: async () => (done += 1) } })
  await eventually(async () => {
    await second.drain()
    return done === 1
  })
  woken.resolve(undefined)
  const ending = await ended.promise
  await eventually(() => first.counts.lost === 1)
  return ending
}
type Gate = PromiseWithResolvers<unknown>

it.each([
  ['before its scope', 'before'],
  ['in its scope', 'within'],
  ['in front of COMMIT', 'commit'],
  ['before an effect elsewhere', 'effect'],
])('a worker that stood still %s and was overtaken does nothing more', { tags: 'slow' }, async (_, where) => {
  const note = `${where} ${Math.random()}`
  let commit = async () => {}
  const scopes: TenantScopes<TenantDb> = {
    withTenant: (tenant, fn) =>
      there.tenancy.withTenant(tenant, async (db) => {
        const made = await fn(db)
        await commit()
        return made
      }),
  }
  let effects = 0
  const error = await overtaken(async (stands, { withTenant, requireLease }) => {
    if (where === 'before') await stands()
    if (where === 'commit') commit = stands
    if (where === 'effect') {
      await stands()
      await requireLease()
      effects += 1
    }
    await withTenant(async (db) => {
      await db.query('insert into notes (body) values ($1)', [note])
      if (where === 'within') await stands()
    })
  }, scopes)
  expect(error).toMatchObject({ code: 'CONFLICT', details: { reason: 'lease_lost' } })
  expect((await there.tenancy.query(acme, 'select from notes where body = $1', [note])).rows).toEqual([])
  expect(effects).toBe(0)
})

it('what is of nobody who could be a tenant is a dead letter, and not looked at for ever', async () => {
  await root().query(`insert into governance.outbox (tenant, type, payload) values ('A!', 'a', '1')`)
  const counts = await make({ handlers: { a: async () => {} } }).drain()
  expect(counts).toMatchObject({ dead: 1, postponed: 0 })
  await there.control.query(`select governance.outbox_forget('A!')`)
})

it('a handler that was given up on changes nothing any more', async () => {
  const [late, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<unknown>()]
  const worker = make({
    handlerTimeout: 1,
    handlers: {
      a: async (_, { withTenant }) => {
        await late.promise
        await withTenant((db) => db.query("insert into notes (body) values ('late')")).then(
          ended.resolve,
          ended.resolve,
        )
      },
    },
  })
  await publish(acme, 'a')
  worker.start()
  await eventually(() => worker.counts.retried > 0)
  late.resolve()
  expect(await ended.promise).toMatchObject({ code: 'CONFLICT' })
  expect((await there.tenancy.query(acme, "select from notes where body = 'late'")).rows).toEqual([])
})

it('a handler that takes longer than a lease keeps it, and is not disturbed', { tags: 'slow' }, async () => {
  let runs = 0
  // As long as the machine may stand still between two renewals, twice over.
  const options = {
    lease: 4_000,
    handlers: {
      a: async () => {
        runs += 1
        await eventually(async () => {
          const { rows } = await root().query(
            `select from governance.outbox_lease where not over and clock_timestamp() > taken_at + interval '5 s'`,
          )
          return rows.length === 1
        })
      },
    },
  }
  await publish(acme, 'a')
  const [one, two] = [make(options), make(options)]
  one.start()
  two.start()
  await eventually(() => one.counts.done + two.counts.done === 1)
  expect([runs, one.counts.lost + two.counts.lost]).toEqual([1, 0])
})

it('whose lease was lost is told by the signal', async () => {
  let told = false
  const worker = make({
    lease: 1_000,
    handlers: {
      a: (_, { signal }) =>
        new Promise((resolve) =>
          signal.addEventListener('abort', () => {
            told = true
            resolve(undefined)
          }),
        ),
    },
  })
  await publish(acme, 'a')
  worker.start()
  await eventually(() => worker.counts.handling === 1)
  await root().query(`update governance.outbox_lease set token = gen_random_uuid() where not over`)
  await eventually(() => told)
  await root().query('update governance.outbox_lease set over = true')
})

it("the clock of the worker's machine says nothing", async () => {
  for (const now of ['1990-01-01', '2090-01-01']) {
    vi.useFakeTimers({ toFake: ['Date'], now: new Date(now) })
    try {
      let done = 0
      await publish(acme, 'a')
      await publish(acme, 'later', 1, { delay: 3_600_000 })
      await make({
        handlers: {
          a: async () => {
            done += 1
          },
          later: async () => {
            done += 100
          },
        },
      }).drain()
      expect(done).toBe(1)
    } finally {
      vi.useRealTimers()
      await there.control.query(`select governance.outbox_forget('acme')`)
    }
  }
})

it("the database's clock may be set back: nothing is lost, nothing is handled twice", async () => {
  // A tick of a later hour is what a clock that was ahead leaves behind.
  await root().query(
    `insert into governance.outbox_tick (snapshot, at) values (pg_current_snapshot(), now() + interval '1 hour')`,
  )
  const seen: unknown[] = []
  const handlers = { a: async ({ payload }: { payload: unknown }) => seen.push(payload) }
  await publish(acme, 'a', 'now')
  await publish(acme, 'a', 'soon', { delay: 1 })
  const worker = make({ handlers })
  worker.start()
  await eventually(() => seen.length === 2)
  expect(seen.toSorted()).toEqual(['now', 'soon'])
  await worker.stop()
  await root().query(`delete from governance.outbox_tick where at > now() + interval '1 minute'`)
  await root().query(
    `insert into governance.outbox_tick (snapshot, at) values (pg_current_snapshot(), now())`,
  )
})

it.skipIf(!hasPgBouncer())('works through PgBouncer in transaction mode', async () => {
  const { world } = there.setting
  const users = { [there.workerRole]: 'worker' }
  const bouncer = await startPgBouncer({ url: world.url, users, poolSize: 3 })
  const url = new URL(bouncer.url)
  url.username = there.workerRole
  url.password = 'worker'
  const pool = new pg.Pool({ connectionString: url.href, max: 4 })
  const seen: unknown[] = []
  await there.tenancy.withTenant(acme, (db) =>
    there.events.publishAll(
      db,
      Array.from({ length: 100 }, (_, n) => ({ type: 'a', payload: n })),
    ),
  )
  const handlers = { a: async ({ payload }: { payload: unknown }) => seen.push(payload) }
  await Promise.all([make({ control: pool, handlers }).drain(), make({ control: pool, handlers }).drain()])
  await eventually(() => seen.length === 100)
  expect(new Set(seen).size).toBe(100)
  await pool.end()
  await bouncer.stop()
})

it('stops gracefully: what is in hand is finished, what hears the signal is given back without an attempt', async () => {
  let finish = () => {}
  const finished = new Promise<void>((resolve) => (finish = resolve))
  const worker = make({
    handlers: {
      quick: () => finished,
      stubborn: (_, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(new Error('stopped'))),
        ),
    },
  })
  await publish(acme, 'quick')
  await publish(globex, 'stubborn')
  worker.start()
  await eventually(() => worker.counts.handling === 2)
  const stopped = worker.stop(50)
  finish()
  await stopped
  expect(worker.counts).toMatchObject({ done: 1, postponed: 1, handling: 0 })
  const seen: number[] = []
  const next = make({ handlers: { stubborn: async ({ attempt }) => seen.push(attempt) } })
  next.start()
  await eventually(() => seen.length === 1)
  expect(seen).toEqual([1])
})

it('a control pool that is gone for a while stops nothing for good', async () => {
  const problems: string[] = []
  let broken = true
  const seen: unknown[] = []
  const worker = make({
    control: {
      query: (text, values) =>
        broken
          ? Promise.reject(new Error('connect ECONNREFUSED'))
          : there.control.query(text, values as unknown[]),
    },
    handlers: { a: async ({ payload }) => seen.push(payload) },
    onProblem: ({ kind }) => problems.push(kind),
  })
  await publish(acme, 'a')
  worker.start()
  await eventually(() => problems.includes('queue'))
  broken = false
  worker.wake()
  await eventually(() => seen.length === 1)
})
