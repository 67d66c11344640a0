import { createDecipheriv, createSecretKey, hkdfSync, randomBytes } from 'node:crypto'
import { isTenancyError } from '@org/core'
import { describe, expect, it } from 'vitest'
import { encrypt } from '../../src/envelope/aes-gcm.ts'
import { placeEncoder } from '../../src/envelope/place.ts'
import { keyRing } from '../../src/keys/key-ring.ts'
import { aesBlock, fromBlock, ghash, inverse, multiply } from './gf128.ts'
import { PLACE } from './places.ts'

interface Reader {
  readonly key: Uint8Array
  readonly aad: Uint8Array
}

/**
 * A ciphertext and tag that are valid for both readers: GCM's tag is linear in the ciphertext, so one free block (the
 * last of `blocks`) makes two tags equal ("invisible salamanders", Dodis et al., CRYPTO 2018).
 */
function forTwo(
  one: Reader,
  two: Reader,
  nonce: Uint8Array,
  blocks = 3,
): { ciphertext: Buffer; tag: Buffer } {
  const ciphertext = randomBytes(16 * blocks)
  ciphertext.fill(0, ciphertext.length - 16)
  const counter = Buffer.concat([nonce, Buffer.from([0, 0, 0, 1])])
  const tagWith = ({ key, aad }: Reader, text: Uint8Array): bigint =>
    ghash(aesBlock(key, Buffer.alloc(16)), aad, text) ^ aesBlock(key, counter)
  const squareOf = ({ key }: Reader): bigint => {
    const h = aesBlock(key, Buffer.alloc(16))
    return multiply(h, h)
  }
  // The last block counts with H²: (S1 + S2) / (H1² + H2²).
  const difference = tagWith(one, ciphertext) ^ tagWith(two, ciphertext)
  const free = multiply(difference, inverse(squareOf(one) ^ squareOf(two)))
  ciphertext.set(fromBlock(free), ciphertext.length - 16)
  return { ciphertext, tag: fromBlock(tagWith(one, ciphertext)) }
}

function gcmOpens(
  { key, aad }: Reader,
  nonce: Uint8Array,
  { ciphertext, tag }: { ciphertext: Buffer; tag: Buffer },
): boolean {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 })
  decipher.setAAD(aad).setAuthTag(tag)
  decipher.update(ciphertext)
  try {
    decipher.final()
    return true
  } catch {
    return false
  }
}

const [first, second] = [randomBytes(32), randomBytes(32)]
const rings = {
  v1: [first, second].map((key) => keyRing({ key: key.toString('hex') })),
  v2: [first, second].map((key) => keyRing({ key: key.toString('hex'), format: 'v2' })),
}

describe('one ciphertext for two keys', () => {
  it('control: the forger computes tags as GCM does', () => {
    const { ciphertext, tag } = encrypt(
      createSecretKey(first),
      Buffer.alloc(12),
      Buffer.from('aad'),
      'some plaintext here',
    )
    const counter = Buffer.concat([Buffer.alloc(12), Buffer.from([0, 0, 0, 1])])
    const h = aesBlock(first, Buffer.alloc(16))
    expect(fromBlock(ghash(h, Buffer.from('aad'), ciphertext) ^ aesBlock(first, counter))).toEqual(tag)
  })

  it('control: with plain GCM, and so with enc:v1, it exists', () => {
    const aad = Buffer.from(placeEncoder('@org/crypto enc:v1')(PLACE))
    const nonce = randomBytes(12)
    const forged = forTwo({ key: first, aad }, { key: second, aad }, nonce)
    const envelope = `enc:v1:${Buffer.concat([nonce, forged.tag, forged.ciphertext]).toString('base64')}`
    const opened = rings.v1.map((ring) => Buffer.from(ring.openBytes(envelope, PLACE)).toString('hex'))
    expect(opened[0]).not.toBe(opened[1])
  })

  it('with enc:v2 the same forgery opens under the one key that it commits to', () => {
    const nonce = Buffer.alloc(12)
    const salt = randomBytes(32)
    const encode = placeEncoder('@org/crypto enc:v2')
    const [one, two] = [first, second].map((key, at) => {
      const id = rings.v2[at]!.keyId!
      const aad = Buffer.from(encode(PLACE, id))
      const okm = Buffer.from(hkdfSync('sha256', key, salt, aad, 64))
      return { id, aad, key: okm.subarray(0, 32), commitment: okm.subarray(32) }
    })
    const forged = forTwo(one!, two!, nonce)
    // What GCM alone would have accepted, under either key:
    expect([gcmOpens(one!, nonce, forged), gcmOpens(two!, nonce, forged)]).toEqual([true, true])

    const envelope = (id: string, commitment: Uint8Array): string =>
      `enc:v2:${id}:${Buffer.concat([salt, commitment, forged.tag, forged.ciphertext]).toString('base64')}`
    const opens = (at: number, text: string): boolean => {
      try {
        return rings.v2[at]!.openBytes(text, PLACE).length === forged.ciphertext.length
      } catch (error) {
        if (isTenancyError(error, 'ENVELOPE_UNREADABLE')) return false
        throw error
      }
    }
    expect(opens(0, envelope(one!.id, one!.commitment))).toBe(true)
    expect(opens(1, envelope(one!.id, one!.commitment))).toBe(false)
    // The same bytes after the key's id was changed to the other's: only the commitment stands in the way.
    expect(opens(1, envelope(two!.id, one!.commitment))).toBe(false)
    expect(opens(0, envelope(one!.id, two!.commitment))).toBe(false)
  })
})
