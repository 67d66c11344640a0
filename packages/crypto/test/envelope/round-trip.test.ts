import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyRing } from '../../src/keys/key-ring.ts'
import { ANY_CHARACTER } from '../support/characters.ts'
import { PLACE, thrown } from './places.ts'

const key = randomBytes(32).toString('hex')
const older = randomBytes(32).toString('base64')
const rings = (['v1', 'v2'] as const).map((format) => keyRing({ key, format }))
const text = fc.string({ unit: 'grapheme', maxLength: 80 })
const part = fc
  .string({ unit: ANY_CHARACTER, minLength: 1, maxLength: 60 })
  .filter((value) => value.isWellFormed())

describe.each(rings.map((ring, at) => ({ ring, format: `v${at + 1}` })))(
  '$format round trip',
  ({ ring, format }) => {
    it('any text comes back, in any place', () => {
      fc.assert(
        fc.property(text, part, part, part, (plaintext, tenant, table, name) => {
          const place = { tenant, table, name }
          const envelope = ring.seal(plaintext, place)
          expect(envelope.startsWith(`enc:${format}:`)).toBe(true)
          expect(ring.open(envelope, place)).toBe(plaintext)
        }),
      )
    })

    it('any bytes come back', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
          expect(Buffer.from(ring.openBytes(ring.seal(bytes, PLACE), PLACE))).toEqual(Buffer.from(bytes))
        }),
      )
    })

    it.each([
      '',
      'enc:v1:',
      'enc:v1:AAAA',
      'enc:v2:812a955db2927344:AAAA',
      '\0',
      '\ufeffbyte order mark',
      '__proto__',
      'a'.repeat(1024 * 1024),
      'é🔑'.repeat(100_000),
    ])('awkward text %#', (plaintext) => {
      expect(ring.open(ring.seal(plaintext, PLACE), PLACE)).toBe(plaintext)
      const twice = ring.seal(ring.seal(plaintext, PLACE), PLACE)
      expect(ring.open(ring.open(twice, PLACE), PLACE)).toBe(plaintext)
    })

    it('bytes that are not UTF-8 come back as bytes, and never as text with characters replaced', () => {
      const envelope = ring.seal(Buffer.from([0x68, 0xff, 0x69]), PLACE)
      expect(Buffer.from(ring.openBytes(envelope, PLACE)).toString('hex')).toBe('68ff69')
      expect(thrown(() => ring.open(envelope, PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    })

    it('1 MiB of bytes', () => {
      const bytes = randomBytes(1024 * 1024)
      expect(bytes.equals(ring.openBytes(ring.seal(bytes, PLACE), PLACE))).toBe(true)
    })

    it('the same secret is never written the same way', () => {
      const many = Array.from({ length: 200 }, () => ring.seal('same', PLACE))
      expect(new Set(many).size).toBe(200)
      // Nor do two share their iv or salt.
      const head = format === 'v1' ? 7 : 24
      expect(new Set(many.map((envelope) => envelope.slice(head, head + 16))).size).toBe(200)
    })
  },
)

describe('what is not sealed', () => {
  it.each([
    ['half a surrogate pair', 'a\ud800', 'plaintext'],
    ['a number', 42, 'plaintext'],
    ['null', null, 'plaintext'],
    ['an array', [1, 2], 'plaintext'],
    ['more than 64 MiB', Buffer.alloc(64 * 1024 * 1024 + 1), 'plaintext'],
    ['more than 64 MiB of text', 'a'.repeat(64 * 1024 * 1024 + 1), 'plaintext'],
  ])('%s', (_, plaintext, field) => {
    const error = thrown(() => rings[0]!.seal(plaintext as string, PLACE))
    expect(error).toMatchObject({ code: 'VALIDATION_ERROR', details: { field } })
  })

  it.each([
    ['no place', null, 'tenant'],
    ['no tenant', { ...PLACE, tenant: '' }, 'tenant'],
    ['a table that is no string', { ...PLACE, table: 7 }, 'table'],
    ['half a surrogate pair', { ...PLACE, name: '\udfff' }, 'name'],
    ['a name too long', { ...PLACE, name: 'n'.repeat(890) }, 'place'],
    ['a name of too many bytes', { ...PLACE, name: 'é'.repeat(445) }, 'place'],
    ['a name inherited', Object.create({ ...PLACE, name: '' }), 'name'],
  ])('in %s; nor is it opened there', (_, place, field) => {
    for (const ring of rings) {
      const envelope = ring.seal('secret', PLACE)
      const expected = { code: 'VALIDATION_ERROR', details: { field } }
      expect(thrown(() => ring.seal('secret', place as typeof PLACE))).toMatchObject(expected)
      expect(thrown(() => ring.open(envelope, place as typeof PLACE))).toMatchObject(expected)
    }
  })

  it('the longest place is held by both formats', () => {
    const place = { tenant: 't'.repeat(63), table: 'é'.repeat(31), name: 'n'.repeat(900 - 63 - 62) }
    for (const ring of rings) expect(ring.open(ring.seal('x', place), place)).toBe('x')
  })
})

describe('examine and reseal', () => {
  const old = keyRing({ key: older })
  const ring = keyRing({ key, retired: [older], acceptUnbound: true })

  it('what is current stays as it is', () => {
    for (const format of ['v1', 'v2'] as const) {
      const own = keyRing({ key, format })
      const envelope = own.seal('x', PLACE)
      expect(own.examine(envelope, PLACE)).toEqual({ format, keyId: own.keyId, bound: true, current: true })
      expect(own.reseal(envelope, PLACE)).toBeNull()
    }
  })

  it('an older key, an older format and a missing place are seen and put right', () => {
    const v2 = keyRing({ key, retired: [older], format: 'v2' })
    const underOld = old.seal('x', PLACE)
    expect(ring.examine(underOld, PLACE)).toEqual({
      format: 'v1',
      keyId: old.keyId,
      bound: true,
      current: false,
    })
    for (const target of [ring, v2]) {
      const resealed = target.reseal(underOld, PLACE)
      expect(target.examine(resealed ?? '', PLACE)).toMatchObject({
        keyId: ring.keyId,
        bound: true,
        current: true,
      })
      expect(target.open(resealed ?? '', PLACE)).toBe('x')
      expect(thrown(() => old.open(resealed ?? '', PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    }
    expect(v2.examine(ring.seal('x', PLACE), PLACE)).toMatchObject({ format: 'v1', current: false })
  })
})
