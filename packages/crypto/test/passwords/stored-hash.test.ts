import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nativeArgon2 } from '../../src/passwords/argon2.ts'
import { createPasswords } from '../../src/passwords/index.ts'
import { createPasswordsOn } from '../../src/passwords/passwords.ts'
import { countingArgon2 } from './counting.ts'

const SALT = 'c2FsdHNhbHRzYWx0c2FsdA'
const OUTPUT = 'YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE'
const phc = (cost: string, algorithm = 'argon2id', version = 'v=19$') =>
  `$${algorithm}$${version}${cost}$${SALT}$${OUTPUT}`

async function refusal(hash: unknown): Promise<unknown> {
  const counting = countingArgon2()
  const error = await createPasswordsOn(counting.argon2)
    .verify('a password', hash as string)
    .catch((thrown: unknown) => thrown)
  // Nothing was computed.
  expect(counting.calls).toEqual([])
  return error
}

describe('a stored hash that would cost too much', () => {
  it.each([
    ['4 TiB of memory', 'm=4294967295,t=1,p=1'],
    ['just over 8 times the memory', 'm=155649,t=1,p=1'],
    ['a minute of passes', 'm=19456,t=4294967295,p=1'],
    ['just over 8 times the work', 'm=19456,t=17,p=1'],
    ['memory and passes that are each allowed', 'm=155648,t=3,p=1'],
    ['255 lanes', 'm=19456,t=2,p=255'],
    ['less than 8 KiB a lane', 'm=8,t=2,p=2'],
  ])('is refused before it is computed: %s', async (_, cost) => {
    expect(await refusal(phc(cost))).toMatchObject({
      code: 'ENVELOPE_UNREADABLE',
      details: { reason: 'cost' },
    })
  })

  it('is computed up to the bound, as of other programs with higher settings', async () => {
    const elsewhere = await (await nativeArgon2()).hash('a password', {
      memoryCost: 65_536,
      timeCost: 4,
      parallelism: 1,
    })
    const verdict = await createPasswords().verify('a password', elsewhere)
    expect(verdict).toEqual({ valid: true, needsRehash: false })
    await expect(createPasswords({ maxStoredCost: 2 }).verify('a password', elsewhere)).rejects.toMatchObject(
      {
        code: 'ENVELOPE_UNREADABLE',
      },
    )
  })
})

describe('a stored hash that is none', () => {
  it.each([
    ['empty', ''],
    ['a number', 42],
    ['an object', {}],
    ['clear text', 'a password'],
    ['bcrypt', '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
    ['scrypt', `$scrypt$ln=16,r=8,p=1$${SALT}$${OUTPUT}`],
    ['another algorithm', phc('m=19456,t=2,p=1', 'argon2x')],
    ['an unknown version', phc('m=19456,t=2,p=1', 'argon2id', 'v=20$')],
    ['no memory', phc('m=0,t=2,p=1')],
    ['a leading zero', phc('m=019456,t=2,p=1')],
    ['a negative cost', phc('m=-1,t=2,p=1')],
    ['a cost in exponents', phc('m=1e9,t=2,p=1')],
    ['a cost too many digits long', phc('m=99999999999,t=2,p=1')],
    ['another order', phc('t=2,m=19456,p=1')],
    ['a further parameter', phc('m=19456,t=2,p=1,keyid=AAAA')],
    ['a line after it', `${phc('m=19456,t=2,p=1')}\n`],
    ['no output', phc('m=19456,t=2,p=1').slice(0, -OUTPUT.length)],
    ['a megabyte', phc('m=19456,t=2,p=1') + 'A'.repeat(1 << 20)],
  ])('is refused with a code: %s', async (_, hash) => {
    const error = await refusal(hash)
    expect(error).toMatchObject({ code: 'ENVELOPE_UNREADABLE', details: { reason: 'format' } })
    expect(JSON.stringify(error) + String(error)).not.toContain(SALT)
  })

  it('is refused when only the native code notices, without its error', async () => {
    // Base64 whose last character has bits that no byte has.
    const error = await createPasswords()
      .verify('a password', `$argon2id$v=19$m=19456,t=2,p=1$${SALT.slice(0, -1)}B$${OUTPUT}`)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ENVELOPE_UNREADABLE', details: { reason: 'format' } })
    expect(error).not.toHaveProperty('cause')
  })

  it('never gets through as anything but a verdict or a coded error', async () => {
    const passwords = createPasswords()
    const part = fc.oneof(
      fc.constantFrom('$', 'argon2id', 'v=19', 'm=19456,t=2,p=1', SALT, OUTPUT),
      fc.string(),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 12 }), async (parts) => {
        const outcome = await passwords.verify('a password', parts.join('')).catch((error: unknown) => error)
        expect(outcome).toSatisfy(
          (it: { valid?: boolean; code?: string }) => it.valid === false || it.code === 'ENVELOPE_UNREADABLE',
        )
      }),
    )
  })
})
