// @module-tag sampled
import type { TenantKey } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import { afterEach, describe, expect, it } from 'vitest'
import type { EventMap } from '../../src/outbox/index.ts'
import {
  createWorker,
  GiveUp,
  type Handlers,
  Postpone,
  RetryLater,
  type Worker,
  type WorkerOptions,
  type WorkerProblem,
} from '../../src/outbox/worker/index.ts'
import { levelsInTurn } from '../support/levels.ts'
import { acme, globex, useOutbox } from '../support/outbox-world.ts'
import { codeOf, eventually } from '../support/world.ts'

const NOW = { retries: 5, delays: [0] }

describe.each(levelsInTurn('role'))('level %s', (level) => {
  const there = useOutbox(level)
  const workers: Worker[] = []
  const worker = (
    handlers: Handlers<EventMap, TenantDb>,
    options: Partial<WorkerOptions<EventMap, TenantDb>> = {},
  ) => {
    const made = createWorker<EventMap, TenantDb>({
      control: there.control,
      tenants: there.tenancy,
      handlers,
      retry: NOW,
      pollInterval: 20,
      relayFrom: level === 'database' ? `${there.setting.world.rolePrefix}${level}_` : undefined,
      ...options,
    })
    workers.push(made)
    return made
  }
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((one) => one.stop()))
    await there.control.query(`select governance.outbox_forget('acme'), governance.outbox_forget('globex')`)
  })
  const publish = async (tenant: TenantKey, type: string, payload: unknown, options = {}) => {
    const id = await there.tenancy.withTenant(tenant, (db) =>
      there.events.publish(db, type, payload, options),
    )
    if (level === 'database') await there.events.hint(there.setting.world.pool(), tenant)
    return id
  }
  const dead = async () =>
    (
      await there.control.query(
        'select tenant, type, reason, attempts from governance.outbox_dead order by no',
      )
    ).rows

  it('hands each event to its handler, in a scope of its tenant', async () => {
    const seen: unknown[] = []
    const id = await publish(acme, 'note.wanted', { body: 'hello' })
    await publish(globex, 'note.wanted', { body: 'hello' })
    await worker({
      'note.wanted': async (event, { withTenant, idempotencyKey }) => {
        const { body } = event.payload as { body: string }
        if (level === 'row') {
          await withTenant((db) =>
            db.query('insert into notes (tenant_id, body) values ($1, $2)', [db.tenant, body]),
          )
        } else await withTenant((db) => db.query('insert into notes (body) values ($1)', [body]))
        seen.push([event.tenant, event.attempt, idempotencyKey])
      },
    }).drain()
    expect(seen).toContainEqual(['acme', 1, `acme:${id}`])
    expect(seen).toHaveLength(2)
    for (const tenant of [acme, globex]) {
      expect((await there.tenancy.query(tenant, 'select body from notes')).rows).toEqual([{ body: 'hello' }])
      await there.tenancy.query(tenant, 'delete from notes')
    }
  })

  it('retries as the policy says, then keeps a dead letter without data, whatever a log does that is told', async () => {
    const problems: WorkerProblem[] = []
    const attempts: number[] = []
    await publish(acme, 'note.bad', { secret: 'x' })
    const one = worker(
      {
        'note.bad': async ({ attempt }) => {
          attempts.push(attempt)
          throw new TypeError('holds secret data')
        },
      },
      {
        retry: { retries: 2, delays: [0] },
        onProblem: (problem) => {
          problems.push(problem)
          throw new Error('the log is full')
        },
      },
    )
    one.start()
    await eventually(async () => (await dead()).length === 1)
    expect(attempts).toEqual([1, 2, 3])
    expect(await dead()).toEqual([{ tenant: 'acme', type: 'note.bad', reason: 'TypeError', attempts: 3 }])
    expect(problems.map(({ kind, attempt }) => [kind, attempt])).toEqual([
      ['handler', 1],
      ['handler', 2],
      ['dead', 3],
    ])
  })

  it('gives up at once, later, or without an attempt, as the handler says', async () => {
    const seen: string[] = []
    let postponed = false
    await publish(acme, 'a.give_up', 1)
    await publish(acme, 'a.later', 1)
    await publish(acme, 'a.postponed', 1)
    await publish(acme, 'a.unknown', 1)
    const one = worker(
      {
        'a.give_up': async () => {
          throw new GiveUp('410')
        },
        'a.later': async ({ attempt }) => {
          seen.push(`later ${attempt}`)
          if (attempt === 1) throw new RetryLater(1)
        },
        'a.postponed': async ({ attempt }) => {
          seen.push(`postponed ${attempt}`)
          if (!postponed) {
            postponed = true
            throw new Postpone(1)
          }
        },
      },
      { retry: { retries: 0, delays: [0] } },
    )
    one.start()
    await eventually(() => one.counts.done === 1)
    await eventually(async () => (await dead()).length === 3)
    expect((await dead()).map(({ reason }) => reason).toSorted()).toEqual([
      '410',
      'NO_HANDLER',
      'RETRY_LATER',
    ])
    expect(seen.toSorted()).toEqual(['later 1', 'postponed 1', 'postponed 1'])
  })

  it('keeps the order of a key, through retries and deaths, and lets others pass', async () => {
    const seen: unknown[] = []
    for (const n of [1, 2, 3, 4]) await publish(acme, 'a', n, { key: 'doc-1' })
    await publish(acme, 'a', 'other', { key: 'doc-2' })
    await publish(globex, 'a', 'theirs', { key: 'doc-1' })
    const one = worker({
      a: async ({ payload, attempt }) => {
        if (payload === 2 && attempt < 3) throw new Error('not yet')
        if (payload === 3) throw new GiveUp('never')
        seen.push(payload)
      },
    })
    one.start()
    await eventually(() => one.counts.done === 5)
    expect(seen.filter((payload) => typeof payload === 'number')).toEqual([1, 2, 4])
    expect(seen).toContain('other')
    expect(seen).toContain('theirs')
    await eventually(async () => {
      const { rows } = await there.control.query('select from governance.outbox_ordered')
      return rows.length === 0
    })
  })

  it("a suspended tenant's events wait, also what was taken already, and come when it is back", async () => {
    const seen: unknown[] = []
    const one = worker({
      a: async (event, { withTenant }) => withTenant(async () => seen.push(event.payload)),
    })
    await publish(acme, 'a', 1)
    await there.tenancy.suspend(acme)
    await publish(globex, 'a', 2)
    one.start()
    // At level database what was published stays in the tenant's own, until it is back.
    const held = level === 'database' ? 0 : 1
    await eventually(() => one.counts.held === held && one.counts.done === 1)
    expect(seen).toEqual([2])
    await one.stop()
    await there.tenancy.resume(acme)
    await there.control.query(`select governance.outbox_resume('acme')`)
    // What it knew of the tenant is two seconds old at most: a worker of its own knows nothing.
    const next = worker({
      a: async (event, { withTenant }) => withTenant(async () => seen.push(event.payload)),
    })
    await next.drain()
    expect(seen).toEqual([2, 1])
  })

  it('what takes too long has failed, and is told', async () => {
    let told = false
    await publish(acme, 'a', 1)
    const one = worker(
      {
        a: (_, { signal }) =>
          new Promise((_resolve) => {
            signal.addEventListener('abort', () => {
              told = true
            })
          }),
      },
      { handlerTimeout: 30, retry: { retries: 0, delays: [0] } },
    )
    await one.drain()
    expect(told).toBe(true)
    expect((await dead()).map(({ reason }) => reason)).toEqual(['TIMEOUT'])
  })

  it('a tenant whose handlers hang, or whose SQL keeps them waiting, never has all places', async () => {
    const { promise, resolve: release } = Promise.withResolvers<void>()
    const begun: string[] = []
    const hangs = async ({ tenant }: { tenant: string }) => {
      begun.push(tenant)
      if (tenant === 'acme') await promise
    }
    for (let n = 0; n < 12; n += 1) await publish(acme, 'a', n)
    // What is known of who is slow would stop it too, later.
    const made = worker({ a: hangs }, { concurrency: 4, perTenant: 4 })
    made.start()
    await eventually(() => begun.length === 2)
    await publish(globex, 'a', 'meanwhile')
    await eventually(() => begun.includes('globex'))
    release()
    await eventually(() => begun.length === 13)
    expect(begun.slice(0, 3)).toEqual(['acme', 'acme', 'globex'])
  })

  it('two workers share the work and do nothing twice', async () => {
    const seen: string[] = []
    const handlers = { a: async (event: { id: string }) => seen.push(event.id) }
    const many = Array.from({ length: 500 }, (_, n) => ({ type: 'a', payload: n }))
    await there.tenancy.withTenant(acme, (db) => there.events.publishAll(db, many))
    await there.tenancy.withTenant(globex, (db) => there.events.publishAll(db, many))
    await Promise.all([worker(handlers).drain(), worker(handlers).drain()])
    await eventually(() => seen.length >= 1_000)
    expect(new Set(seen).size).toBe(1_000)
    expect(seen).toHaveLength(1_000)
  })
})

