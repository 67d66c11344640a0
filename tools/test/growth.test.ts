// @module-tag sampled
import { afterAll, describe, expect, it } from 'vitest'
import { cpuOf, openWorkCounter } from '../growth/count-work.ts'
import { SHAPES } from '../growth/shapes.ts'

/**
 * Twice the input is at most 2.5 times the work, for everything that reads what strangers send (hazard ac). Counted
 * exactly for inputs that are read, and measured for those beyond every bound, where a quadratic step would take minutes.
 */

// Before what it counts is compiled: V8 puts its counters into the code then.
const counter = await openWorkCounter()
const { READERS } = await import('../growth/readers.ts')
const { firstWords } = await import('../../packages/pg-tenant/src/sql/first-words.ts')
afterAll(() => counter.close())

// Every sixth reader here, all in the slow set, which CI runs.
const LOOKED = READERS.filter((_, at) => process.env.TEST_SLOW || at % 6 === 0)

describe.each(LOOKED)('%s', (_, read) => {
  it('is read in steps that grow with its length', async () => {
    for (const [name, shape] of SHAPES) {
      let small = await counter.countOf(() => read(shape(3_024)))
      let large = await counter.countOf(() => read(shape(6_048)))
      // Once more where they differ: what V8 throws away of the code between the two counts is missing in the first.
      if (large > 2.5 * small + 500) {
        small = await counter.countOf(() => read(shape(3_024)))
        large = await counter.countOf(() => read(shape(6_048)))
      }
      expect(large, `${name}: ${small} steps, then ${large}`).toBeLessThanOrEqual(2.5 * small + 500)
    }
  })

  it('takes twice as long at most for 250 kB as for half of it', { tags: 'slow' }, async () => {
    for (const [name, shape] of SHAPES) {
      const small = await cpuOf(() => read(shape(126_000)))
      let large = await cpuOf(() => read(shape(252_000)))
      // Once more, where V8 has cleaned up meanwhile.
      if (large > 2.5 * Math.max(small, 40)) large = Math.min(large, await cpuOf(() => read(shape(252_000))))
      // Below 40 ms it is noise; a quadratic step would be half a minute.
      expect(large, `${name}: ${small} ms, then ${large} ms`).toBeLessThanOrEqual(2.5 * Math.max(small, 40))
    }
  })
})

describe('the measures', () => {
  it('count a loop within a loop', async () => {
    const quadratic = (text: string) => {
      for (let from = 0; from < text.length; from += 64) firstWords(text.slice(from))
    }
    const small = await counter.countOf(() => quadratic(' '.repeat(3_024)))
    const large = await counter.countOf(() => quadratic(' '.repeat(6_048)))
    expect(small).toBeGreaterThan(3_024 * 10)
    expect(large).toBeGreaterThan(2.5 * small + 500)
    expect(await counter.countOf(() => quadratic(' '.repeat(3_024)))).toBe(small)
  })

  it('tell an expression that tries again from every place', { tags: 'slow' }, async () => {
    const split = (text: string) => text.split(/[ \t]*,[ \t]*/)
    // The first time it is interpreted, which takes several times as long, and compiled from then on.
    split(`a${' '.repeat(10_000)}b`)
    const small = await cpuOf(() => split(`a${' '.repeat(10_000)}b`))
    const large = await cpuOf(() => split(`a${' '.repeat(40_000)}b`))
    // Four times as long a text: sixteen times where each place is tried, four where it is not.
    expect(large).toBeGreaterThan(8 * small)
  })
})
