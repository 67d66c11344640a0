import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Argon2 } from '../../src/passwords/argon2.ts'
import { createPasswords, type Passwords } from '../../src/passwords/index.ts'
import { createPasswordsOn } from '../../src/passwords/passwords.ts'
import { countingArgon2 } from './counting.ts'

/** An argon2 whose work ends when the test says so. */
function heldArgon2() {
  const held: (() => void)[] = []
  const argon2: Argon2 = {
    hash: () => new Promise((resolve) => held.push(() => resolve('hash'))),
    verify: () => new Promise((resolve) => held.push(() => resolve(true))),
  }
  return { argon2: async () => argon2, held, finishOne: () => held.shift()?.() }
}

const codeOfEach = (results: PromiseSettledResult<unknown>[]): string[] =>
  results.map((result) => (result.status === 'fulfilled' ? 'done' : result.reason.code))
const count = <T>(list: readonly T[], what: T): number => list.filter((each) => each === what).length
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function until(passwords: Passwords, load: { running: number; waiting: number }): Promise<void> {
  for (let turns = 0; turns < 1_000; turns++) {
    if (JSON.stringify(passwords.load()) === JSON.stringify(load)) return
    await turn()
  }
  expect(passwords.load()).toEqual(load)
}

describe('a thousand logins at once', () => {
  it('are computed a few at a time while the event loop goes on, and too many are refused', {
    tags: 'slow',
  }, async () => {
    const counting = countingArgon2()
    const passwords = createPasswordsOn(counting.argon2, { maxConcurrent: 2, maxQueue: 60, maxWait: 600_000 })
    let [turns, over] = [0, false]
    const ticking = (async () => {
      while (!over) {
        await turn()
        turns += 1
      }
    })()
    const results = await Promise.allSettled(
      Array.from({ length: 1_000 }, () => passwords.verifyUnknown('a password')),
    )
    over = true
    await ticking
    const codes = codeOfEach(results)
    expect(count(codes, 'done')).toBe(62)
    expect(count(codes, 'SERVICE_UNAVAILABLE')).toBe(938)
    expect(results.at(-1)).toMatchObject({ reason: { status: 503, details: { reason: 'queue' } } })
    expect(counting.calls).toHaveLength(62)
    expect(counting.mostAtOnce()).toBe(2)
    // The loop came round at least once for every two that were computed.
    expect(turns).toBeGreaterThanOrEqual(31)
    expect(passwords.load()).toEqual({ running: 0, waiting: 0 })
  })

  it('are all served when the queue is long enough, in the order they came', async () => {
    const counting = countingArgon2(async () => ({
      hash: async () => '',
      verify: async () => {
        await turn()
        return false
      },
    }))
    const passwords = createPasswordsOn(counting.argon2, { maxConcurrent: 3, maxQueue: 1_000 })
    const done: number[] = []
    await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        passwords.verifyUnknown('a password').then(() => done.push(index)),
      ),
    )
    expect(counting.mostAtOnce()).toBe(3)
    expect(done).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  })

  it('count hashes of new passwords as well', async () => {
    const counting = countingArgon2()
    const passwords = createPasswordsOn(counting.argon2, { maxConcurrent: 1 })
    await Promise.all([1, 2, 3, 4].map((n) => (n % 2 ? passwords.hash('a') : passwords.verifyUnknown('a'))))
    expect([counting.calls.length, counting.mostAtOnce()]).toEqual([4, 1])
  })

  it('leave a thread of the pool to others by default', async () => {
    const { argon2, finishOne } = heldArgon2()
    const passwords = createPasswordsOn(argon2)
    const all = Array.from({ length: 20 }, () => passwords.verifyUnknown('a'))
    await turn()
    expect(passwords.load().running).toBeLessThan(Number(process.env.UV_THREADPOOL_SIZE ?? 4))
    expect(passwords.load().running).toBeGreaterThan(0)
    for (; passwords.load().running > 0; await turn()) finishOne()
    await Promise.all(all)
  })
})

