// @module-tag sampled
import { randomBytes } from 'node:crypto'
import type { Queryable, TenantKey } from '@org/core'
import { describe, expect, it } from 'vitest'
import { installUsage, usage } from '../../src/usage/index.ts'
import { acme, codeOf, globex, levelsInTurn, pass, useLevel } from '../support/levels.ts'

const used = usage({ key: randomBytes(32) })
let counter = 0
const UPTO = 'select upto::text as xid from governance.usage_cursor'
const fresh = () => `r-${++counter}`

describe.each(levelsInTurn('row'))('level %s', (level) => {
  const world = useLevel(level, (admin, options) =>
    installUsage(admin, { ...options, managers: options.readers }),
  )
  const control = (tenant: TenantKey = acme) => world.reader(tenant)
  const meter = (tenant: TenantKey, requestId: string, action: string, amount?: number) =>
    world.tenancy.withTenant(tenant, async (db) => {
      await used.meter(db, { requestId, action, amount })
      await db.query('select 1')
    })
  const counted = async (action: string, tenant: TenantKey = acme) => {
    await pass(world.admin(tenant), UPTO, () => used.rollUp(world.admin(tenant)))
    const { data } = await used.list(control(tenant), tenant, { action })
    return data.reduce((sum, { count }) => sum + count, 0)
  }
  const users = async (tenant: TenantKey = acme) =>
    (await used.resources(control(tenant), tenant)).find(({ resource }) => resource === 'users')
  const take = (entity: string, tenant: TenantKey = acme, resource = 'users', amount?: number) =>
    world.tenancy.withTenant(tenant, (db) => used.take(db, resource, entity, amount))
  const giveBack = (entity: string, tenant: TenantKey = acme, resource = 'users') =>
    world.tenancy.withTenant(tenant, (db) => used.giveBack(db, resource, entity))

  it('counts what was committed, once for each request, and nothing else', async () => {
    const id = fresh()
    await meter(acme, id, 'a.one')
    await meter(acme, id, 'a.one')
    await meter(acme, id, 'a.two', 5)
    await meter(globex, id, 'a.one', 7)
    await world.tenancy
      .withTenant(acme, async (db) => {
        await used.meter(db, { requestId: fresh(), action: 'a.one' })
        await db.query('select 1')
        throw new Error('no')
      })
      .catch(() => {})
    await world.tenancy.withTenant(acme, async (db) => {
      for (let part = 0; part < 3; part++) await used.meter(db, { requestId: id, action: 'a.three', part })
    })
    expect([await counted('a.one'), await counted('a.two'), await counted('a.three')]).toEqual([1, 5, 3])
    expect(await counted('a.one', globex)).toBe(7)
  })

  it('a tenant can neither read, forge, change nor remove it', async () => {
    await meter(acme, fresh(), 'kept')
    await take('victim', globex)
    const t = 'governance'
    for (const sql of [
      `select * from ${t}.usage_delta`,
      `update ${t}.usage_delta set amount = 1`,
      `delete from ${t}.usage_delta`,
      `insert into ${t}.usage_delta (tenant, request_id, action) values ('globex', 'x', 'y')`,
      `insert into ${t}.usage_delta (tenant, request_id, action, amount) values ('acme', 'x', 'y', -5)`,
      `insert into ${t}.usage_delta (tenant, request_id, action, at) values ('acme', 'x', 'y', '2020-01-01')`,
      `select * from ${t}.tenant_resource`,
      `update ${t}.tenant_resource set used = 0`,
      `insert into ${t}.tenant_resource (tenant, resource_type) values ('acme', 'x')`,
      `update ${t}.usage_cursor set upto = '9999'`,
      `delete from ${t}.usage_metrics`,
      `select * from ${t}.resource_hold`,
      `delete from ${t}.resource_hold`,
      `insert into ${t}.resource_hold (tenant, resource_type, token, amount) values ('globex', 'users', sha256('x'), 1)`,
      `insert into ${t}.resource_hold (tenant, resource_type, token, amount) values ('acme', 'users', sha256('x'), -1)`,
      `insert into ${t}.resource_return (tenant, resource_type, token) values ('globex', 'users', sha256('x'))`,
      `select ${t}.resource_taken()`,
      `select ${t}.resource_returned()`,
      `truncate ${t}.resource_hold`,
    ]) {
      const attempt = await codeOf(world.tenancy.withTenant(acme, (db) => db.query(sql)))
      expect([sql, ['DATABASE_ERROR', 'CONFLICT', 'VALIDATION_ERROR'].includes(attempt)]).toEqual([sql, true])
    }
    expect(await users(globex)).toMatchObject({ used: 1 })
    const before = await users()
    const guess = `insert into ${t}.resource_return (tenant, resource_type, token) values ('acme', 'users', sha256('guess'))`
    await world.tenancy.query(acme, guess)
    expect(await users()).toEqual(before)
  })

  it('of 100 that race for the last places exactly as many get one, also where sessions are killed', async () => {
    const resource = 'places'
    await used.setLimits(control(), 'acme', { [resource]: 5 })
    const root = world.root(acme)
    const racing = Array.from({ length: 100 }, (_, n) =>
      world.tenancy.withTenant(acme, async (db) => {
        await used.take(db, resource, `e${n}`)
        if (n % 7 === 0) {
          const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid')
          await root.query('select pg_terminate_backend($1)', [rows[0]?.pid])
        }
        await db.query('insert into notes (body) values ($1)', [`${resource} ${n}`])
      }),
    )
    const results = await Promise.allSettled(racing)
    const codes = new Set(results.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : [])))
    for (const code of codes)
      expect(['QUOTA_EXCEEDED', 'CONNECTION_LOST', 'POOL_EXHAUSTED', 'UNKNOWN_OUTCOME']).toContain(code)
    const made = await world.tenancy.query(acme, 'select from notes where body like $1', [`${resource} %`])
    const held = (await used.resources(control(), acme)).find((one) => one.resource === resource)
    expect(held).toEqual({ resource, used: made.rowCount, limit: 5 })
    for (let n = 100; (held?.used ?? 0) + n - 100 < 5; n++) await take(`more${n}`, acme, resource)
    expect(await codeOf(take('one too many', acme, resource))).toBe('QUOTA_EXCEEDED')
  })

  it('a place is of one entity: taken twice it is one, given back twice too, and then free', async () => {
    await used.setLimits(control(), 'acme', { users: 2 })
    const start = (await users())?.used ?? 0
    expect(start).toBe(0)
    await take('u1')
    await take('u1')
    await take('u2')
    expect(await codeOf(take('u3'))).toBe('QUOTA_EXCEEDED')
    await giveBack('u1')
    await giveBack('u1')
    await giveBack('never taken')
    expect(await users()).toMatchObject({ used: 1, limit: 2 })
    await take('u3')
    await expect(take('u4')).rejects.toMatchObject({ details: { resource: 'users' } })
    expect(await users(globex)).toMatchObject({ used: 1, limit: null })
    await take('file', acme, 'storage_gb', 1.5)
    expect(await used.resources(control(), acme)).toContainEqual({
      resource: 'storage_gb',
      used: 1.5,
      limit: null,
    })
  })

  it('rolling up is exact: many at once, killed in the middle, transactions that end late', async () => {
    const action = 'exact'
    const stuck = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    const late = world.tenancy.withTenant(acme, async (db) => {
      await used.meter(db, { requestId: fresh(), action })
      await db.query('select 1')
      begun.resolve()
      await stuck.promise
    })
    await begun.promise
    const admin = world.admin(acme)
    let calls = 0
    const dying: Queryable = {
      query: async <R extends object>(text: string, values?: readonly unknown[]) => {
        if (++calls % 3 === 0) throw new Error('killed')
        const result = await admin.query<R>(text, values as unknown[])
        if (calls % 4 === 0) throw new Error('killed behind it')
        return result
      },
    }
    const rolling = Array.from({ length: 12 }, (_, n) =>
      used.rollUp(n % 2 ? dying : admin).catch(() => undefined),
    )
    await Promise.all([...rolling, ...Array.from({ length: 20 }, () => meter(acme, fresh(), action))])
    stuck.resolve()
    await late
    expect(await counted(action)).toBe(21)
  })

  it('calls of a month: processes together never one over, and what is not used is given back', async () => {
    await used.setLimits(control(), 'acme', { api_calls: 50 })
    const processes = Array.from({ length: 4 }, () => used.calls({ control: control(), chunk: 7 }))
    const calling = processes.flatMap((one) => Array.from({ length: 20 }, () => one.count(acme)))
    const allowed = (await Promise.allSettled(calling)).filter(({ status }) => status === 'fulfilled').length
    expect(allowed).toBeLessThanOrEqual(50)
    expect(allowed).toBeGreaterThan(50 - 4 * 7)
    for (const one of processes) await one.close()
    const left = used.calls({ control: control(), chunk: 1 })
    let more = 0
    for (;;) {
      const refused = await left.count(acme).catch((error: unknown) => error)
      if (refused !== undefined) {
        expect(refused).toMatchObject({ code: 'RATE_LIMITED', details: { retryAfter: expect.any(Number) } })
        break
      }
      more++
    }
    expect(allowed + more).toBe(50)
    // Half a call is none.
    await used.setLimits(control(), 'acme', { api_calls: 50.5 })
    const last = used.calls({ control: control(), chunk: 1 })
    await expect(last.count(acme)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    await used.calls({ control: control() }).count(globex)
  })

  it('forgets a tenant, and only that one', async () => {
    await meter(globex, fresh(), 'gone')
    await counted('gone', globex)
    await take('x', globex)
    const before = await users()
    await used.forget(world.admin(globex), 'globex')
    expect((await used.list(control(globex), globex)).data).toEqual([])
    expect(await used.resources(control(globex), globex)).toEqual([])
    expect(await users()).toEqual(before)
  })
})

