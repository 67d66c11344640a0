import { setTimeout as sleep } from 'node:timers/promises'
import { createTenancy } from '@org/pg-tenant'
import { useTestTenancy } from '@org/pg-testing/vitest'
import fc from 'fast-check'
import { RateLimiterMemory, RateLimiterPostgres } from 'rate-limiter-flexible'
import { describe, expect, it } from 'vitest'
import { addressKey, NOWHERE } from '../../src/rate-limit/address.ts'
import {
  type Caller,
  flexibleStore,
  type RateLimiter,
  rateLimit,
  type SharedStore,
} from '../../src/rate-limit/index.ts'

const world = useTestTenancy(createTenancy)
const codeOf = (make: () => unknown) => {
  try {
    make()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'none'
}

function clocked(limit = 10, seconds = 10, burst = limit, maxKeys = 1_000) {
  const clock = { ms: 1_000_000 }
  const limiter = rateLimit({ categories: { api: { limit, seconds, burst } }, maxKeys, now: () => clock.ms })
  const allowed = (tenant: string, count: number) =>
    Array.from({ length: count }, () => limiter.decide({ tenant }, 'api').allowed).filter(Boolean).length
  return { clock, limiter, allowed }
}

describe('in one process', () => {
  it('lets a burst through, then one for each interval, and each tenant its own', () => {
    const { clock, allowed } = clocked()
    expect([allowed('a', 15), allowed('b', 15)]).toEqual([10, 10])
    clock.ms += 1_000
    expect([allowed('a', 5), allowed('b', 5)]).toEqual([1, 1])
    clock.ms += 100_000
    expect(allowed('a', 15)).toBe(10)
  })

  it('never lets more through in any window than limit and burst, whatever comes when', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 10 }),
        fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 200 }),
        (limit, seconds, gaps) => {
          const { clock, limiter } = clocked(limit, seconds)
          const times: number[] = []
          for (const gap of gaps) {
            clock.ms += gap
            const decision = limiter.decide({ tenant: 'a' }, 'api')
            if (decision.allowed) times.push(clock.ms)
            else {
              expect(decision.retryAfterMs).toBeGreaterThan(0)
              const later = clock.ms + Math.ceil(decision.retryAfterMs)
              expect(later - clock.ms).toBeLessThanOrEqual((seconds * 1_000) / limit + 1)
            }
          }
          for (const [at, from] of times.entries()) {
            const within = times.slice(at).filter((time) => time < from + seconds * 1_000).length
            expect(within).toBeLessThanOrEqual(2 * limit)
          }
        },
      ),
    )
  })

  it('what it says of the wait is true', () => {
    const { clock, limiter, allowed } = clocked(3, 1)
    allowed('a', 3)
    const refused = limiter.decide({ tenant: 'a' }, 'api')
    clock.ms += refused.retryAfterMs - 1
    expect(limiter.decide({ tenant: 'a' }, 'api').allowed).toBe(false)
    clock.ms += 1
    expect(limiter.decide({ tenant: 'a' }, 'api')).toMatchObject({ allowed: true, remaining: 0 })
  })

  it('does not follow the wall clock', () => {
    const limiter = rateLimit({ categories: { api: { limit: 5, seconds: 3_600 } } })
    const real = Date.now
    const allowed = []
    try {
      for (const jump of [0, 10 * 86_400_000, -10 * 86_400_000, 0]) {
        Date.now = () => real() + jump
        allowed.push(
          limiter.decide({ tenant: 'a' }, 'api').allowed,
          limiter.decide({ tenant: 'a' }, 'api').allowed,
        )
      }
    } finally {
      Date.now = real
    }
    expect(allowed.filter(Boolean)).toHaveLength(5)
  })

  it('a flood of a million keys grows nothing, pushes nobody out, and is let through once for all', {
    tags: 'slow',
  }, () => {
    const { limiter, allowed } = clocked(10, 10, 10, 1_000)
    expect(allowed('busy', 10)).toBe(10)
    let through = 0
    for (let n = 0; n < 1_000_000; n++) {
      const address = `${n & 255}.${(n >> 8) & 255}.${(n >> 16) & 255}.1`
      if (limiter.decide({ address }, 'api').allowed) through++
    }
    expect(limiter.size).toBeLessThanOrEqual(2_000)
    expect(through).toBeLessThanOrEqual(1_000 * 10 + 10)
    for (let n = 0; n < 100_000; n++) limiter.decide({ tenant: `spoofed-${n}` }, 'api')
    expect(limiter.size).toBeLessThanOrEqual(2_000)
    expect(allowed('busy', 1)).toBe(0)
  })

  it('keys that are idle make room', () => {
    const { clock, limiter } = clocked(10, 10, 10, 1_000)
    for (let round = 0; round < 20; round++) {
      for (let n = 0; n < 900; n++) {
        expect(limiter.decide({ tenant: `${round}-${n}` }, 'api')).toMatchObject({
          allowed: true,
          remaining: 9,
        })
      }
      clock.ms += 60_000
    }
  })

  it('says it in the fields of the draft, and Retry-After where it refuses', async () => {
    const { limiter } = clocked(2, 60)
    const told: object[] = []
    const ask = () => limiter.require({ tenant: 'a' }, 'api', (fields) => told.push(fields))
    await ask()
    await ask()
    await expect(ask()).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      details: { category: 'api', retryAfter: 30 },
    })
    const policy = { 'RateLimit-Policy': '"api";q=2;w=60' }
    expect(told).toEqual([
      { ...policy, RateLimit: '"api";r=1;t=30' },
      { ...policy, RateLimit: '"api";r=0;t=60' },
      { ...policy, RateLimit: '"api";r=0;t=30', 'Retry-After': '30' },
    ])
  })
})

