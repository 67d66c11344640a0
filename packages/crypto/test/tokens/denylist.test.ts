import { parseTenantKey, runWithTenant, TenancyError } from '@org/core'
import type { TenantDb } from '@org/pg-tenant'
import { describe, expect, it } from 'vitest'
import { createDenylist, createRefreshTokens, type DenylistOptions } from '../../src/tokens/index.ts'
import { codeOf, eventually } from '../support/world.ts'
import { makeClock, makePair, NOW_S, USER } from './support.ts'
import { useTokenWorld } from './tenants.ts'

const tenants = useTokenWorld()
const acme = parseTenantKey('acme')
const globex = parseTenantKey('globex')
const exp = Math.floor(Date.now() / 1000) + 900
const fresh = () => `jti-${crypto.randomUUID()}`

/** A process: a denylist of its own on the shared tables, with a clock in the test's hand. */
function makeProcess(options: Partial<DenylistOptions> = {}) {
  const clock = makeClock(0)
  const seen = { reads: 0, down: undefined as Error | undefined }
  const denylist = createDenylist({
    scope: (tenant, read) => {
      seen.reads++
      if (seen.down !== undefined) return Promise.reject(seen.down)
      return tenants.tenancy().withTenant(tenant, read, { readOnly: true })
    },
    monotonicClock: clock,
    ...options,
  })
  const deny = (jti: string, tenant = 'acme') => tenants.in(tenant, (db) => denylist.deny(db, { jti, exp }))
  const check = async (jti: string, tenant = acme) => denylist.isDenied(tenant, jti)
  return { clock, seen, denylist, deny, check }
}