describe('periods', () => {
  const world = useLevel('role', (admin, options) =>
    installUsage(admin, { ...options, managers: options.readers }),
  )
  const control = () => world.reader(acme)

  it('days and months are UTC’s, whatever the session’s zone; a page ends where the next begins', async () => {
    const root = world.root(acme)
    await root.query(`set time zone 'Pacific/Auckland'; insert into governance.usage_delta (tenant, request_id, action, amount, at) values
      ('acme', '1', 'n', 1, '2025-12-31T23:59:59.999999Z'), ('acme', '2', 'n', 2, '2026-01-01T00:00:00Z'),
      ('acme', '3', 'n', 4, '2026-01-31T23:59:59Z'), ('acme', '4', 'm', 8, '2026-02-01T00:00:00Z')`)
    await pass(world.admin(acme), UPTO, () => used.rollUp(world.admin(acme)))
    const options = { from: '2025-01-01', to: '2026-12-31' }
    const months = await used.list(control(), 'acme', options)
    expect(
      months.data.map(({ action, periodStart, count }) => `${periodStart.slice(0, 7)} ${action} ${count}`),
    ).toEqual(['2025-12 n 1', '2026-01 n 6', '2026-02 m 8'])
    expect(months.data[0]).toMatchObject({ periodEnd: '2026-01-01T00:00:00Z' })
    const pages = []
    let cursor: string | undefined
    do {
      const page = await used.list(control(), 'acme', { ...options, period: 'day', limit: 1, cursor })
      pages.push(...page.data.map(({ periodStart, count }) => `${periodStart.slice(0, 10)} ${count}`))
      cursor = page.meta.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(pages).toEqual(['2025-12-31 1', '2026-01-01 2', '2026-01-31 4', '2026-02-01 8'])
  })

  it('what a process held of a month that is over is worth nothing; a new month begins at 0', async () => {
    await used.setLimits(control(), 'acme', { api_calls: 10 })
    let ms = 0
    const calls = used.calls({ control: control(), chunk: 10, now: () => ms })
    await calls.count(acme)
    await world
      .root(acme)
      .query(
        `update governance.tenant_resource set period_start = period_start - interval '1 month', used = 10 where resource_type = 'api_calls'`,
      )
    ms += 32 * 86_400_000
    for (let n = 0; n < 10; n++) await calls.count(acme)
    expect(await codeOf(calls.count(acme))).toBe('RATE_LIMITED')
  })

  it.each([
    ['requestId', { requestId: '', action: 'x' }],
    ['requestId', { requestId: 'é'.repeat(101), action: 'x' }],
    ['action', { requestId: 'x' }],
    ['amount', { requestId: 'x', action: 'y', amount: -1 }],
    ['amount', { requestId: 'x', action: 'y', amount: 1.5 }],
    ['part', { requestId: 'x', action: 'y', part: 2 ** 31 }],
  ])('%s: bad input is refused by name', async (field, bad) => {
    const metered = world.tenancy.withTenant(acme, (db) => used.meter(db, bad as never))
    await expect(metered).rejects.toMatchObject({ code: 'VALIDATION_ERROR', details: { field } })
  })

  it.each([
    ['period', { period: 'week' }],
    ['from', { from: 'x' }],
    ['to', { to: new Date(Number.NaN) }],
    ['limit', { limit: 0 }],
    ['cursor', { cursor: 'x' }],
    ['cursor', { cursor: Buffer.from('2026-02-30a').toString('base64url') }],
  ])('%s: a bad question is refused by name', async (field, bad) => {
    await expect(used.list(control(), 'acme', bad as never)).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      details: { field },
    })
  })

  it('installing again waits for nobody who counts or takes', async () => {
    await world.tenancy.withTenant(acme, async (db) => {
      await used.meter(db, { requestId: 'open', action: 'a' })
      await used.take(db, 'seats', 's1')
      await installUsage(world.admin(acme), { ...world.options, managers: world.options.readers })
    })
  })

  it('options and limits are refused by name', async () => {
    const code = (make: () => unknown) => codeOf(Promise.resolve().then(make))
    expect(await code(() => usage({ key: 'x' }))).toBe('KEY_INVALID')
    expect(await code(() => used.calls({ control: control(), chunk: 0 }))).toBe('INVALID_OPTION')
    expect(await code(() => used.calls({} as never))).toBe('INVALID_OPTION')
    for (const bad of [{ users: -1 }, { users: Number.NaN }, { '': 1 }, null]) {
      expect(await codeOf(used.setLimits(control(), 'acme', bad as never))).toBe('VALIDATION_ERROR')
    }
  })
})
