import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { matchesSecret } from '../../src/api-keys/hashing.ts'
import { makeKeyText, type PresentedKey } from '../../src/api-keys/key-text.ts'
import { hmacTag, parsePeppers } from '../../src/api-keys/peppers.ts'
import { PEPPER } from './support.ts'

const pepper = createSecretKey(Buffer.from(PEPPER.key, 'hex'))

it('no two sets of parts give one tag, also where the parts run into each other', () => {
  const part = fc.constantFrom('', 'a', 'aa', 'ab', 'b', '|', '1:a', '|1:a', '0:', '\u00e9')
  const parts = fc.tuple(part, part, part, part, part)
  const tag = ([tenant, prefix, env, keyId, secret]: readonly string[]) =>
    hmacTag(pepper, tenant ?? '', { prefix, env, keyId, secret } as PresentedKey).toString('hex')
  fc.assert(
    fc.property(parts, parts, (one, two) => {
      expect(tag(one) === tag(two)).toBe(JSON.stringify(one) === JSON.stringify(two))
    }),
    { numRuns: 2_000 },
  )
  expect(tag(['acme', 'pgt', 'live', 'id', 'secret'])).not.toBe(tag(['acmep', 'gt', 'live', 'id', 'secret']))
})

it('nothing stored never matches, not even a tag that is all zeros as what it is compared with', async () => {
  const { presented } = makeKeyText('pgt', 'live')
  const zeros = {
    kind: 'hmac-sha-256' as const,
    peppers: parsePeppers([PEPPER]),
    tag: () => Buffer.alloc(32),
    passwords: () => {
      throw new Error('not used')
    },
  }
  expect(await matchesSecret(zeros, 'acme', presented, undefined)).toBe(false)
  expect(await matchesSecret(zeros, 'acme', presented, { hash: 'none', pepperId: PEPPER.id })).toBe(false)
})