describe('options', () => {
  const there = useOutbox('role')
  it('are checked before anything runs', async () => {
    const fine = { control: there.control, tenants: there.tenancy, handlers: {} }
    const refused: [object, string][] = [
      [{ control: undefined }, 'control'],
      [{ tenants: {} }, 'tenants'],
      [{ handlers: { 'No Type': async () => {} } }, 'handlers'],
      [{ concurrency: 0 }, 'concurrency'],
      [{ concurrency: 1.5 }, 'concurrency'],
      [{ perTenant: 11 }, 'perTenant'],
      [{ lease: 10 }, 'lease'],
      [{ handlerTimeout: -1 }, 'handlerTimeout'],
      [{ pollInterval: 0 }, 'pollInterval'],
      [{ retry: 'nonsense' }, 'retry'],
      [{ retry: { retries: -1, delays: [1] } }, 'retry.retries'],
      [{ retry: { retries: 1, delays: [] } }, 'retry.delays'],
      [{ controlSchema: 'pg_x' }, 'controlSchema'],
      [{ jobs: [] }, 'jobs'],
      [{ jobs: null }, 'jobs'],
    ]
    for (const [wrong, option] of refused) {
      const make = async () => createWorker({ ...fine, ...wrong } as WorkerOptions<EventMap, TenantDb>)
      await expect(make()).rejects.toMatchObject({ code: 'INVALID_OPTION', details: { option } })
    }
    const stranger = createWorker({ ...fine, control: there.setting.world.pool(), handlers: {} })
    expect(await codeOf(stranger.drain())).toBe('DATABASE_ERROR')
  })
})