describe('waiting for a turn', () => {
  afterEach(() => vi.restoreAllMocks())

  it('ends when the caller gives up; its place goes to the next', async () => {
    const { argon2, finishOne } = heldArgon2()
    const passwords = createPasswordsOn(argon2, { maxConcurrent: 1, maxQueue: 2 })
    const leaving = new AbortController()
    const first = passwords.verifyUnknown('a')
    const second = passwords.verifyUnknown('a', { signal: leaving.signal })
    const third = passwords.verifyUnknown('a')
    await until(passwords, { running: 1, waiting: 2 })
    leaving.abort()
    await expect(second).rejects.toMatchObject({ code: 'ABORTED', status: 499 })
    expect(passwords.load()).toEqual({ running: 1, waiting: 1 })
    finishOne()
    await first
    await until(passwords, { running: 1, waiting: 0 })
    finishOne()
    await third
    expect(passwords.load()).toEqual({ running: 0, waiting: 0 })
  })

  it('does not begin for a caller who has given up already', async () => {
    const { argon2, held } = heldArgon2()
    const passwords = createPasswordsOn(argon2, { maxConcurrent: 1 })
    await expect(passwords.hash('a', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect([held.length, passwords.load().running]).toEqual([0, 0])
  })

  it('does not take the place back from work that has begun', async () => {
    const { argon2, finishOne } = heldArgon2()
    const passwords = createPasswordsOn(argon2, { maxConcurrent: 1 })
    const leaving = new AbortController()
    const first = passwords.verifyUnknown('a', { signal: leaving.signal })
    await until(passwords, { running: 1, waiting: 0 })
    leaving.abort()
    const second = passwords.verifyUnknown('a')
    await until(passwords, { running: 1, waiting: 1 })
    finishOne()
    await first
    await until(passwords, { running: 1, waiting: 0 })
    finishOne()
    await second
  })

  it('ends after maxWait', async () => {
    const { argon2, finishOne } = heldArgon2()
    const passwords = createPasswordsOn(argon2, { maxConcurrent: 1, maxWait: 1 })
    const first = passwords.verifyUnknown('a')
    await expect(passwords.verifyUnknown('a')).rejects.toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      details: { reason: 'wait' },
    })
    finishOne()
    await first
    expect(passwords.load()).toEqual({ running: 0, waiting: 0 })
  })

  it('leaves nothing behind: no listener on the signal, no timer', async () => {
    // Not those of the process: other files share it.
    const made = vi.spyOn(globalThis, 'setTimeout')
    const cleared = vi.spyOn(globalThis, 'clearTimeout')
    const timers = () => {
      const gone = new Set(cleared.mock.calls.map(([timer]) => timer))
      return made.mock.results.filter(({ value }) => !gone.has(value)).length
    }
    const { argon2, finishOne } = heldArgon2()
    const passwords = createPasswordsOn(argon2, { maxConcurrent: 1, maxWait: 600_000 })
    const { signal } = new AbortController()
    const first = passwords.verifyUnknown('a')
    const others = Array.from({ length: 50 }, () => passwords.verifyUnknown('a', { signal }))
    await until(passwords, { running: 1, waiting: 50 })
    expect([getEventListeners(signal, 'abort').length, timers()]).toEqual([50, 50])
    for (let waiting = 50; waiting >= 0; waiting--) {
      await until(passwords, { running: 1, waiting })
      finishOne()
    }
    await Promise.all([first, ...others])
    expect([getEventListeners(signal, 'abort').length, timers()]).toEqual([0, 0])
  })

  it('gives the place back when the work fails', async () => {
    const passwords = createPasswordsOn(
      async () => ({ hash: () => Promise.reject(new Error('out of memory')), verify: async () => false }),
      { maxConcurrent: 1 },
    )
    await expect(passwords.hash('a')).rejects.toThrow()
    expect(await passwords.verifyUnknown('a')).toEqual({ valid: false, needsRehash: false })
    expect(passwords.load()).toEqual({ running: 0, waiting: 0 })
  })
})

describe('options', () => {
  it.each([
    [{ memoryCost: 7_167, timeCost: 64 }, 'memoryCost'],
    // Each is allowed by itself; together they are cheaper than anything OWASP lists.
    [{ memoryCost: 19_456, timeCost: 1 }, 'memoryCost'],
    [{ memoryCost: 7_168, timeCost: 4 }, 'memoryCost'],
    [{ memoryCost: 2 ** 31 }, 'memoryCost'],
    [{ timeCost: 0 }, 'timeCost'],
    [{ timeCost: 2.5 }, 'timeCost'],
    [{ timeCost: '2' }, 'timeCost'],
    [{ parallelism: 0 }, 'parallelism'],
    [{ maxConcurrent: 0 }, 'maxConcurrent'],
    [{ maxConcurrent: Number(process.env.UV_THREADPOOL_SIZE ?? 4) }, 'maxConcurrent'],
    [{ maxQueue: -1 }, 'maxQueue'],
    [{ maxQueue: Number.POSITIVE_INFINITY }, 'maxQueue'],
    [{ maxWait: 0 }, 'maxWait'],
    [{ maxBytes: 63 }, 'maxBytes'],
    [{ maxStoredCost: Number.NaN }, 'maxStoredCost'],
    [{ memory: 19_456 }, 'memory'],
    [JSON.parse('{"__proto__": 1}'), '__proto__'],
    [null, 'options'],
  ])('%j are refused', (options, option) => {
    expect(() => createPasswords(options as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: { option } }),
    )
  })

  it.each([
    { memoryCost: 47_104, timeCost: 1 },
    { memoryCost: 12_288, timeCost: 3 },
    { memoryCost: 9_216, timeCost: 4 },
    { memoryCost: 7_168, timeCost: 5 },
  ])('%j, which OWASP lists as equal, are accepted', async (options) => {
    const passwords = createPasswords(options)
    expect(await passwords.verify('a', await passwords.hash('a'))).toEqual({
      valid: true,
      needsRehash: false,
    })
  })
})
