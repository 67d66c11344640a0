import type { Contender } from '../measure/interleave.ts'

/**
 * A contender that does its work many times in one go: the clock is read between two operations, and that would be
 * felt where one takes a microsecond. Contenders that are compared do it equally often.
 */
export function batch(name: string, times: number, work: (at: number) => unknown): Contender {
  return {
    name,
    run: async () => {
      for (let at = 0; at < times; at++) {
        const result = work(at)
        if (result instanceof Promise) await result
      }
    },
  }
}
