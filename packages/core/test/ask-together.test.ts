import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, expect, it } from 'vitest'
import { askTogether } from '../src/index.ts'

/** Answers when it is told to. */
function held() {
  const asked: { keys: readonly string[]; answer: () => void; fail: (error: Error) => void }[] = []
  const of = askTogether((keys: readonly string[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<Map<string, string>>()
    asked.push({ keys, answer: () => resolve(new Map(keys.map((key) => [key, `of ${key}`]))), fail: reject })
    return promise
  })
  return { asked, of }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('asking together', () => {
  it('sends what is asked meanwhile behind the answer, never with what is under way', async () => {
    const { asked, of } = held()
    const first = of('a')
    await turn()
    // The same key again: the question under way may be older than what made somebody ask.
    const later = Promise.all([of('a'), of('b'), of('b')])
    expect(asked.map(({ keys }) => keys)).toEqual([['a']])
    asked[0]?.answer()
    expect(await first).toBe('of a')
    await turn()
    expect(asked.map(({ keys }) => keys)).toEqual([['a'], ['a', 'b']])
    asked[1]?.answer()
    expect(await later).toEqual(['of a', 'of b', 'of b'])
  })

  it('tells each of a failure, and goes on', async () => {
    const { asked, of } = held()
    const both = Promise.allSettled([of('a'), of('b')])
    await turn()
    asked[0]?.fail(new Error('down'))
    expect((await both).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const next = of('a')
    await turn()
    asked[1]?.answer()
    expect(await next).toBe('of a')
  })

  it('does not wait for ever for a question that is never answered', async () => {
    const { asked, of } = held()
    void of('lost')
    await turn()
    const next = of('a')
    await expect.poll(() => asked.length).toBe(2)
    asked[1]?.answer()
    expect(await next).toBe('of a')
  })

  it('asks in the context of nobody, so that one of many is in no transaction of another', async () => {
    const transaction = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const of = askTogether(async (keys: readonly string[]) => {
      seen.push(transaction.getStore())
      return new Map(keys.map((key) => [key, key]))
    })
    await Promise.all([transaction.run('of a', () => of('a')), of('b')])
    expect(seen).toEqual([undefined])
    expect(await transaction.run('of a', async () => (await of('a')) && transaction.getStore())).toBe('of a')
  })

  it('says undefined of what was not answered', async () => {
    const of = askTogether(async () => new Map<string, string>())
    expect(await of('nobody')).toBeUndefined()
  })
})
