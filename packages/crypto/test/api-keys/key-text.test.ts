import { crc32 as zlibCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomBase62, toBase62 } from '../../src/api-keys/base62.ts'
import { checksum, crc32 } from '../../src/api-keys/checksum.ts'
import { apiKeyPattern, parseApiKey } from '../../src/api-keys/index.ts'
import { makeKeyText } from '../../src/api-keys/key-text.ts'
import { replaceAt } from './support.ts'

const KEY = makeKeyText('pgt', 'live').key
const reasonOf = (text: unknown): unknown => {
  try {
    parseApiKey(text)
    return 'accepted'
  } catch (error) {
    expect(error).toMatchObject({ code: 'INVALID_TOKEN', status: 401 })
    return (error as { details: { reason: unknown } }).details.reason
  }
}
const anyKey = fc
  .record({ prefix: fc.stringMatching(/^[a-z][a-z0-9]{1,15}$/), env: fc.constantFrom('live', 'test') })
  .map(({ prefix, env }) => ({ prefix, env, ...makeKeyText(prefix, env as 'live' | 'test') }))

describe('the text of a key', () => {
  it('has the form that the documentation gives, and parses into its parts without the secret', () => {
    fc.assert(
      fc.property(anyKey, ({ prefix, env, key, presented }) => {
        expect(key).toMatch(/^[a-z][a-z0-9]{1,15}_(live|test)_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}$/)
        expect(parseApiKey(key)).toEqual({ prefix, env, keyId: presented.keyId })
        expect(presented.secret).toHaveLength(43)
      }),
    )
  })

  it('is found in any text by the pattern for scanners, and only with its own prefix', () => {
    const text = `curl -H "Authorization: Bearer ${KEY}" https://example.test/?key=${KEY}\n`
    expect(text.match(apiKeyPattern())).toEqual([KEY, KEY])
    expect(text.replace(apiKeyPattern(), '[key]')).not.toContain(KEY.slice(-49))
    expect(text.match(apiKeyPattern('acme'))).toBeNull()
    expect(() => apiKeyPattern('a.*')).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })

  it('is drawn from all 62 characters alike', () => {
    const counts = new Map<string, number>()
    const draws = 62 * 2_000
    for (const character of randomBase62(draws)) counts.set(character, (counts.get(character) ?? 0) + 1)
    expect(counts.size).toBe(62)
    const chiSquare = [...counts.values()].reduce((sum, n) => sum + (n - 2_000) ** 2 / 2_000, 0)
    // 61 degrees of freedom: above 150 once in a hundred million runs; a plain `byte % 62` gives about 900.
    expect(chiSquare).toBeLessThan(150)
  })
})

describe('the checksum', () => {
  it('is CRC-32 as everyone computes it', () => {
    expect(crc32('123456789')).toBe(0xcbf43926)
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]*$/), (text) => {
        expect(crc32(text)).toBe(zlibCrc32(text))
      }),
    )
    expect(toBase62(0, 6)).toBe('000000')
    expect(toBase62(0xffffffff, 6)).toBe('4gfFC3')
    expect(checksum('123456789')).toBe(toBase62(0xcbf43926, 6))
  })

  it('refuses every single mistyped character', () => {
    // All 61 others at each of the 65 places of key id, secret and checksum.
    for (let index = 'pgt_live_'.length; index < KEY.length; index++) {
      if (KEY[index] === '_') continue
      for (let step = 1; step < 62; step++) expect(reasonOf(replaceAt(KEY, index, step))).toBe('checksum')
    }
  })

  it('refuses every two neighbours exchanged, of any key', () => {
    fc.assert(
      fc.property(anyKey, ({ key }) => {
        for (let index = 0; index + 1 < key.length; index++) {
          const [one, two] = [key[index], key[index + 1]]
          if (one === two) continue
          expect(reasonOf(key.slice(0, index) + two + one + key.slice(index + 2))).not.toBe('accepted')
        }
      }),
      { numRuns: 50 },
    )
  })

  it('refuses a character left out, doubled or put in', () => {
    for (let index = 0; index < KEY.length; index++) {
      expect(reasonOf(KEY.slice(0, index) + KEY.slice(index + 1))).not.toBe('accepted')
      expect(reasonOf(KEY.slice(0, index) + KEY[index] + KEY.slice(index))).not.toBe('accepted')
    }
  })

  it('covers prefix and environment: a test key edited into a live one is a typo', () => {
    const { key } = makeKeyText('pgt', 'test')
    expect(reasonOf(key.replace('_test_', '_live_'))).toBe('checksum')
    expect(reasonOf(key.replace('pgt_', 'pgx_'))).toBe('checksum')
  })
})

describe('texts that are no keys', () => {
  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a number', 42],
    ['an array of a key', [KEY]],
    ['an object that prints as a key', { toString: () => KEY, length: 1 }],
    ['a String object', Object(KEY)],
    ['the empty text', ''],
    ['a space before', ` ${KEY}`],
    ['a space after', `${KEY} `],
    ['a newline after', `${KEY}\n`],
    ['a NUL after', `${KEY}\0`],
    ['a soft hyphen inside', `${KEY.slice(0, 30)}\u00ad${KEY.slice(30)}`],
    ['full-width digits', KEY.replace(/\d/, '\uff11').replace(/[A-Z]/, '\uff21')],
    ['a Cyrillic "a"', `${KEY.slice(0, 20)}\u0430${KEY.slice(21)}`],
    ['a lone surrogate', `${KEY.slice(0, 20)}\ud800${KEY.slice(21)}`],
    ['upper case', KEY.toUpperCase()],
    ['another environment', KEY.replace('live', 'prod')],
    ['no environment', KEY.replace('_live', '')],
    ['its own name twice', KEY + KEY],
    ['a megabyte', KEY + 'A'.repeat(1 << 20)],
    ['a prototype name', '__proto__'],
    ['prototype names as parts', 'constructor_live___proto______________'],
    ['SQL', `pgt_live_' or true --_${'A'.repeat(49)}`],
  ])('%s is refused by its form', (_, text) => {
    expect(reasonOf(text)).toBe('format')
  })

  it('are refused whatever they are', () => {
    fc.assert(
      fc.property(fc.anything(), (text) => {
        expect(['format', 'checksum']).toContain(reasonOf(text))
      }),
    )
  })
})
