import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyRing, keyRingFromEnv } from '../../src/keys/key-ring.ts'
import { PLACE, thrown } from '../envelope/places.ts'
import { ANY_CHARACTER } from '../support/characters.ts'

const hex = (): string => randomBytes(32).toString('hex')
const [raw, older, oldest] = [randomBytes(32), hex(), hex()]
const key = raw.toString('hex')

describe('a key', () => {
  it('is hexadecimal of either case or base64, and the same key either way', () => {
    const ids = [key, key.toUpperCase(), raw.toString('base64')].map((text) => keyRing({ key: text }).keyId)
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^[0-9a-f]{16}$/)
  })

  const base64 = raw.toString('base64')
  it.each<[string, unknown, string]>([
    ['undefined', undefined, 'type'],
    ['a Buffer', raw, 'type'],
    ['nothing', '', 'length'],
    ['a pass phrase', 'correct horse battery staple', 'length'],
    ['a pass phrase of 32 characters', 'correct horse battery staple 123', 'length'],
    ['a digit too few', key.slice(1), 'length'],
    ['a digit too many', `${key}0`, 'length'],
    ['a line break at the end', `${key}\n`, 'whitespace'],
    ['a space before', ` ${base64}`, 'whitespace'],
    ['64 characters, one not hexadecimal', `${key.slice(1)}g`, 'characters'],
    ['base64 for URLs', Buffer.alloc(32, 'ÿþý0').toString('base64url').padEnd(44, '='), 'characters'],
    ['base64 without padding', `${base64.slice(0, 43)}A`, 'characters'],
    ['stray bits', `${base64.slice(0, 42)}${base64[42] === 'B' ? 'C' : 'B'}=`, 'characters'],
    ['31 bytes', `${Buffer.alloc(31, key, 'hex').toString('base64')}`.padEnd(44, '='), 'characters'],
    ['33 bytes', Buffer.alloc(33, key, 'hex').toString('base64'), 'characters'],
    ['prefix 0x', `0x${key.slice(2)}`, 'characters'],
    ['zeros', '0'.repeat(64), 'placeholder'],
    ['zeros in base64', Buffer.alloc(32).toString('base64'), 'placeholder'],
    ['a repeated word', Buffer.alloc(32, 'change').toString('base64'), 'placeholder'],
  ])('is not %s', (_, text, reason) => {
    const error = thrown(() => keyRing({ key: text as string }))
    expect(error).toMatchObject({ code: 'KEY_INVALID', details: { key: 'key', reason } })
    const value = typeof text === 'string' && text.length > 8 ? text.trim() : key
    expect(error.message + JSON.stringify(error.details)).not.toContain(value)
    expect(thrown(() => keyRing({ key, retired: [older, text as string] })).details).toEqual({
      key: 'retired[1]',
      reason,
    })
  })

  it('is never made of anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: ANY_CHARACTER, maxLength: 70 }), (text) => {
        expect(thrown(() => keyRing({ key: text })).code).toBe('KEY_INVALID')
      }),
    )
  })
})

