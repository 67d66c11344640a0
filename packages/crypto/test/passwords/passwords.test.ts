import { hash as bareHash } from '@node-rs/argon2'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPasswords } from '../../src/passwords/index.ts'
import { createPasswordsOn } from '../../src/passwords/passwords.ts'
import { countingArgon2 } from './counting.ts'

const passwords = createPasswords()
const PASSWORD = 'correct horse battery staple'
/** The cheapest that is allowed, for tests that hash much. */
const CHEAP = { memoryCost: 35_840, timeCost: 1 }

describe('hash and verify', () => {
  it('is argon2id with the parameters of the OWASP cheat sheet, salted anew each time', async () => {
    const [one, two] = await Promise.all([passwords.hash(PASSWORD), passwords.hash(PASSWORD)])
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    expect(one).not.toBe(two)
    expect(await passwords.verify(PASSWORD, one)).toEqual({ valid: true, needsRehash: false })
    expect(await passwords.verify(`${PASSWORD} `, one)).toEqual({ valid: false, needsRehash: false })
  })

  it.each([
    ['memory', { memoryCost: 24_576, timeCost: 2 }],
    ['passes', { memoryCost: 19_456, timeCost: 3 }],
    ['lanes', { memoryCost: 19_456, timeCost: 2, parallelism: 2 }],
  ])('asks for a new hash when %s rise, and only when the password is right', async (_, raised) => {
    const old = await passwords.hash(PASSWORD)
    const now = createPasswords(raised)
    expect(await now.verify(PASSWORD, old)).toEqual({ valid: true, needsRehash: true })
    expect(await now.verify('wrong', old)).toEqual({ valid: false, needsRehash: false })
    const renewed = await now.hash(PASSWORD)
    expect(await now.verify(PASSWORD, renewed)).toEqual({ valid: true, needsRehash: false })
    // Falling parameters weaken nobody who has a stronger hash.
    expect(await passwords.verify(PASSWORD, renewed)).toEqual({ valid: true, needsRehash: false })
  })

  it.each([
    ['argon2d', { algorithm: 0 }],
    ['argon2i', { algorithm: 1 }],
    ['version 16', { version: 0 }],
    ['a short salt', { salt: new Uint8Array(8).fill(7) }],
    ['a short output', { outputLen: 16 }],
  ])('accepts %s from elsewhere and asks for a new hash', async (_, options) => {
    const imported = await bareHash(PASSWORD, { memoryCost: 19_456, timeCost: 2, ...options })
    expect(await passwords.verify(PASSWORD, imported)).toEqual({ valid: true, needsRehash: true })
    expect(await passwords.verify('wrong', imported)).toEqual({ valid: false, needsRehash: false })
  })
})

describe('a user that is not there', () => {
  it.each([undefined, null])('costs the same computation and is never valid (%s)', async (nothing) => {
    const counting = countingArgon2()
    const counted = createPasswordsOn(counting.argon2, CHEAP)
    const known = await counted.hash(PASSWORD)
    counting.calls.length = 0
    expect(await counted.verify('wrong', known)).toEqual({ valid: false, needsRehash: false })
    expect(await counted.verify('wrong', nothing)).toEqual({ valid: false, needsRehash: false })
    expect(await counted.verifyUnknown('wrong')).toEqual({ valid: false, needsRehash: false })
    expect(counting.calls).toEqual(Array(3).fill('verify m=35840,t=1,p=1'))
  })

  it('is not valid whatever argon2 says of the stand-in', async () => {
    const agreeing = createPasswordsOn(async () => ({ hash: async () => '', verify: async () => true }))
    expect(await agreeing.verify('guess', undefined)).toEqual({ valid: false, needsRehash: false })
  })

  it('is refused in the same way as a known one for a password that cannot be one', async () => {
    const counting = countingArgon2()
    const counted = createPasswordsOn(counting.argon2)
    const known = await passwords.hash(PASSWORD)
    for (const bad of ['', 'x'.repeat(1_025), 'a\0b']) {
      const errors = await Promise.all(
        [known, undefined].map((hash) => counted.verify(bad, hash).catch((error: unknown) => error)),
      )
      expect(errors[0]).toMatchObject({ code: 'VALIDATION_ERROR' })
      expect(errors[1]).toEqual(errors[0])
    }
    expect(counting.calls).toEqual([])
  })
})

describe('what a password is', () => {
  it.each([
    [undefined, 'type'],
    [42, 'type'],
    [['a'], 'type'],
    [{ toString: () => 'a' }, 'type'],
    ['', 'empty'],
    ['x'.repeat(1_025), 'length'],
    ['é'.repeat(513), 'length'],
    // NFC would make it 800 bytes: what is too long is not worked on.
    ['u\u0308\u0304'.repeat(400), 'length'],
    // NFC makes it longer: U+1D15E becomes two characters of four bytes.
    ['\u{1D15E}'.repeat(200), 'length'],
    ['a\0b', 'characters'],
    ['line\n', 'characters'],
    ['\ud800', 'characters'],
  ])('refuses %j (%s) without quoting it', async (bad, reason) => {
    const error = await passwords.hash(bad as string).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'VALIDATION_ERROR', details: { reason } })
    if (typeof bad === 'string' && bad.length > 3) expect(String(error)).not.toContain(bad.slice(0, 4))
  })

  it('takes the longest one whole: its last byte counts', async () => {
    const longest = 'x'.repeat(1_024)
    const hash = await passwords.hash(longest)
    expect((await passwords.verify(longest, hash)).valid).toBe(true)
    expect((await passwords.verify(`${longest.slice(0, -1)}y`, hash)).valid).toBe(false)
  })

  it('is the same however it was typed (RFC 8265), and not more the same than that', async () => {
    const hash = await passwords.hash('caf\u00e9 2\u00a0\u4e2d')
    expect((await passwords.verify('cafe\u0301 2\u3000\u4e2d', hash)).valid).toBe(true)
    expect((await passwords.verify('caf\u00e9 \u00b2\u00a0\u4e2d', hash)).valid).toBe(false)
    expect((await passwords.verify('Caf\u00e9 2\u00a0\u4e2d', hash)).valid).toBe(false)
  })

  it('round-trips whatever is accepted, and no other one fits', { tags: 'slow' }, async () => {
    const cheap = createPasswords(CHEAP)
    const password = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
      .filter((text) => !/\p{Cc}/u.test(text))
    await fc.assert(
      fc.asyncProperty(password, async (text) => {
        const hash = await cheap.hash(text)
        expect((await cheap.verify(text, hash)).valid).toBe(true)
        expect((await cheap.verify(`${text}.`, hash)).valid).toBe(false)
      }),
      { numRuns: 15 },
    )
  })
})
