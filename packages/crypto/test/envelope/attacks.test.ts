import { createCipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { placeEncoder } from '../../src/envelope/place.ts'
import { keyRing } from '../../src/keys/key-ring.ts'
import { ANY_CHARACTER } from '../support/characters.ts'
import { PLACE, thrown } from './places.ts'

const raw = randomBytes(32)
const key = raw.toString('hex')
const other = randomBytes(32).toString('hex')
const SECRET = 'correct horse battery'

/** Sealed without a place, as programs before this one did. */
function unbound(plaintext: string, tagBytes = 16): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', raw, iv, { authTagLength: tagBytes })
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return `enc:v1:${Buffer.concat([iv, cipher.getAuthTag(), ciphertext]).toString('base64')}`
}

const formats = [
  { format: 'v1' as const, head: 7, tagAt: 12 },
  { format: 'v2' as const, head: 24, tagAt: 64 },
]

describe.each(formats)('attacks on enc:$format', ({ format, head, tagAt }) => {
  const ring = keyRing({ key, format, acceptUnbound: true })
  const envelope = ring.seal(SECRET, PLACE)
  const bytes = Buffer.from(envelope.slice(head), 'base64')
  const withBytes = (changed: Uint8Array): string =>
    envelope.slice(0, head) + Buffer.from(changed).toString('base64')
  const refused = (forged: string, place = PLACE): void => {
    const expected = thrown(() => ring.openBytes(forged, place))
    expect(expected.code).toBe('ENVELOPE_UNREADABLE')
    for (const method of ['open', 'examine', 'reseal'] as const) {
      expect(thrown(() => ring[method](forged, place))).toEqual(expected)
    }
  }

  it('every bit of it counts', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const forged = Buffer.from(bytes)
      forged[bit >> 3]! ^= 1 << (bit & 7)
      expect(thrown(() => ring.openBytes(withBytes(forged), PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    }
  })

  it('every character of it counts', () => {
    for (let at = 0; at < envelope.length; at++) {
      for (const character of ['A', 'b', '0', '=', ' ', '-', ':', '\0']) {
        if (envelope[at] === character) continue
        const forged = envelope.slice(0, at) + character + envelope.slice(at + 1)
        expect(thrown(() => ring.openBytes(forged, PLACE)).code).toBe('ENVELOPE_UNREADABLE')
      }
      refused(envelope.slice(0, at))
    }
  })

  it('a tag cut short is no tag', () => {
    for (let length = 0; length < 16; length++) {
      refused(withBytes(Buffer.concat([bytes.subarray(0, tagAt + length), bytes.subarray(tagAt + 16)])))
      refused(withBytes(bytes.subarray(0, tagAt + length)))
    }
  })

  it('base64 has one spelling', () => {
    const text = envelope.slice(head)
    const spellings = [
      text.replace(/=+$/, ''),
      `${text}=`,
      `${text}\n`,
      ` ${text}`,
      `${text.slice(0, 20)}\r\n${text.slice(20)}`,
      `${text.slice(0, 20)}!${text.slice(20)}`,
      `${text}AAAA`,
      text.replaceAll('+', '-').replaceAll('/', '_'),
      `${text}====`,
    ].filter((spelling) => spelling !== text)
    for (const spelling of spellings) refused(envelope.slice(0, head) + spelling)
    // Stray bits before the padding: every plaintext length that leaves some.
    for (const plaintext of ['a', 'ab', 'abc']) {
      const padded = ring.seal(plaintext, PLACE)
      const [body = '', padding = ''] = padded.split(/(=*)$/)
      if (padding === '') continue
      for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/') {
        const forged = body.slice(0, -1) + last + padding
        if (forged !== padded) refused(forged)
      }
    }
  })

  it('it opens in its own place only', () => {
    for (const field of ['tenant', 'table', 'name'] as const) {
      for (const value of [
        'globex',
        `${PLACE[field]} `,
        PLACE[field].toUpperCase(),
        '__proto__',
        'constructor',
      ]) {
        refused(envelope, { ...PLACE, [field]: value })
      }
    }
    refused(envelope, { tenant: PLACE.table, table: PLACE.tenant, name: PLACE.name })
  })

  it('no two places share an encoding', () => {
    const part = fc.string({
      unit: fc.constantFrom('a', 'b', '\0', '\x01', 'é', ':'),
      minLength: 1,
      maxLength: 5,
    })
    const place = fc.record({ tenant: part, table: part, name: part })
    fc.assert(
      fc.property(place, place, (one, two) => {
        const same = one.tenant === two.tenant && one.table === two.table && one.name === two.name
        const sealed = ring.seal('x', one)
        if (same) expect(ring.open(sealed, two)).toBe('x')
        else refused(sealed, two)
      }),
      {
        examples: [
          [
            { tenant: 'a', table: 'bc', name: 'd' },
            { tenant: 'ab', table: 'c', name: 'd' },
          ],
        ],
      },
    )
  })

  it('the empty string comes out of an empty secret only', () => {
    const broken = [
      '',
      format,
      `enc:${format}:`,
      envelope.slice(0, head),
      `enc:${format}`,
      'x',
      withBytes(bytes.subarray(0, tagAt + 16)),
    ]
    for (const forged of broken) refused(forged)
    for (const odd of [null, undefined, 7, {}, ['enc:v1:'], new String(envelope)]) {
      expect(thrown(() => ring.open(odd as string, PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    }
  })

  it('its prefix is exact', () => {
    const body = envelope.slice(7)
    for (const prefix of [
      'ENC:v1:',
      'enc:v01:',
      'enc:v3:',
      'enc: v1:',
      ' enc:v1:',
      'enc:v1',
      'enc:v1::',
      '\ufeffenc:v1:',
      '',
    ]) {
      refused(prefix + body)
    }
    refused((format === 'v1' ? 'enc:v2:' : 'enc:v1:') + body)
  })

  it('the error says which envelope and nothing else, whatever was wrong', () => {
    const wrongs = [
      thrown(() => keyRing({ key: other, format }).open(envelope, PLACE)),
      thrown(() => ring.open(withBytes(bytes.subarray(0, -1)), PLACE)),
      thrown(() => ring.open(envelope, { ...PLACE, tenant: 'globex' })),
      thrown(() => ring.open(`${envelope} `, PLACE)),
      thrown(() => ring.open(ring.seal(Buffer.from([0xff]), PLACE), PLACE)),
    ]
    for (const wrong of wrongs) expect(wrong).toEqual(wrongs[0])
    expect(wrongs[0]?.details).toEqual({ table: 'app_settings', name: 'smtp.password', format })
    for (const said of [key, SECRET, 'globex', 'acme', envelope.slice(head)]) {
      expect(JSON.stringify(wrongs)).not.toContain(said)
    }
  })

  it('random text does not open', () => {
    fc.assert(
      fc.property(fc.string({ unit: ANY_CHARACTER, maxLength: 200 }), (text) =>
        refused(`enc:${format}:${text}`),
      ),
    )
    fc.assert(
      fc.property(fc.base64String({ maxLength: 400 }), (text) => refused(envelope.slice(0, head) + text)),
    )
  })
})

describe('the id in enc:v2', () => {
  it('is authenticated: another id, known or not, does not open', () => {
    const both = keyRing({ key, retired: [other], format: 'v2' })
    const envelope = both.seal(SECRET, PLACE)
    const [current = '', retired = ''] = both.keyIds
    expect(both.open(envelope, PLACE)).toBe(SECRET)
    for (const id of [
      retired,
      '0'.repeat(16),
      current.toUpperCase(),
      '__proto__0000000',
      '../../etc/passwd',
    ]) {
      const forged = envelope.replace(current, id)
      if (forged !== envelope) expect(thrown(() => both.open(forged, PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    }
  })
})

describe('envelopes without a place', () => {
  const asked = keyRing({ key, acceptUnbound: true })

  it('open only when asked for, and are bound by a reseal', () => {
    const old = unbound('from before')
    for (const format of ['v1', 'v2'] as const) {
      expect(thrown(() => keyRing({ key, format }).open(old, PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    }
    expect(asked.open(old, PLACE)).toBe('from before')
    expect(asked.examine(old, PLACE)).toEqual({
      format: 'v1',
      keyId: asked.keyId,
      bound: false,
      current: false,
    })
    const bound = asked.reseal(old, PLACE) ?? ''
    expect(keyRing({ key }).open(bound, PLACE)).toBe('from before')
    expect(thrown(() => asked.open(bound, { ...PLACE, tenant: 'globex' })).code).toBe('ENVELOPE_UNREADABLE')
  })

  it('also need a whole tag, and the key', () => {
    for (const tagBytes of [4, 8, 12, 13, 14, 15]) {
      expect(thrown(() => asked.open(unbound('short tag', tagBytes), PLACE)).code).toBe('ENVELOPE_UNREADABLE')
    }
    const foreign = keyRing({ key: other, acceptUnbound: true })
    expect(thrown(() => foreign.open(unbound('x'), PLACE)).code).toBe('ENVELOPE_UNREADABLE')
  })
})

it('control: without the lengths two places would be one', () => {
  const naive = (tenant: string, table: string): string => tenant + table
  expect(naive('a', 'bc')).toBe(naive('ab', 'c'))
  const encode = placeEncoder('label')
  const hex = (tenant: string, table: string) =>
    Buffer.from(encode({ tenant, table, name: 'n' })).toString('hex')
  expect(hex('a', 'bc')).not.toBe(hex('ab', 'c'))
})