describe('a revocation', () => {
  it('holds at once in its own process, before the commit too', async () => {
    const { denylist, check } = makeProcess()
    const jti = fresh()
    await check(jti)
    await tenants.in('acme', async (db) => {
      await denylist.deny(db, { jti, exp })
      expect(denylist.isDenied(acme, jti)).toBe(true)
    })
    expect(denylist.isDenied(acme, jti)).toBe(true)
  })

  it('holds elsewhere once a second has passed, and not a new reading sooner', async () => {
    const [here, there] = [makeProcess(), makeProcess()]
    const jti = fresh()
    expect(await there.check(jti)).toBe(false)
    await here.deny(jti)
    there.clock.forward(0.4)
    expect(there.denylist.isDenied(acme, jti), 'within the bound the snapshot answers').toBe(false)
    expect(there.seen.reads).toBe(1)
    there.clock.forward(0.601)
    expect(await there.check(jti)).toBe(true)
    expect(there.seen.reads).toBe(2)
  })

  it('holds elsewhere where a tenancy is asked for one statement each', async () => {
    const statements = { query: tenants.tenancy().query.bind(tenants.tenancy()) }
    const [here, jti, clock] = [makeProcess(), fresh(), makeClock(0)]
    for (const check of ['snapshot', 'database'] as const) {
      const there = createDenylist({ tenants: statements, check, monotonicClock: clock })
      await here.deny(jti)
      expect(await there.isDenied(acme, jti), check).toBe(true)
      expect(await there.isDenied(globex, jti), check).toBe(false)
    }
    const scope: DenylistOptions['scope'] = () => Promise.reject(new Error('never asked'))
    for (const wrong of [{}, { tenants: statements, scope }, { tenants: {} as never }]) {
      expect(await codeOf(Promise.resolve(wrong).then(createDenylist))).toBe('INVALID_OPTION')
    }
  })

  it('is read ahead after half the bound, without waiting', async () => {
    const [here, there] = [makeProcess(), makeProcess()]
    const jti = fresh()
    await there.check(jti)
    await here.deny(jti)
    there.clock.forward(0.6)
    expect(there.denylist.isDenied(acme, jti)).toBe(false)
    await eventually(() => there.denylist.isDenied(acme, jti) === true)
    expect(there.seen.reads).toBe(2)
  })

  it('holds at once everywhere when the database is asked each time', async () => {
    const [here, there] = [makeProcess(), makeProcess({ check: 'database' })]
    const jti = fresh()
    expect(await there.check(jti)).toBe(false)
    await here.deny(jti)
    expect(await there.check(jti)).toBe(true)
  })

  it('is its tenant’s alone', async () => {
    const [here, there] = [makeProcess(), makeProcess()]
    const jti = fresh()
    await here.deny(jti)
    expect([await here.check(jti, globex), await there.check(jti, globex)]).toEqual([false, false])
    expect([await here.check(jti), await there.check(jti)]).toEqual([true, true])
  })

  it('of many at once, some twice and some denied before, keeps the later end', async () => {
    const { denylist } = makeProcess()
    const jtis = Array.from({ length: 20 }, fresh)
    const all = (end: number) => [...jtis, ...jtis].map((jti) => ({ jti, exp: end }))
    const deny = (end: number) => tenants.in('acme', (db) => denylist.deny(db, all(end)))
    await Promise.all([deny(exp), deny(exp + 50), deny(exp + 10), deny(exp)])
    await deny(exp)
    const rows = await tenants.rows(
      'acme',
      'select distinct extract(epoch from expires_at)::int as ends from denied_jti where jti = any($1)',
      [jtis],
    )
    expect(rows).toEqual([{ ends: exp + 50 + 300 }])
  })

  it('reaches every verification, cached tokens included', async () => {
    const { denylist } = makeProcess()
    const { issuer, verifier } = makePair({ denylist })
    const { token, jti } = await issuer.issue(USER)
    await verifier.verify(token)
    const { exp: ends } = await verifier.verify(token)
    await tenants.in('acme', (db) => denylist.deny(db, { jti, exp: ends }))
    expect(await codeOf(verifier.verify(token))).toBe('INVALID_TOKEN')
  })

  it('of a login takes its access tokens with it', async () => {
    const refresh = createRefreshTokens()
    const [here, there] = [makeProcess(), makeProcess()]
    const { issuer, verifier } = makePair({ denylist: there.denylist })
    const login = await tenants.in('acme', (db) => refresh.issue(db, 'user-1'))
    const { token } = await issuer.issue({ ...USER, jti: login.jti })
    await verifier.verify(token)
    await tenants.in('acme', async (db: TenantDb) => {
      await here.denylist.deny(db, (await refresh.logout(db, login.token)).accessTokens)
    })
    there.clock.forward(1.001)
    expect(await codeOf(verifier.verify(token))).toBe('INVALID_TOKEN')
  })

  it.each([
    { jti: '', exp },
    { jti: 'a\u0000', exp },
    { jti: 'x'.repeat(256), exp },
    { jti: 'x', exp: Number.NaN },
    { jti: 'x', exp: '1' },
    null,
  ])('of something that is no token is refused before the database is asked (%#)', async (token) => {
    const { denylist } = makeProcess()
    const db = { tenant: acme, query: () => Promise.reject(new Error('asked')) }
    expect(await codeOf(denylist.deny(db, token as never))).toBe('VALIDATION_ERROR')
  })

  it('of a token that claims to live for ever can be stored', async () => {
    const { denylist, check } = makeProcess()
    await tenants.in('acme', (db) => denylist.deny(db, { jti: 'eternal', exp: 9e15 }))
    expect(await check('eternal')).toBe(true)
  })
})

describe('a crowd', () => {
  it('shares one reading per tenant', async () => {
    const { check, seen, clock } = makeProcess()
    await Promise.all(Array.from({ length: 50 }, () => check('x')))
    expect(seen.reads).toBe(1)
    clock.forward(2)
    await Promise.all(Array.from({ length: 50 }, () => check('x')))
    expect(seen.reads).toBe(2)
  })

  it('that waits for a reading begun too long ago gets another', async () => {
    const gate = Promise.withResolvers<void>()
    let held = true
    const here = makeProcess()
    const there = makeProcess({
      scope: async (tenant, read) => {
        const result = await tenants.tenancy().withTenant(tenant, read)
        if (held) await gate.promise
        return result
      },
      timeout: 60_000,
    })
    const jti = fresh()
    const early = there.check(jti)
    await eventually(async () => (await tenants.rows('acme', 'select 1')).length === 1)
    await here.deny(jti)
    there.clock.forward(5)
    const late = there.check(jti)
    held = false
    gate.resolve()
    expect(await late).toBe(true)
    await early
  })

  it('of denied tokens too large to hold is asked for one by one', async () => {
    const [here, there] = [makeProcess(), makeProcess({ maxEntries: 3 })]
    const jtis = Array.from({ length: 5 }, fresh)
    for (const jti of jtis) await here.deny(jti, 'globex')
    for (const jti of jtis) expect(await there.check(jti, globex)).toBe(true)
    expect(await there.check(fresh(), globex)).toBe(false)
  })
})

