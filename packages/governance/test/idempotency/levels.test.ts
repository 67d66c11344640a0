// @module-tag sampled
import type { Queryable, TenantKey } from '@org/core'
import { eventually } from '@org/pg-testing'
import { describe, expect, it } from 'vitest'
import {
  IDEMPOTENCY_MIGRATION,
  IDEMPOTENCY_ROW_MIGRATION,
  type IdempotentRequest,
  idempotency,
} from '../../src/idempotency/index.ts'
import { acme, codeOf, globex, levelsInTurn, useLevel } from '../support/levels.ts'

let counter = 0
const fresh = () => `key-${++counter}`
const fingerprint = (body: unknown = {}) => ({ method: 'POST', url: '/v1/notes', body })
const requestOf = (key: string, more: Partial<IdempotentRequest> = {}): IdempotentRequest => ({
  tenant: acme,
  principal: 'user:1',
  handler: 'notes.create',
  key,
  fingerprint: fingerprint(),
  ...more,
})

describe.each(levelsInTurn('row'))('level %s', (level) => {
  const world = useLevel(level, async () => {}, [
    level === 'row' ? IDEMPOTENCY_ROW_MIGRATION : IDEMPOTENCY_MIGRATION,
  ])
  const made = (options = {}) =>
    idempotency({ scopes: world.tenancy, sealing: world.setting.sealing, ...options })
  const add = (body: string) => async (db: Queryable) => {
    await db.query('insert into notes (body) values ($1)', [body])
    return `made ${body}`
  }
  const count = async (body: string, tenant: TenantKey = acme) =>
    (await world.tenancy.query(tenant, 'select from notes where body = $1', [body])).rowCount

  it('a repetition gets the answer of the first, and does nothing', async () => {
    const key = fresh()
    const once = () => made().once(requestOf(key), add(key))
    expect([await once(), await once(), await once()]).toEqual([
      { answer: `made ${key}`, replayed: false },
      { answer: `made ${key}`, replayed: true },
      { answer: `made ${key}`, replayed: true },
    ])
    expect(await count(key)).toBe(1)
  })

  it('of 100 at once one takes effect; the others get its answer or are told that it is under way', async () => {
    const key = fresh()
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, () => made({ wait: 10_000 }).once(requestOf(key), add(key))),
    )
    const answers = results.filter((one) => one.status === 'fulfilled').map(({ value }) => value)
    const refused = results.filter((one) => one.status === 'rejected').map(({ reason }) => reason.code)
    expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(new Set(answers.map(({ answer }) => answer))).toEqual(new Set([`made ${key}`]))
    for (const code of refused) expect(['CONFLICT', 'POOL_EXHAUSTED']).toContain(code)
    expect(await count(key)).toBe(1)
  })

  it('while the first is under way the second is told so, after waiting as long as it may', async () => {
    const key = fresh()
    const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const first = made().once(requestOf(key), async (db) => {
      await add(key)(db)
      begun.resolve()
      await go.promise
      return 'first'
    })
    await begun.promise
    const second = made({ wait: 20 }).once(requestOf(key), add(`${key} again`))
    await expect(second).rejects.toMatchObject({ code: 'CONFLICT', details: { reason: 'in_flight' } })
    go.resolve()
    await first
    expect((await made().once(requestOf(key), add('no'))).answer).toBe('first')
    expect(await count(`${key} again`)).toBe(0)
  })

  it('another body, method or query is refused; another principal, handler or tenant is another request', async () => {
    const key = fresh()
    await made().once(requestOf(key), add(key))
    for (const other of [
      fingerprint({ a: 1 }),
      { ...fingerprint(), method: 'PUT' },
      { ...fingerprint(), url: '/v1/notes?x=1' },
    ]) {
      const again = made().once(requestOf(key, { fingerprint: other }), add('never'))
      expect(await codeOf(again)).toBe('IDEMPOTENCY_KEY_REUSED')
    }
    for (const other of [{ principal: 'user:2' }, { handler: 'notes.other' }, { tenant: globex }]) {
      const { replayed } = await made().once(requestOf(key, other), add(`${key} ${Object.keys(other)}`))
      expect(replayed).toBe(false)
    }
    expect(await count('never')).toBe(0)
  })

  it('what fails leaves the key free, also when the work hides the error', async () => {
    const key = fresh()
    const broken = made().once(requestOf(key), async () => {
      throw new Error('mine')
    })
    await expect(broken).rejects.toThrow('mine')
    const failing = made().once(requestOf(key), async (db) => {
      await db.query('select 1/0')
      return 'no'
    })
    expect(await codeOf(failing)).toBe('DATABASE_ERROR')
    expect((await made().once(requestOf(key), add(key))).replayed).toBe(false)
    const hiding = made().once(requestOf(key), async (db) => {
      await db.query('select 1').catch(() => {})
      throw new Error('something else')
    })
    expect(await hiding).toEqual({ answer: `made ${key}`, replayed: true })
  })

  it('the limit on waiting for locks is the scope’s own again behind the claim', async () => {
    const show = async (db: Queryable) =>
      (await db.query<{ value: string }>(`select current_setting('lock_timeout') as value`)).rows[0]?.value
    const own = await world.tenancy.withTenant(acme, show)
    const inside = await made({ wait: 7 }).once(requestOf(fresh()), async (db) => String(await show(db)))
    expect(inside.answer).toBe(own)
  })

  it('keeps no answer in clear', async () => {
    const key = fresh()
    await made().once(requestOf(key), async () => 'the secret of this answer')
    const table = level === 'row' ? 'app.idempotency_key' : `${level}_acme.idempotency_key`
    const { rows } = await world.root(acme).query(`select k::text as row from ${table} k`)
    expect(JSON.stringify(rows)).toContain(key)
    expect(JSON.stringify(rows)).not.toContain('secret')
  })

  it('an answer that was put under another key does not open', async () => {
    const [one, two] = [fresh(), fresh()]
    await made().once(requestOf(one), async () => 'of one')
    await made().once(requestOf(two), async () => 'of two')
    await world.tenancy.query(
      acme,
      'update idempotency_key set answer = (select answer from idempotency_key where key = $1) where key = $2',
      [one, two],
    )
    await expect(made().once(requestOf(two), async () => 'x')).rejects.toThrow()
  })

  it('a key that ran out and was not swept is as good as new, also where the work hides why it failed', async () => {
    const key = fresh()
    const ranOut = async () => {
      const sql = `update idempotency_key set expires_at = now() - interval '1 s' where key = $1`
      await world.tenancy.query(acme, sql, [key])
    }
    await made().once(requestOf(key), add(`${key} 1`))
    await ranOut()
    const second = await made().once(requestOf(key), add(`${key} 2`))
    expect(second).toEqual({ answer: `made ${key} 2`, replayed: false })
    await ranOut()
    const hiding = made().once(requestOf(key), async (db) => {
      await add(`${key} 3`)(db).catch(() => {
        throw new Error('something else')
      })
      return 'third'
    })
    expect(await hiding).toEqual({ answer: 'third', replayed: false })
    expect(await Promise.all([1, 2, 3].map((n) => count(`${key} ${n}`)))).toEqual([1, 1, 1])
  })

  it('is swept when it ran out, and then done again; sweepers and requests at once hurt nobody', async () => {
    const key = fresh()
    const again = () => made().once(requestOf(key), add(`${key} ${Math.random()}`))
    await again()
    const age = () =>
      world.tenancy.query(acme, `update idempotency_key set expires_at = now() - interval '1 s'`)
    await age()
    expect((await again()).replayed).toBe(false)
    for (let round = 0; round < 5; round++) {
      await age()
      const sweep = () => world.tenancy.withTenant(acme, (db) => made().sweep(db))
      const all = await Promise.allSettled([sweep(), again(), sweep(), again(), sweep()])
      const codes = all.map((one) => (one.status === 'rejected' ? one.reason.code : 'done'))
      for (const code of codes) expect(['done', 'CONFLICT']).toContain(code)
    }
    await age()
    await world.tenancy.withTenant(acme, (db) => made().sweep(db))
    const { rowCount } = await world.tenancy.query(acme, 'select from idempotency_key')
    expect(rowCount).toBe(0)
  })

  it('a server that ends the session at any step leaves no key stuck', async () => {
    const root = world.root(acme)
    const kill = async (db: Queryable) => {
      const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid')
      await root.query('select pg_terminate_backend($1)', [rows[0]?.pid])
    }
    for (const step of ['before', 'between', 'behind']) {
      const key = fresh()
      const dying = made().once(requestOf(key), async (db) => {
        if (step === 'before') await kill(db)
        await add(key)(db)
        if (step === 'between') await kill(db)
        await db.query('select 1')
        if (step === 'behind') await kill(db)
        return 'x'
      })
      expect(['CONNECTION_LOST', 'UNKNOWN_OUTCOME']).toContain(await codeOf(dying))
      const { answer } = await made({ wait: 5_000 }).once(requestOf(key), add(key))
      expect([answer, await count(key)]).toEqual([`made ${key}`, 1])
    }
  })

  it('with a lease: done once, taken over from the dead, fenced from the late', async () => {
    const key = fresh()
    const idempotent = made()
    const paid: string[] = []
    const pay = (finish = add(key)) =>
      idempotent.leased(
        requestOf(key),
        async (lease) => {
          paid.push(`${lease.key} ${lease.attempt}`)
          return lease
        },
        (db) => finish(db),
      )
    const stuck = Promise.withResolvers<void>()
    const late = idempotent.leased(
      requestOf(key),
      () => stuck.promise,
      async () => 'late',
    )
    await world.tenancy.withTenant(acme, async (db) => {
      const TAKEN = 'select from idempotency_key where key = $1'
      await eventually(async () => (await db.query(TAKEN, [key])).rowCount !== 0)
    })
    expect(await codeOf(pay())).toBe('CONFLICT')
    await world.tenancy.query(
      acme,
      `update idempotency_key set leased_until = now() - interval '1 s' where key = $1`,
      [key],
    )
    expect(await pay()).toEqual({ answer: `made ${key}`, replayed: false })
    stuck.resolve()
    await expect(late).rejects.toMatchObject({ code: 'CONFLICT', details: { reason: 'lease_lost' } })
    expect(await pay()).toEqual({ answer: `made ${key}`, replayed: true })
    expect(paid).toHaveLength(1)
    expect(paid[0]).toMatch(/ 2$/)
    expect(await count(key)).toBe(1)
  })
})