describe('addresses', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:0201', '192.0.2.1'],
    ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8::1%eth0', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    [undefined, NOWHERE],
    ['', NOWHERE],
    ['1.2.3.4, 5.6.7.8', NOWHERE],
    ['x'.repeat(1e5), NOWHERE],
  ])('%s is %s', (address, key) => expect(addressKey(address)).toBe(key))

  it('all addresses of one /64 are one', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const key = addressKey(address)
        expect(key).not.toBe(NOWHERE)
        if (key.endsWith('/64')) expect(addressKey(key.replace('::/64', ':dead:beef:1:2'))).toBe(key)
      }),
    )
  })
})

describe('over several processes', () => {
  const categories = { api: { limit: 40, seconds: 600 } }
  const total = async (limiters: readonly RateLimiter<'api'>[], caller: Caller) => {
    const asked = limiters.flatMap((one) => Array.from({ length: 40 }, () => one.check(caller, 'api')))
    return (await Promise.all(asked)).filter(({ allowed }) => allowed).length
  }
  const processes = (store: SharedStore, timeout = 10_000) =>
    Array.from({ length: 4 }, () => rateLimit({ categories, shared: { store, processes: 4, timeout } }))

  it('the store’s count is everybody’s: in memory, and in PostgreSQL', async () => {
    const memory = new RateLimiterMemory({ points: 40, duration: 600 })
    expect(await total(processes(flexibleStore({ api: memory })), { tenant: 'acme' })).toBe(40)
    const table = await new Promise<RateLimiterPostgres>((resolve, reject) => {
      const limiter: RateLimiterPostgres = new RateLimiterPostgres(
        {
          storeClient: world.root,
          tableName: 'rate',
          points: 40,
          duration: 600,
          clearExpiredByTimeout: false,
        },
        (error?: Error) => (error ? reject(error) : resolve(limiter)),
      )
    })
    const store = flexibleStore({ api: table })
    expect(await total(processes(store), { tenant: 'acme' })).toBe(40)
    expect(await total(processes(store), { address: '2001:db8::1' })).toBe(40)
    expect(await total(processes(store), { address: '2001:db8::2' })).toBe(0)
  })

  it('a store that knows a category not at all is told, instead of never being asked', async () => {
    const [one] = processes(flexibleStore({ other: new RateLimiterMemory({ points: 1, duration: 1 }) }))
    await expect(one?.check({ tenant: 'acme' }, 'api')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      details: { option: 'limiters.api' },
    })
  })

  it('a store that fails, or hangs, leaves each process its share, and nobody waits for it twice', async () => {
    let asked = 0
    const down: SharedStore = {
      consume: () => {
        asked++
        return Promise.reject(new Error('down'))
      },
    }
    expect(await total(processes(down), { tenant: 'acme' })).toBe(40)
    const before = asked
    const [one] = processes(down)
    await one?.check({ tenant: 'acme' }, 'api')
    await one?.check({ tenant: 'acme' }, 'api')
    expect(asked).toBe(before + 1)
    const hangs: SharedStore = { consume: () => sleep(60_000, undefined as never, { ref: false }) }
    expect(await total(processes(hangs, 5), { tenant: 'acme' })).toBe(40)
  })

  it('only so many wait for it at once', async () => {
    let waiting = 0
    let most = 0
    const slow: SharedStore = {
      consume: async () => {
        most = Math.max(most, ++waiting)
        await sleep(5)
        waiting--
        return { allowed: true, remaining: 1, retryAfterMs: 0, resetMs: 0 }
      },
    }
    const limiter = rateLimit({
      categories,
      shared: { store: slow, processes: 2, maxWaiting: 10, timeout: 10_000 },
    })
    await Promise.all(Array.from({ length: 100 }, () => limiter.check({ tenant: 'a' }, 'api')))
    expect(most).toBe(10)
  })
})

describe('options', () => {
  const good = { limit: 1, seconds: 1 }
  it.each([
    [{}],
    [{ categories: {} }],
    [{ categories: { 'A"': good } }],
    [{ categories: { a: { ...good, limit: 0 } } }],
    [{ categories: { a: { ...good, limit: 1.5 } } }],
    [{ categories: { a: { ...good, seconds: 0 } } }],
    [{ categories: { a: { ...good, burst: 2 } } }],
    [{ categories: { a: good }, maxKeys: 1 }],
    [{ categories: { a: good }, shared: { store: {}, processes: 1 } }],
    [{ categories: { a: good }, shared: { store: flexibleStore({}), processes: 0 } }],
  ])('%j is refused', (bad) => expect(codeOf(() => rateLimit(bad as never))).toBe('INVALID_OPTION'))

  it('a category there is not is refused', () => {
    const limiter = rateLimit({ categories: { a: good } })
    expect(codeOf(() => limiter.decide({}, '__proto__' as 'a'))).toBe('INVALID_OPTION')
    expect(codeOf(() => flexibleStore({ a: {} as never }))).toBe('INVALID_OPTION')
  })
})