describe('a ring', () => {
  it('opens what its retired keys sealed, and seals under the current one', () => {
    for (const format of ['v1', 'v2'] as const) {
      const sealed = [older, oldest].map((text) => keyRing({ key: text, format }).seal(text, PLACE))
      const ring = keyRing({ key, retired: [older, oldest], format })
      expect(sealed.map((envelope) => ring.open(envelope, PLACE))).toEqual([older, oldest])
      expect(keyRing({ key }).open(ring.seal('x', PLACE), PLACE)).toBe('x')
      expect(ring.keyIds).toEqual([key, older, oldest].map((text) => keyRing({ key: text }).keyId))
    }
  })

  it('has each key once, in whatever spelling, and at most 16', () => {
    for (const twice of [
      { key, retired: [raw.toString('base64')] },
      { key: older, retired: [key, key.toUpperCase()] },
    ]) {
      expect(thrown(() => keyRing(twice)).details).toMatchObject({ reason: 'duplicate' })
    }
    const many = Array.from({ length: 16 }, hex)
    expect(keyRing({ key, retired: many.slice(1) }).keyIds).toHaveLength(16)
    expect(thrown(() => keyRing({ key, retired: many })).details).toEqual({ reason: 'count', keys: 17 })
  })

  it.each([
    ['format', { format: 'v3' }],
    ['format', { format: 'toString' }],
    ['acceptUnbound', { acceptUnbound: 'no' }],
    ['retired', { retired: older }],
  ])('refuses the option %s', (option, odd) => {
    expect(thrown(() => keyRing({ key, ...odd } as never))).toMatchObject({
      code: 'INVALID_OPTION',
      details: { option },
    })
  })

  it('shows ids and never keys', () => {
    const ring = keyRing({ key, retired: [older] })
    const { seal: _, ...copy } = { ...ring, seal: ring.seal }
    const shown = [
      inspect(ring, { depth: null, showHidden: true, getters: true }),
      JSON.stringify(ring),
      JSON.stringify(copy),
      String(ring),
      inspect(Object.getOwnPropertyDescriptors(ring), { depth: null }),
      inspect(thrown(() => ring.open('enc:v1:', PLACE))),
    ].join('\n')
    expect(shown).toContain(ring.keyId)
    for (const text of [key, older]) {
      const bytes = Buffer.from(text, 'hex')
      const list = [...bytes.subarray(0, 6)]
      for (const spelling of [text, bytes.toString('base64').slice(0, 20), list.join(', '), list.join(',')]) {
        expect(shown.toLowerCase()).not.toContain(spelling.toLowerCase())
      }
      expect(shown).not.toContain(bytes.toString('hex', 0, 6))
      expect(shown).not.toContain(
        bytes
          .toString('hex')
          .slice(0, 12)
          .replace(/..(?!$)/g, '$& '),
      )
    }
    expect(Object.isFrozen(ring) && Object.isFrozen(ring.keyIds)).toBe(true)
  })
})

describe('a ring from the environment', () => {
  const env = (SETTINGS_ENCRYPTION_KEY?: string, SETTINGS_ENCRYPTION_KEYS_RETIRED?: string) => ({
    SETTINGS_ENCRYPTION_KEY,
    SETTINGS_ENCRYPTION_KEYS_RETIRED,
  })

  it('has the key and the retired ones', () => {
    expect(keyRingFromEnv(env(key, ` ${older} , ${oldest}`)).keyIds).toEqual(
      keyRing({ key, retired: [older, oldest] }).keyIds,
    )
    for (const none of [undefined, '', '  ']) expect(keyRingFromEnv(env(key, none)).keyIds).toHaveLength(1)
    expect(keyRingFromEnv(env(key), { format: 'v2' }).seal('x', PLACE)).toMatch(/^enc:v2:/)
  })

  it.each([undefined, ''])('without a key (%j) neither seals nor opens', (none) => {
    const ring = keyRingFromEnv(env(none))
    expect([ring.keyId, ring.keyIds]).toEqual([null, []])
    const sealed = keyRing({ key }).seal('x', PLACE)
    for (const use of [
      () => ring.seal('x', PLACE),
      () => ring.open(sealed, PLACE),
      () => ring.openBytes(sealed, PLACE),
      () => ring.examine('not an envelope', PLACE),
      () => ring.reseal(sealed, PLACE),
    ]) {
      expect(thrown(use).code).toBe('KEY_MISSING')
    }
  })

  it('names the variable that is wrong', () => {
    expect(thrown(() => keyRingFromEnv(env('short'))).details).toEqual({
      key: 'SETTINGS_ENCRYPTION_KEY',
      reason: 'length',
    })
    expect(thrown(() => keyRingFromEnv(env(key, `${older},,`))).details).toEqual({
      key: 'SETTINGS_ENCRYPTION_KEYS_RETIRED[1]',
      reason: 'length',
    })
    expect(thrown(() => keyRingFromEnv(env('', older))).code).toBe('KEY_MISSING')
  })

  it('is of this process by default', () => {
    const before = process.env.SETTINGS_ENCRYPTION_KEY
    process.env.SETTINGS_ENCRYPTION_KEY = key
    try {
      expect(keyRingFromEnv().keyId).toBe(keyRing({ key }).keyId)
    } finally {
      if (before === undefined) delete process.env.SETTINGS_ENCRYPTION_KEY
      else process.env.SETTINGS_ENCRYPTION_KEY = before
    }
  })
})