describe('a table that cannot be read', () => {
  it('refuses every token once the bound has passed, and says nothing of the cause', async () => {
    const { check, seen, clock, denylist } = makeProcess()
    await check('x')
    seen.down = new Error('password=hunter2')
    clock.forward(1)
    expect(denylist.isDenied(acme, 'x'), 'still within the bound').toBe(false)
    clock.forward(0.001)
    const error = await check('x').catch((reason) => reason)
    expect([error.code, error.cause]).toEqual(['SERVICE_UNAVAILABLE', undefined])
    seen.down = undefined
    expect(await check('x')).toBe(false)
  })

  it('accepts them if that was chosen, but never one denied in this process', async () => {
    for (const mode of ['snapshot', 'database'] as const) {
      const { check, seen, deny } = makeProcess({ whenUnreadable: 'accept', check: mode })
      const jti = fresh()
      await deny(jti)
      seen.down = new Error('down')
      expect([await check('x'), await check(jti)]).toEqual([false, true])
    }
  })

  it('is given up after the time limit', async () => {
    for (const check of ['snapshot', 'database'] as const) {
      const stuck = makeProcess({ scope: () => new Promise(() => {}), timeout: 10, check })
      expect(await codeOf(stuck.check('x'))).toBe('SERVICE_UNAVAILABLE')
    }
  })

  it('because the tenant is suspended says so, whatever was chosen', async () => {
    for (const whenUnreadable of ['refuse', 'accept'] as const) {
      const { check, seen } = makeProcess({ whenUnreadable })
      seen.down = new TenancyError('TENANT_SUSPENDED', 'suspended')
      expect(await codeOf(check('x'))).toBe('TENANT_SUSPENDED')
    }
  })

  it('that was never made refuses too', async () => {
    const { denylist } = makeProcess()
    expect(await codeOf(Promise.resolve(denylist.isDenied(parseTenantKey('nobody'), 'x')))).toBe(
      'SERVICE_UNAVAILABLE',
    )
  })
})

it('reads a tenant’s table whatever tenant is current', async () => {
  const { denylist } = makeProcess()
  expect(await runWithTenant(globex, async () => denylist.isDenied(acme, 'x'))).toBe(false)
})

it('cleans up what is past its time, in batches', async () => {
  const { denylist, check } = makeProcess()
  await tenants.in('globex', async (db) => {
    await db.query('delete from denied_jti')
    await denylist.deny(
      db,
      Array.from({ length: 5 }, () => ({ jti: fresh(), exp: NOW_S - 1_000 })),
    )
    await denylist.deny(db, { jti: 'kept', exp })
  })
  const clean = () => tenants.in('globex', (db) => denylist.cleanUp(db, { limit: 3 }))
  expect([await clean(), await clean(), await clean()]).toEqual([
    { deleted: 3, done: false },
    { deleted: 2, done: true },
    { deleted: 0, done: true },
  ])
  expect(await check('kept', globex)).toBe(true)
})

it.each([
  { scope: undefined },
  { check: 'never' },
  { whenUnreadable: 'ignore' },
  { maxStaleness: 0 },
  { maxStaleness: 60_001 },
  { timeout: 1 },
  { maxTenants: 0 },
  { maxEntries: 0 },
])('set-up with %j is refused', (options) => {
  expect(() => makeProcess(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
})
