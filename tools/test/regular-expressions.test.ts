// @module-tag sampled
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { apiKeyPattern } from '../../packages/crypto/src/api-keys/key-text.ts'
import { collectRegexes, regexesOf } from '../regex/collect.ts'

/**
 * No expression in the sources can need more than time linear in its input: the largest there is stops a process for
 * everybody, and most of what is matched comes from people nobody has authenticated yet (hazard ac).
 */

const root = fileURLToPath(new URL('../..', import.meta.url))

let complexity: (source: string, flags: string) => string

beforeAll(async () => {
  // In this process: no Java, no binary, no second process to wait for.
  process.env.RECHECK_BACKEND = 'pure'
  const { checkSync } = await import('recheck')
  complexity = (source, flags) => {
    // Without limits of time, of any part of it, and without trying it out: a busy machine must not change an answer, and what
    // takes longer than such a limit counts as found.
    const found = checkSync(source, flags, {
      timeout: null,
      attackTimeout: null,
      incubationTimeout: null,
      seedingTimeout: null,
      recallTimeout: -1,
      randomSeed: 1,
    })
    if (found.status === 'unknown') return `unknown (${found.error.kind})`
    return found.status === 'safe' ? 'linear' : found.complexity.summary
  }
})

describe('regular expressions', () => {
  // All of them take two minutes and more of a processor: the slow set, which CI runs, looks at each.
  const [step, parts] = process.env.TEST_SLOW ? [1, 12] : [100, 1]
  const { regexes, unreadable } = collectRegexes(root)
  const places = new Map<string, string[]>()
  beforeAll(() => {
    for (const { source, flags, place } of regexes) {
      const key = JSON.stringify([source, flags])
      places.set(key, [...(places.get(key) ?? []), place])
    }
  })

  it.each(Array.from({ length: parts }, (_, at) => at + 1))(`are linear, part %i of ${parts}`, (part) => {
    const looked = [...places].filter(
      (_, at) => at % step === 1 % step && Math.floor(at / step) % parts === part - 1,
    )
    const slow = looked.flatMap(([key, where]) => {
      const [source, flags] = JSON.parse(key) as [string, string]
      const found = complexity(source, flags)
      return found === 'linear' ? [] : [`${where.join(', ')}: /${source}/${flags} is ${found}`]
    })
    expect(slow).toEqual([])
    expect(looked.length).toBeGreaterThan(0)
    expect(places.size).toBeGreaterThan(150)
  })

  it('are made of constants, so that they can be checked', () => {
    // Made of a prefix of 2 to 16 letters and digits; checked as it comes out.
    expect(unreadable).toEqual([expect.stringMatching(/^packages\/crypto\/src\/api-keys\/key-text\.ts:\d+$/)])
    const { source, flags } = apiKeyPattern()
    expect(complexity(source, flags)).toBe('linear')
  })

  it.each([
    ['a split that drops blanks', '[ \\t]*,[ \\t]*', '2nd degree polynomial'],
    ['a value up to its last blanks', '^host=(.*?)[ \\t]*$', '2nd degree polynomial'],
    ['the end without its padding', '=+$', '2nd degree polynomial'],
    ['nested repetition', '^(a+)+$', 'exponential'],
    ['the same, one at a time', '^[^,]*,', 'linear'],
  ])('the check tells %s', (_, source, expected) => {
    expect(complexity(source, '')).toBe(expected)
  })

  it('the search finds them in whatever form they are written', () => {
    const found = regexesOf(
      'a.ts',
      [
        'const A = /a+$/gi',
        "const PART = '[a-z]'",
        // biome-ignore lint/suspicious/noTemplateCurlyInString: the template is the source that is searched
        'const B = new RegExp(`^${PART}$`)',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: as above
        'const C = RegExp(String.raw`\\d${PART}`, "u")',
        'const D = (x: string) => new RegExp(x)',
      ].join('\n'),
    )
    expect(found).toEqual({
      regexes: [
        { source: 'a+$', flags: 'gi', place: 'a.ts:1' },
        { source: '^[a-z]$', flags: '', place: 'a.ts:3' },
        { source: '\\d[a-z]', flags: 'u', place: 'a.ts:4' },
      ],
      unreadable: ['a.ts:5'],
    })
  })
})
