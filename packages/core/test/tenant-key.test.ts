import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  DEFAULT_PREFIX,
  isTenancyError,
  MAX_IDENTIFIER_BYTES,
  parsePrefix,
  parseTenantKey,
} from '../src/index.ts'
import { ANY_CHARACTER } from './characters.ts'

/** Why a key is refused, or `accepted`. */
function verdict(value: unknown, prefix?: string): unknown {
  try {
    expect(parseTenantKey(value, prefix === undefined ? {} : { prefix })).toBe(value)
    return 'accepted'
  } catch (error) {
    if (!isTenancyError(error, 'INVALID_TENANT_KEY')) throw error
    expect(error.message).not.toContain(typeof value === 'string' && value.length > 20 ? value : '\0')
    return error.details.reason
  }
}

const text = (alphabet: string, minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength, maxLength })

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
const validPrefix = fc.oneof(
  fc.constantFrom('', 'c_', 'p', 'pg', 'pub', 'information_', 'a'.repeat(31)),
  fc
    .tuple(text(`${LETTERS}_`, 1, 1), text(`${LETTERS}0123456789_-`, 0, 30))
    .map((parts) => parts.join(''))
    .filter((prefix) => !prefix.startsWith('pg_')),
)
/** Half of them valid or nearly, so that both answers are met often. */
const anyKey = fc.oneof(
  text(`${LETTERS}0123456789_-`, 0, 70),
  text('ab-_', 1, 6),
  fc.string({ unit: ANY_CHARACTER, maxLength: 70 }),
  fc.constantFrom('public', 'lic', 'g_x', 'pg_catalog', 'schema', 'information_schema', 'none', 'acme'),
)

describe('parseTenantKey, for any key and prefix', () => {
  it('returns the very same string or refuses with a reason', () => {
    const met = new Map<unknown, number>()
    fc.assert(
      fc.property(anyKey, validPrefix, (key, prefix) => {
        const found = verdict(key, prefix)
        met.set(found, (met.get(found) ?? 0) + 1)
      }),
      { numRuns: 2_000, seed: 20_240_229 },
    )
    expect([...met.keys()].sort()).toEqual(['accepted', 'characters', 'empty', 'length', 'reserved'])
    expect(met.get('accepted')).toBeGreaterThan(200)
  })

  it('accepts only what fits PostgreSQL as schema and role name, letter for letter', () => {
    fc.assert(
      fc.property(anyKey, validPrefix, (key, prefix) => {
        fc.pre(verdict(key, prefix) === 'accepted')
        const name = prefix + key
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63)
        // Survives both quoting and folding: PostgreSQL cannot make another name of it.
        expect(name).toMatch(/^[a-z0-9_][a-z0-9_-]*$/)
        expect(name.toLowerCase().normalize('NFKC')).toBe(name)
        expect(name).not.toMatch(/^(pg_|public$|information_schema$)/)
        expect(key).not.toMatch(/-$/)
      }),
      { numRuns: 2_000 },
    )
  })

  it('gives distinct keys distinct names', () => {
    const seen = new Map<string, string>()
    fc.assert(
      fc.property(anyKey, (key) => {
        fc.pre(verdict(key) === 'accepted')
        const name = (DEFAULT_PREFIX + parseTenantKey(key)).slice(0, MAX_IDENTIFIER_BYTES)
        expect(seen.get(name) ?? key).toBe(key)
        seen.set(name, key)
      }),
      { numRuns: 2_000 },
    )
    expect(seen.size).toBeGreaterThan(100)
  })

  it('reaches no reserved name, however prefix and key share it', () => {
    const reserved = ['public', 'information_schema', 'pg_catalog', 'pg_temp', 'pg_toast', 'pg_x', 'none']
    for (const name of reserved) {
      for (let cut = 0; cut < name.length; cut++) {
        const [prefix, key] = [name.slice(0, cut), name.slice(cut)]
        if (prefix.startsWith('pg_') || !/^[a-z0-9]/.test(key)) continue
        expect([prefix, key, verdict(key, parsePrefix(prefix))]).toEqual([prefix, key, 'reserved'])
      }
    }
  })
})

describe('parseTenantKey', () => {
  it.each(['a', '1', 'acme', 'acme-1', 'acme_1', 'a--b', 'a__b', 'a_', '0x', 'constructor', 'tostring'])(
    'accepts %j',
    (key) => expect(verdict(key)).toBe('accepted'),
  )

  it('keeps acme-1 and acme_1 apart', () => {
    expect(parseTenantKey('acme-1')).not.toBe(parseTenantKey('acme_1'))
  })

  it.each([
    'Acme',
    'ACME',
    'acme-',
    '-acme',
    '_acme',
    '__proto__',
    'hasOwnProperty',
    ' acme',
    'acme ',
    'acme\n',
    'acme\0',
    '\0',
    'ac.me',
    'ac me',
    'acme"; drop schema c_globex; --',
    "acme'",
    'acme/..',
    'açme',
    'ａｃｍｅ',
    'аcme', // Cyrillic а
    'acme\u200b',
    'ﬁrm',
    'K', // Kelvin sign, which lower-cases to k
    'ſ', // long s, which upper-cases to S
    '🎉',
    '\ud800',
  ])('refuses the characters of %j', (key) => expect(verdict(key)).toBe('characters'))

  it('counts bytes with the prefix: the last one that fits, and one more', () => {
    expect(verdict('a'.repeat(61))).toBe('accepted')
    expect(verdict('a'.repeat(62))).toBe('length')
    expect(verdict('a'.repeat(63), '')).toBe('accepted')
    expect(verdict('a'.repeat(64), '')).toBe('length')
    expect(verdict('a'.repeat(32), 'p'.repeat(31))).toBe('accepted')
    expect(verdict('a'.repeat(33), 'p'.repeat(31))).toBe('length')
    // 40 characters, but 80 bytes
    expect(verdict('é'.repeat(40))).toBe('length')
  })

  it('refuses the empty string', () => expect(verdict('')).toBe('empty'))

  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a number', 1],
    ['a bigint', 1n],
    ['true', true],
    ['a symbol', Symbol('acme')],
    ['an array of one', ['acme']],
    ['an object', { acme: 1 }],
    ['an object that turns into a key', { toString: () => 'acme', valueOf: () => 'acme' }],
    ['an object with toPrimitive', { [Symbol.toPrimitive]: () => 'acme' }],
    ['a String object', Object('acme')],
    ['a buffer', Buffer.from('acme')],
    ['a function', () => 'acme'],
    ['an object without prototype', Object.create(null)],
  ])('refuses %s', (_, value) => expect(verdict(value)).toBe('type'))

  it('refuses a huge string without looking at it', () => {
    // Looking at each character, even at a thousand million a second, would take minutes here.
    const huge = 'a'.repeat(2 ** 28)
    for (let time = 0; time < 10_000; time++) {
      expect(() => parseTenantKey(huge)).toThrow(expect.objectContaining({ details: { reason: 'length' } }))
    }
  })
})

describe('parsePrefix', () => {
  it.each(['', 'c_', '_', 'tenant-', 'a1', 'pg', 'p', 'x'.repeat(31)])('accepts %j', (prefix) =>
    expect(parsePrefix(prefix)).toBe(prefix),
  )

  it.each([
    'pg_',
    'pg_c',
    'C_',
    '1c',
    '-c',
    'c"',
    'c.',
    'é',
    'c\n',
    'x'.repeat(32),
    null,
    undefined,
    1,
    ['c_'],
  ])('refuses %j', (prefix) => {
    expect(() => parsePrefix(prefix)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', details: { option: 'prefix' } }),
    )
  })
})
