import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { deriveMessageKeys } from '../../src/envelope/derive.ts'
import type { SecretPlace } from '../../src/envelope/envelopes.ts'
import { placeEncoder } from '../../src/envelope/place.ts'
import { keyIdOf } from '../../src/keys/key-id.ts'
import { keyRing } from '../../src/keys/key-ring.ts'
import { thrown } from './places.ts'

/** Written by another implementation (Python's `cryptography`), from FORMAT.md. */
const vectors: Vectors = JSON.parse(readFileSync(new URL('vectors/envelopes.json', import.meta.url), 'utf8'))
const FORMAT = readFileSync(new URL('../../FORMAT.md', import.meta.url), 'utf8')

interface Sealed {
  readonly comment: string
  readonly key: string
  readonly place: SecretPlace
  readonly plaintext: string
  readonly envelope: string
}
interface Vectors {
  readonly keys: readonly { hex: string; base64: string; kid: string }[]
  readonly dataKeyIds: readonly { key: string; tenant: string; kid: string }[]
  readonly valid: readonly (Sealed &
    (
      | { format: 'v1'; aad: string; iv: string }
      | { format: 'v2'; header: string; salt: string; messageKey: string; commitment: string }
    ))[]
  readonly unbound: readonly Omit<Sealed, 'place'>[]
  readonly invalid: readonly Omit<Sealed, 'plaintext'>[]
}

const keyOf = (hex: string) => createSecretKey(Buffer.from(hex, 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('test vectors of FORMAT.md', () => {
  it.each(vectors.keys)('key id $kid', ({ hex, base64, kid }) => {
    expect(keyIdOf(keyOf(hex))).toBe(kid)
    expect([keyRing({ key: hex }).keyId, keyRing({ key: base64 }).keyId]).toEqual([kid, kid])
  })

  it.each(vectors.dataKeyIds)('data key id of $tenant', ({ key, tenant, kid }) => {
    expect(keyIdOf(keyOf(key), tenant)).toBe(kid)
  })

  it.each(vectors.valid)('$format, $comment: opens', (vector) => {
    const ring = keyRing({ key: vector.key })
    expect(hexOf(ring.openBytes(vector.envelope, vector.place))).toBe(vector.plaintext)
    if (vector.format === 'v1') {
      expect(hexOf(placeEncoder('@org/crypto enc:v1')(vector.place))).toBe(vector.aad)
      return
    }
    const header = placeEncoder('@org/crypto enc:v2')(vector.place, ring.keyId ?? '')
    expect(hexOf(header)).toBe(vector.header)
    const message = deriveMessageKeys(keyOf(vector.key), Buffer.from(vector.salt, 'hex'), header)
    expect(hexOf(message.key.export())).toBe(vector.messageKey)
    expect(hexOf(message.commitment)).toBe(vector.commitment)
  })

  it.each(vectors.unbound)('v1, $comment', ({ key, envelope, plaintext }) => {
    const place = { tenant: 'anyone', table: 'anything', name: 'any' }
    expect(hexOf(keyRing({ key, acceptUnbound: true }).openBytes(envelope, place))).toBe(plaintext)
  })

  it.each(vectors.invalid)('$comment: does not open', ({ key, envelope, place }) => {
    expect(thrown(() => keyRing({ key }).openBytes(envelope, place)).code).toBe('ENVELOPE_UNREADABLE')
  })

  it('are those that FORMAT.md shows', () => {
    const first = [
      vectors.valid.find(({ format }) => format === 'v1'),
      vectors.valid.find(({ format }) => format === 'v2'),
    ]
    for (const vector of first) expect(FORMAT).toContain(vector?.envelope)
    for (const { kid } of [...vectors.keys.slice(0, 1), ...vectors.dataKeyIds.slice(0, 1)])
      expect(FORMAT).toContain(kid)
    expect(vectors.invalid.length).toBeGreaterThan(40)
  })
})
