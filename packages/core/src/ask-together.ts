import { AsyncLocalStorage } from 'node:async_hooks'

/** What takes longer, in milliseconds, is not waited for by those who come meanwhile: its connection may be dead. */
const PATIENCE = 20
// Not of whoever asks first: neither that one's tenant nor its transaction is the others'.
const outside = AsyncLocalStorage.snapshot()

/**
 * Asks of many at once: what is asked while one question is under way goes out with the next, so that a busy process sends few
 * statements where each request would have sent its own. Every answer was asked for after its call, in no request's context
 * (`AsyncLocalStorage`).
 *
 * @param ask of one or more keys; what it does not answer is `undefined`, what it rejects with is rejected for each of them
 * @example
 * ```ts
 * import { askTogether } from '@org/core'
 *
 * const asked: string[][] = []
 * const nameOf = askTogether(async (ids: readonly string[]) => {
 *   asked.push([...ids])
 *   return new Map(ids.map((id) => [id, `name of ${id}`]))
 * })
 * await Promise.all([nameOf('1'), nameOf('2'), nameOf('1')]) // → ['name of 1', 'name of 2', 'name of 1']
 * asked // → [['1', '2']]
 * ```
 */
export function askTogether<K, V>(
  ask: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
): (key: K) => Promise<V | undefined> {
  type Waiting = Map<K, PromiseWithResolvers<V | undefined>>
  let waiting: Waiting = new Map()
  let running: object | undefined

  const send = (): void => {
    const sent = waiting
    const mine = {}
    waiting = new Map()
    running = mine
    const next = () => {
      if (running !== mine) return
      running = undefined
      if (waiting.size > 0) send()
    }
    const patience = setTimeout(next, PATIENCE)
    const done = () => {
      clearTimeout(patience)
      next()
    }
    void outside(() => answer(ask, sent).then(done))
  }
  return (key) => {
    const known = waiting.get(key)
    if (known) return known.promise
    const asks = Promise.withResolvers<V | undefined>()
    waiting.set(key, asks)
    // In a moment: those of the same turn go together.
    if (waiting.size === 1) queueMicrotask(() => running === undefined && waiting.size > 0 && send())
    return asks.promise
  }
}

async function answer<K, V>(
  ask: (keys: readonly K[]) => Promise<ReadonlyMap<K, V>>,
  waiting: ReadonlyMap<K, PromiseWithResolvers<V | undefined>>,
): Promise<void> {
  try {
    const answers = await ask([...waiting.keys()])
    for (const [key, { resolve }] of waiting) resolve(answers.get(key))
  } catch (error) {
    for (const { reject } of waiting.values()) reject(error)
  }
}
